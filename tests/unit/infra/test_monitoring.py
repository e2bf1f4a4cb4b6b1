"""Alerts and workbook ask for what the app measures, and each alert has its section in operate.md."""

import json
import re

import pytest

from email_core.metrics import METRICS
from tests.support.azurite import ROOT
from tests.support.bicep import INFRA, declared, resources

ALERTS = (INFRA / "modules/alerts.bicep").read_text()
WORKBOOK = json.loads((INFRA / "workbook.json").read_text())
OPERATE = (ROOT / "docs/how-to/operate.md").read_text()
DEPLOY = (ROOT / "docs/how-to/deploy.md").read_text()
COLUMNS = {  # of the tables of Application Insights in a Log Analytics workspace, those that are asked for
    "AppMetrics": {"TimeGenerated", "Name", "Sum", "ItemCount", "Max", "Properties"},
    "AppTraces": {"Message", "ItemCount"},
    "AppExceptions": {"OuterMessage", "ItemCount"},
    "AppRequests": {"ResultCode", "ItemCount"},
}
ROWS = {metric.name: metric for metric in METRICS}


def alert_queries():
    rows = declared("modules/alerts.bicep", "var", "queries").value
    return dict(re.findall(r"name: '([\w-]+)'.*?query: '''\n(.*?)'''", rows, re.DOTALL))


def workbook_queries():
    return {item["name"]: item["content"]["query"] for item in WORKBOOK["items"] if item["type"] == 3}


QUERIES = {f"alert {name}": one for name, one in alert_queries().items()} | {
    f"workbook {name}": one for name, one in workbook_queries().items()
}


def without_literals(query):
    return re.sub(r'"[^"]*"', '""', query)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_names_only_tables_and_columns_that_are_there(query):
    words = set(re.findall(r"(?<![.\w])[A-Z]\w+", without_literals(query)))  # names of our own begin in lower case
    tables = words & set(COLUMNS)
    assert tables
    assert words - tables <= set().union(*(COLUMNS[table] for table in tables))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_asks_for_metrics_and_attributes_of_the_app(query):
    names = re.findall(r'"(email\.[\w.]+)"', query)
    assert set(names) <= set(ROWS)
    assert bool(names) == ("AppMetrics" in query)
    for name in names:
        assert set(re.findall(r"Properties\.(\w+)", query)) <= set(ROWS[name].attributes)


def test_every_metric_is_in_the_workbook():
    """What nobody can look at need not be measured."""
    assert {name for name in ROWS if f'"{name}"' not in "".join(workbook_queries().values())} == set()


@pytest.mark.parametrize("query", alert_queries().values(), ids=alert_queries())
def test_alert_compares_one_value(query):
    """Of one row: `summarize` without `by`, or what is made of its row."""
    last = [line for line in query.splitlines() if line.startswith("|")][-1]
    assert re.match(r"\| (summarize|project) value = ", last)
    assert " by " not in last


def test_workbook_is_of_the_shape_that_the_portal_reads():
    assert WORKBOOK["version"] == "Notebook/1.0"
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(set(names)) == len(names)
    [times] = [item["content"]["parameters"] for item in WORKBOOK["items"] if item["type"] == 9]
    for item in WORKBOOK["items"]:
        if item["type"] == 3:
            assert item["content"]["timeContextFromParameter"] == times[0]["name"]
            assert item["content"]["crossComponentResources"] == ["WORKSPACE_ID"]
            assert item["content"]["visualization"] in ("timechart", "table")


def test_workbook_gets_the_workspace_in_its_place():
    [workbook] = resources("Microsoft.Insights/workbooks")
    assert workbook.property("serializedData") == (
        "replace(loadTextContent('../workbook.json'), 'WORKSPACE_ID', workspaceId)"
    )


NAMES = [*alert_queries(), "storage-unavailable"]


@pytest.mark.parametrize("name", NAMES)
def test_alert_is_in_the_documents(name):
    assert f"\n## {name}\n" in OPERATE
    assert f"| [`{name}`](operate.md#{name}) |" in DEPLOY


def test_documents_tell_of_no_other_alert():
    assert set(re.findall(r"operate\.md#([\w-]+)", DEPLOY)) == set(NAMES)
    assert "name: 'storage-unavailable-${functionAppName}'" in ALERTS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)", OPERATE))))
def test_operate_links_to_what_exists(link):
    assert (ROOT / "docs/how-to" / link).exists()
