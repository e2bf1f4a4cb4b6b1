"""The limit of what one caller may hand over, as an app meets it."""

from collections.abc import Iterator

import pytest

from tests.support.doors import Doors, open_doors, small_email

BATCHES = "/api/email-batches"


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors(accept_rate_limit=2) as doors:
        yield doors


async def test_email_over_the_limit_is_refused_and_says_when_to_come_again(doors):
    await doors.accepted()
    await doors.accepted()
    answer = await doors.post("/api/emails", small_email())
    assert (answer.status, answer.json["limit"]) == (429, 2)
    assert 1 <= int(answer.headers["Retry-After"]) == answer.json["retry_after"] <= 61
    assert len(doors.emails.inserted) == 2


async def test_batch_counts_each_of_its_emails(doors):
    answer = await doors.post(BATCHES, {"emails": [small_email(to=[]), *[small_email()] * 3]})
    assert (answer.status, [item["status"] for item in answer.json["items"]]) == (207, [422, 202, 202, 429])
    assert answer.json["items"][3]["problem"]["retry_after"] >= 1


async def test_batch_that_has_room_for_none_is_refused_as_a_whole(doors):
    await doors.post(BATCHES, {"emails": [small_email()] * 2})
    answer = await doors.post(BATCHES, {"emails": [small_email()] * 2})
    assert (answer.status, "Retry-After" in answer.headers) == (429, True)
    assert len(doors.emails.inserted) == 2


async def test_neither_a_dry_run_nor_what_is_refused_counts(doors):
    for _ in range(3):
        assert (await doors.post("/api/emails", small_email(dry_run=True))).status == 200
        assert (await doors.post("/api/emails", small_email(to=[]))).status == 422
    await doors.accepted()
    await doors.accepted()


async def test_replay_is_neither_counted_nor_refused(doors):
    first = await doors.post("/api/emails", small_email(), idempotency_key="order-42")
    for _ in range(3):
        again = await doors.post("/api/emails", small_email(), idempotency_key="order-42")
        assert (again.status, again.json) == (202, first.json)
    await doors.accepted()
    assert (await doors.post("/api/emails", small_email(), idempotency_key="order-42")).status == 202


async def test_key_of_a_refused_email_is_free_again(doors):
    await doors.post(BATCHES, {"emails": [small_email()] * 2})
    for _ in range(2):
        assert (await doors.post("/api/emails", small_email(), idempotency_key="order-43")).status == 429
    assert doors.keys._uses == {}


async def test_email_that_is_sent_once_more_does_not_count(doors):
    for email in (await doors.accepted(), await doors.accepted()):
        await doors.post(email["links"]["cancel"])
        assert (await doors.post(f"{email['links']['self']}/resend")).status == 202
