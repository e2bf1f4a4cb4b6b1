from collections.abc import Iterator

import pytest

from email_core.errors import StorageUnavailable
from tests.support.doors import Doors, open_doors, small_email

BATCHES = "/api/email-batches"


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as doors:
        yield doors


async def test_each_email_has_its_own_answer_in_order(doors):
    emails = [small_email(subject="0"), small_email(to=[]), 7, small_email(subject="3"), small_email(template="x")]
    answer = await doors.post(BATCHES, {"emails": emails})
    items = answer.json["items"]
    assert (answer.status, [item["status"] for item in items]) == (207, [202, 422, 422, 202, 422])
    assert items[1]["problem"]["errors"][0]["pointer"] == "/to"
    assert [record.subject for record, _ in doors.emails.inserted] == ["0", "3"]
    assert [(await doors.get(item["links"]["self"])).json["subject"] for item in (items[0], items[3])] == ["0", "3"]
    assert len(doors.doorbells.rung) == 2


async def test_hundred_emails_are_taken_and_one_more_is_not(doors):
    assert (await doors.post(BATCHES, {"emails": [small_email()] * 100})).status == 207
    assert (await doors.post(BATCHES, {"emails": [small_email()] * 101})).status == 422
    assert len(doors.emails.inserted) == 100


@pytest.mark.parametrize("body", [[], {}, {"emails": []}, {"emails": {}}, {"emails": [], "x": 1}, "x"])
async def test_what_is_no_batch_is_refused_whole(doors, body):
    assert (await doors.post(BATCHES, body)).status == 422


async def test_dry_run_in_a_batch_is_refused_and_not_sent(doors):
    answer = await doors.post(BATCHES, {"emails": [small_email(dry_run=True)]})
    assert answer.json["items"][0]["problem"]["errors"][0]["pointer"] == "/dry_run"
    assert doors.nothing_happened


async def test_storage_that_fails_fails_each_email_of_its_own(doors):
    doors.emails.failure = StorageUnavailable("test")
    answer = await doors.post(BATCHES, {"emails": [small_email(), small_email()]})
    assert [item["status"] for item in answer.json["items"]] == [503, 503]
