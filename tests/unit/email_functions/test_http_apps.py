import pytest

from email_core.app_senders import CACHED_FOR, AllowedSenders
from tests.support.emails import NOON

APP = "33333333-3333-3333-3333-333333333333"
URL = f"/api/apps/{APP}"


async def test_app_is_limited_and_the_limit_is_lifted(doors):
    answer = await doors.put(URL, {"senders": ["@News.Contoso.com", "Ann@contoso.com", "ann@contoso.com"]})
    row = {"client_id": APP, "name": "", "senders": ["@news.contoso.com", "ann@contoso.com"]}
    assert (answer.status, answer.json) == (200, row)
    assert (await doors.get(URL)).json == row
    assert (await doors.get("/api/apps")).json == {"items": [row]}
    assert (await doors.call("DELETE", URL)).status == 204
    assert (await doors.get(URL)).status == (await doors.call("DELETE", URL)).status == 404


async def test_every_change_is_audited(doors):
    await doors.put(URL, {"senders": ["ann@contoso.com"], "name": "Billing"})
    await doors.put(URL, {"senders": []})
    await doors.call("DELETE", URL)
    events = [event.change for _, event in sorted(doors.audit.events.items(), key=lambda item: item[1].at)]
    assert {(one.action.value, one.subject) for one in events} == {("app changed", APP)}
    assert [(one.before, one.after) for one in events] == [
        ("may send as anybody", "may send as ann@contoso.com"),
        ("may send as ann@contoso.com", "may send as nobody"),
        ("may send as nobody", "may send as anybody"),
    ]


async def test_client_id_may_be_written_in_capitals(doors):
    await doors.put(f"/api/apps/{APP.replace('3', 'A')}", {"senders": []})
    assert list(doors.app_senders.rows) == [APP.replace("3", "a")]


@pytest.mark.parametrize("app", ["billing", APP + "0", "*"])
async def test_what_is_no_client_id_is_refused_with_what_is_one(doors, app):
    answer = await doors.put(f"/api/apps/{app}", {"senders": []})
    assert (answer.status, answer.pointers) == (422, ["/id"])
    assert "application (client) id" in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/senders"),
        ({"senders": "ann@contoso.com"}, "/senders"),
        ({"senders": ["ann"]}, "/senders/0"),
        ({"senders": ["@"]}, "/senders/0"),
        ({"senders": ["*@contoso.com@"]}, "/senders/0"),
        ({"senders": ["Ann <ann@contoso.com>"]}, "/senders/0"),
        ({"senders": [f"{number:060}@contoso.com" for number in range(500)]}, "/senders"),
        ({"senders": [], "name": "a\nb"}, "/name"),
        ({"senders": [], "roles": ["Email.Admin"]}, "/roles"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_sender_is_refused(doors, body, pointer):
    answer = await doors.put(URL, body)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert doors.app_senders.rows == {}


async def test_each_that_is_no_sender_is_pointed_at(doors):
    answer = await doors.put(URL, {"senders": ["x", "ann@contoso.com", "contoso.com"]})
    assert answer.pointers == ["/senders/0", "/senders/2"]


async def test_change_counts_when_the_cached_one_is_old(doors):
    now = NOON
    allowed = AllowedSenders(doors.app_senders, lambda: now)
    assert await allowed.of(APP) is None
    await doors.put(URL, {"senders": ["ann@contoso.com"]})
    assert await allowed.of(APP) is None
    now += CACHED_FOR
    assert await allowed.of(APP) == {"ann@contoso.com"}
