"""Doorbells on a real queue: what is put can be read by a trigger."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from email_core.message import Address
from email_core.record import Mode
from email_core.stores.base import INLINE_CONTENT_LIMIT, Doorbell, StoredEmail
from email_core.stores.doorbell_text import LONGEST_TEXT, doorbell_from_text, doorbell_to_text
from tests.support.emails import NOON, email
from tests.support.storage import azure_stores, queued_texts


@pytest.mark.parametrize("mode", Mode)
async def test_doorbell_arrives_in_the_queue_of_its_mode(storage_connection, mode):
    bell = Doorbell(email().id, mode)
    async with azure_stores(storage_connection) as (_, doorbells):
        await doorbells.ring(bell)
    assert [doorbell_from_text(text) for text in await queued_texts(storage_connection, mode)] == [bell]


async def test_delayed_doorbell_is_not_seen_yet(storage_connection):
    async with azure_stores(storage_connection) as (_, doorbells):
        await doorbells.ring(Doorbell(email().id, Mode.BATCH), timedelta(minutes=1))
    assert await queued_texts(storage_connection, Mode.BATCH) == []


async def test_delay_beyond_the_queue_s_limit_is_cut_to_it(storage_connection):
    async with azure_stores(storage_connection) as (_, doorbells):
        await doorbells.ring(Doorbell(email().id, Mode.BATCH), timedelta(days=400))  # 400 of the queue otherwise


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"email": 1, "mode": "batch"}', '{"email": "../x", "mode": "batch"}', "\udc80"]
)
def test_garbage_is_no_doorbell(text):
    with pytest.raises(ValueError, match="doorbell"):
        doorbell_from_text(text)


def test_doorbell_has_no_key_that_the_host_would_take_for_trigger_metadata():
    record = email()
    text = doorbell_to_text(Doorbell(record.id, Mode.BATCH, StoredEmail(record, "x", b"")), NOON).lower()
    for key in ("id", "dequeuecount", "insertiontime", "expirationtime", "nextvisibletime", "popreceipt"):
        assert f'"{key}":' not in text


def carried(record, mime: bytes | None) -> StoredEmail | None:
    bell = Doorbell(record.id, record.mode, StoredEmail(record, 'W/"1"', mime))
    text = doorbell_to_text(bell, NOON)
    assert len(text.encode()) <= LONGEST_TEXT
    return doorbell_from_text(text).stored


def test_doorbell_carries_a_small_email_whole():
    record = email(subject="Übersicht", user="ann", send_at=NOON, metadata={"order": "42"})
    assert carried(record, b"Subject: x\r\n\r\ny\r\n") == StoredEmail(record, 'W/"1"', b"Subject: x\r\n\r\ny\r\n")


def test_doorbell_carries_an_email_without_the_content_that_is_in_a_blob():
    record = email(size=INLINE_CONTENT_LIMIT + 1)
    assert carried(record, None) == StoredEmail(record, 'W/"1"', None)


def test_email_that_was_read_without_its_content_is_not_carried():
    stored = StoredEmail(email(), "x", None)
    assert (Doorbell.of(stored).stored, carried(stored.record, None)) == (None, None)


@pytest.mark.parametrize("mime", [b"x" * LONGEST_TEXT, b"\r\n" * 20_000, "ö".encode()])
def test_doorbell_leaves_aside_what_does_not_fit(mime):
    assert carried(email(), mime) is None


def test_doorbell_leaves_aside_a_record_of_many_recipients():
    assert carried(email(to=tuple(Address(f"{n}{'x' * 200}@example.com") for n in range(500))), b"") is None


def test_doorbell_with_damaged_contents_is_still_a_doorbell():
    record = email()
    text = doorbell_to_text(Doorbell(record.id, Mode.BATCH, StoredEmail(record, "x", b"")), NOON)
    damaged = doorbell_from_text(text.replace('"status":"Unsent"', '"status":"Lost"'))
    assert (damaged.email_id, damaged.stored) == (record.id, None)


def test_largest_doorbell_fits_into_the_queue_s_64_kib():
    assert len(base64.b64encode(bytes(LONGEST_TEXT))) == 64 * 1024


async def test_head_of_the_queue_tells_how_far_behind_the_workers_are(storage_connection):
    async with azure_stores(storage_connection) as (_, doorbells):
        assert await doorbells.oldest_due(Mode.BATCH) is None
        before = datetime.now(UTC)
        await doorbells.ring(Doorbell(email().id, Mode.BATCH))
        await doorbells.ring(Doorbell(email().id, Mode.BATCH), timedelta(hours=1))
        assert before <= await doorbells.oldest_due(Mode.BATCH) <= datetime.now(UTC)
        assert await doorbells.oldest_due(Mode.INTERACTIVE) is None
