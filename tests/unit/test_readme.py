"""What the README and the reference promise."""

import json
import re

import pytest

from dev.costs import LOG_ALERTS, SIZES, TIMER_REQUESTS, TIMER_RUNS, costs, use
from dev.reference import (
    COSTS,
    DIAGNOSIS,
    METRICS_PAGE,
    PARAMETERS,
    PROVIDERS,
    README,
    costs_page,
    diagnosis_page,
    metrics_page,
    parameters_page,
    providers_page,
)
from email_core.parameters import ROWS
from email_functions.email_schema import email_body

TEXT = README.read_text()
MAKEFILE = (README.parent / "Makefile").read_text()


def test_parameters_reference_is_that_of_the_code():
    assert PARAMETERS.read_text() == parameters_page(), "run python -m dev.reference"


@pytest.mark.parametrize("name", ROWS)
def test_every_parameter_is_in_the_reference_once(name):
    assert PARAMETERS.read_text().count(f"\n| `{name}` |") == 1


def test_diagnosis_reference_is_that_of_the_catalogue():
    assert DIAGNOSIS.read_text() == diagnosis_page(), "run python -m dev.reference"


def test_providers_reference_is_that_of_their_classes():
    assert PROVIDERS.read_text() == providers_page(), "run python -m dev.reference"


def test_metrics_reference_is_that_of_the_code():
    assert METRICS_PAGE.read_text() == metrics_page(), "run python -m dev.reference"


def test_costs_are_those_of_the_code():
    assert COSTS.read_text() == costs_page(), "run python -m dev.reference"


def test_costs_know_all_timers_and_alerts():
    assert set(TIMER_REQUESTS) == set(TIMER_RUNS)
    alerts = (README.parent / "infra/modules/alerts.bicep").read_text()
    assert alerts.count("query: '''") == LOG_ALERTS


def test_ten_times_the_mail_costs_more_but_not_ten_times():
    bills = [sum(costs(use(size)).values()) for size in SIZES]
    assert bills[0] < bills[1] < 100 * bills[0]
    assert bills[1] < bills[2] < 100 * bills[1]


def test_email_in_the_readme_is_accepted():
    body = re.search(r"-d '(\{.*?\n\})'", TEXT, re.DOTALL)[1]
    assert email_body(body.encode()).message().subject == json.loads(body)["subject"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (\w+)", TEXT))))
def test_make_target_exists(target):
    assert f"\n{target}:" in MAKEFILE


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", TEXT))))
def test_linked_file_exists(link):
    assert (README.parent / link).exists()
