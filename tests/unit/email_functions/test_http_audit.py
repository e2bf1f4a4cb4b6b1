"""Who changed what, as an administrator reads it."""

import pytest

from email_core.errors import StorageUnavailable

URL = "/api/audit"


async def events(doors):
    return [
        (one["action"], one["subject"], one["before"], one["after"]) for one in (await doors.get(URL)).json["items"]
    ]


async def test_secret_is_told_as_set_and_never_by_its_value(doors):
    await doors.put("/api/secrets/smtp-password", {"value": "hunter2"})
    answer = await doors.get(URL)
    assert [(one["action"], one["subject"], one["by"]["id"]) for one in answer.json["items"]] == [
        ("secret set", "smtp-password", "local")
    ]
    assert b"hunter2" not in answer.body


async def test_distributor_is_told_with_what_it_was_and_what_it_is(doors):
    await doors.patch("/api/distributor", {"enabled": False, "recurrence": {"every_minutes": 5, "end_after_runs": 3}})
    assert await events(doors) == [
        ("distributor changed", "distributor", "on, continuous", "off, every 5 minutes, until 3 runs")
    ]


@pytest.mark.parametrize("body", [{}, {"enabled": True}, {"enabled": True, "recurrence": {"every_minutes": 0}}])
async def test_distributor_that_stays_as_it_is_is_not_told(doors, body):
    answer = await doors.patch("/api/distributor", body)
    assert (answer.status, answer.json["enabled"], await events(doors)) == (200, True, [])


async def test_what_is_refused_is_not_told(doors):
    assert (await doors.put("/api/secrets/smtp-password", {"value": ""})).status == 422
    assert (await doors.patch("/api/distributor", {"enabled": "no"})).status == 422
    assert await events(doors) == []


async def test_nothing_is_changed_that_cannot_be_recorded(doors, monkeypatch):
    async def unavailable(events):
        raise StorageUnavailable("write the audit")

    monkeypatch.setattr(doors.audit, "insert", unavailable)
    assert (await doors.put("/api/secrets/smtp-password", {"value": "hunter2"})).status == 503
    assert not (await doors.get("/api/secrets/smtp-password")).json["set"]


async def test_list_goes_on_where_the_page_before_ended(doors):
    for value in ("one", "two", "three"):
        await doors.put("/api/secrets/smtp-password", {"value": value})
    first = (await doors.get(f"{URL}?limit=2")).json
    rest = (await doors.get(f"{URL}?limit=2&cursor={first['next']}")).json
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


@pytest.mark.parametrize(
    ("query", "pointer"), [("limit=0", "?limit"), ("limit=501", "?limit"), ("cursor=x", "?cursor"), ("q=x", "?q")]
)
async def test_wrong_query_is_named(doors, query, pointer):
    answer = await doors.get(f"{URL}?{query}")
    assert (answer.status, answer.pointers) == (422, [pointer])
