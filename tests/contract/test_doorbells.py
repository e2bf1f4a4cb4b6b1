"""Doorbells on a real queue: what is put can be read by a trigger."""

from datetime import timedelta

import pytest

from email_core.record import Mode
from email_core.stores.base import Doorbell
from tests.support.emails import email
from tests.support.storage import azure_stores, queued_texts


@pytest.mark.parametrize("mode", Mode)
async def test_doorbell_arrives_in_the_queue_of_its_mode(storage_connection, mode):
    bell = Doorbell(email().id, mode)
    async with azure_stores(storage_connection) as (_, doorbells):
        await doorbells.ring(bell)
    assert [Doorbell.from_json(text) for text in await queued_texts(storage_connection, mode)] == [bell]


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
        Doorbell.from_json(text)


def test_doorbell_has_no_key_that_the_host_would_take_for_trigger_metadata():
    text = Doorbell(email().id, Mode.BATCH).to_json().lower()
    for key in ("id", "dequeuecount", "insertiontime", "expirationtime", "nextvisibletime", "popreceipt"):
        assert f'"{key}":' not in text
