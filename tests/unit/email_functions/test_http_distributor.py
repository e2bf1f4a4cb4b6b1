import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta

import pytest

from email_core.distributor import DistributorState
from email_core.errors import InvalidEmail
from email_functions.distributor_schema import distributor_change
from tests.support.doors import Doors, open_doors
from tests.support.emails import NOON

URL = "/api/distributor"
CONTINUOUS = {"every_minutes": 0, "end_after_runs": None, "end_date": None}


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as doors:
        yield doors


async def test_distributor_is_on_and_continuous_by_default(doors):
    body = (await doors.get(URL)).json
    assert (body["enabled"], body["on"], body["recurrence"], body["next_run"]) == (True, True, CONTINUOUS, None)


async def test_mail_accepted_while_it_is_off_waits_and_goes_when_it_is_on(doors):
    assert not (await doors.patch(URL, {"enabled": False})).json["on"]
    await doors.accepted()
    assert doors.doorbells.rung == []
    assert (await doors.get(URL)).json["backlog"] == 1
    assert (await doors.patch(URL, {"enabled": True})).json["on"]
    assert len(doors.doorbells.rung) == 1


async def test_recurrence_is_set_and_tells_the_next_run(doors):
    recurrence = {"every_minutes": 15, "end_after_runs": 10}
    body = (await doors.patch(URL, {"recurrence": recurrence})).json
    assert body["recurrence"] == recurrence | {"end_date": None}
    assert body["next_run"].endswith(":30.000Z")


@pytest.mark.parametrize("end", [{"end_after_runs": 1, "runs": 1}, {"end_date": date(2020, 1, 1)}])
async def test_what_the_diagnosis_of_a_recurrence_that_is_over_says_sends_what_waits(doors, end):
    await doors.distributor.write(DistributorState(every_minutes=5, **end), None)
    email = (await doors.accepted())["links"]["self"]
    (fix, _) = re.findall(r"`({.*?})`", (await doors.get(email)).json["waits_for"]["diagnosis"]["fix"])
    assert (await doors.patch(URL, json.loads(fix))).json["on"]
    assert len(doors.doorbells.rung) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"enabled": "yes"}, "/enabled"),
        ({"recurrence": {"every_minutes": -1}}, "/recurrence/every_minutes"),
        ({"recurrence": {"every_minutes": 5, "end_after_runs": 1, "end_date": "2030-01-01"}}, "/recurrence"),
        ({"recurrence": {"end_after_runs": 1}}, "/recurrence"),
        ({"recurrence": {"every_minutes": 5, "end_date": "2020-01-01"}}, "/recurrence/end_date"),
        ({"speed": 9}, "/speed"),
        ([], ""),
    ],
)
async def test_change_that_makes_no_sense_is_refused(doors, body, pointer):
    answer = await doors.patch(URL, body)
    assert (answer.status, answer.pointers) == (422, [pointer])


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("5", "is not a whole number: write it without quotes"),
        *[(value, "is not a whole number like 50") for value in ("many", "", "1.5", None, 1.5, True, [5])],
    ],
)
async def test_quotes_are_blamed_only_where_a_whole_number_stands_in_them(doors, value, detail):
    answer = await doors.patch(URL, {"recurrence": {"every_minutes": value}})
    assert answer.json["errors"] == [{"pointer": "/recurrence/every_minutes", "detail": detail}]


@pytest.mark.parametrize(("day", "is_taken"), [("2026-03-01", False), ("2026-03-02", True)])
def test_last_day_may_be_today_and_none_before(day, is_taken):
    edit = distributor_change(json.dumps({"recurrence": {"every_minutes": 5, "end_date": day}}).encode())
    with nullcontext() if is_taken else pytest.raises(InvalidEmail, match="give today"):
        edit(DistributorState(), NOON)


RUN = {"every_minutes": 5, "last_run_at": NOON}
YESTERDAY = NOON.date() - timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "begins_anew"),
    [
        (DistributorState(**RUN, end_after_runs=10, runs=9), False),
        (DistributorState(**RUN, end_after_runs=10, runs=10), True),
        (DistributorState(**RUN, end_date=NOON.date(), runs=9), False),
        (DistributorState(**RUN, end_date=YESTERDAY, runs=9), False),
    ],
    ids=["by runs", "by runs, over", "by date", "by date, over"],
)
def test_what_stands_there_is_not_begun_anew_by_saying_it_again_unless_it_is_over_and_can_be(state, begins_anew):
    end_date = state.end_date and state.end_date.isoformat()
    recurrence = {"every_minutes": 5, "end_after_runs": state.end_after_runs, "end_date": end_date}
    edit = distributor_change(json.dumps({"enabled": True, "recurrence": recurrence}).encode())
    assert edit(state, NOON) == (replace(state, runs=0, last_run_at=None) if begins_anew else state)


def test_another_recurrence_begins_anew():
    edit = distributor_change(b'{"recurrence": {"every_minutes": 5, "end_after_runs": 10}}')
    edited = edit(DistributorState(**RUN, end_after_runs=11, runs=9), NOON)
    assert edited == DistributorState(every_minutes=5, end_after_runs=10)


@pytest.mark.parametrize(
    ("body", "enabled", "every_minutes", "runs"),
    [
        ({"enabled": None}, False, 5, 9),
        ({"recurrence": None}, False, 5, 9),
        ({"recurrence": {"end_date": None, "end_after_runs": None}}, False, 0, 0),
    ],
)
def test_null_changes_nothing_and_within_a_recurrence_is_no_end(body, enabled, every_minutes, runs):
    state = DistributorState(enabled=False, every_minutes=5, end_after_runs=10, runs=9)
    edited = distributor_change(json.dumps(body).encode())(state, NOON)
    assert (edited.enabled, edited.every_minutes, edited.runs) == (enabled, every_minutes, runs)
