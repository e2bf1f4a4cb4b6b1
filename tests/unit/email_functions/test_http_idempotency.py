"""Idempotency keys as an app sees them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from email_core.errors import StorageUnavailable
from email_core.idempotency import IN_FLIGHT, KEPT
from tests.support.doors import Doors, open_doors, small_email


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as doors:
        yield doors


async def post(doors: Doors, key: str = "order-42", **fields):
    return await doors.post("/api/emails", small_email(**fields), idempotency_key=key)


def age_keys(doors: Doors, by: timedelta) -> None:
    uses = doors.keys._uses
    uses.update({key: replace(use, at=use.at - by) for key, use in uses.items()})


async def test_same_request_again_is_answered_as_the_first_time_and_marked(doors):
    first, second = await post(doors), await post(doors)
    assert (second.status, second.json) == (202, first.json)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(doors.emails.inserted) == 1


async def test_same_message_with_another_query_string_is_another_request(doors):
    raw = b"From: ann@contoso.com\r\nTo: bob@example.com\r\n\r\nHello\r\n"
    queries = ("", "?code=a", "?code=b", "?mode=interactive")
    found = [
        (await doors.call("POST", f"/api/emails{query}", raw, "message/rfc822", idempotency_key="k")).status
        for query in queries
    ]
    assert found == [202, 202, 202, 409]


async def test_replay_is_the_same_after_the_email_was_canceled(doors):
    first = await post(doors)
    await doors.post(first.json["links"]["cancel"])
    assert (await post(doors)).json == first.json


async def test_same_key_with_another_body_is_refused(doors):
    await post(doors)
    answer = await post(doors, subject="Another")
    assert (answer.status, answer.json["type"]) == (409, "idempotency-key-reused")
    assert len(doors.emails.inserted) == 1


async def test_other_key_is_another_email(doors):
    assert (await post(doors, "a")).json["id"] != (await post(doors, "b")).json["id"]


async def test_of_many_at_once_one_is_accepted(doors):
    answers = await asyncio.gather(*(post(doors) for _ in range(20)))
    assert len(doors.emails.inserted) == 1
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.json["id"] for answer in answers if answer.status == 202}) == 1


async def test_key_is_free_again_after_a_day(doors):
    first = await post(doors)
    age_keys(doors, KEPT)
    assert (await post(doors)).json["id"] != first.json["id"]


@pytest.mark.parametrize("kept", [False, True])
async def test_failed_request_frees_its_key_but_where_only_the_answer_was_lost(doors, kept):
    insert = doors.emails.insert

    async def fail(*about):
        if kept:
            await insert(*about)
        raise StorageUnavailable("test")

    doors.emails.insert = fail
    assert (await post(doors)).status == 503
    doors.emails.insert = insert
    second = await post(doors)
    assert (second.status, "Idempotency-Replayed" in second.headers) == (202, kept)
    assert len(doors.emails.inserted) == 1


async def test_request_that_died_blocks_its_key_while_it_might_still_run(doors):
    first = await post(doors)
    doors.emails._emails.clear()  # it died between the key and the email
    assert (await post(doors)).json["type"] == "idempotency-key-in-flight"
    age_keys(doors, IN_FLIGHT)
    second = await post(doors)
    assert (second.status, "Idempotency-Replayed" in second.headers) == (202, False)
    assert second.json["id"] != first.json["id"]
    assert (await post(doors)).json == second.json


async def test_invalid_request_and_dry_run_use_no_key(doors):
    assert (await post(doors, to=[])).status == 422
    assert (await post(doors, dry_run=True)).status == 200
    assert (await post(doors)).status == 202


@pytest.mark.parametrize(
    ("key", "words"),
    [
        *[("", "is empty"), ("  ", "is empty"), ("k" * 257, "is longer than 256 characters")],
        *[("a\nb", "has a control character"), ("a\tb", "has a control character")],
    ],
)
async def test_key_that_is_none_is_refused(doors, key, words):
    answer = await post(doors, key)
    assert (answer.status, answer.pointers) == (422, ["Idempotency-Key"])
    assert answer.json["errors"][0]["detail"].startswith(words)
    assert doors.nothing_happened


async def test_resend_takes_no_key(doors):
    ended = (await doors.accepted())["links"]
    await doors.post(ended["cancel"])
    answer = await doors.post(f"{ended['self']}/resend", idempotency_key="a")
    assert (answer.status, answer.pointers, len(doors.emails.inserted)) == (422, ["Idempotency-Key"], 1)


async def test_batch_takes_no_key(doors):
    answer = await doors.post("/api/email-batches", {"emails": [small_email()]}, idempotency_key="a")
    assert (answer.status, answer.pointers) == (422, ["Idempotency-Key"])
