"""Idempotency keys, the distributor's and the providers' states: one suite over all stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from email_core.distributor import DistributorState
from email_core.errors import LostRace
from email_core.idempotency import KeyUse, hashed
from email_core.mailbox_slots import Holding, MailboxState
from email_core.provider_pause import ProviderState
from email_core.stores.base import Stores
from email_core.stores.memory import memory_stores
from tests.support.emails import NOON
from tests.support.storage import all_azure_stores

FIRST = KeyUse(hashed(b"order-42"), hashed(b"body"), "first", NOON)
SECOND = replace(FIRST, body=hashed(b"another"), email_id="second", at=NOON + timedelta(minutes=1))


@pytest.fixture(params=["memory", "azure"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores


async def test_first_use_of_a_key_is_kept_and_the_second_is_shown_it(stores):
    assert await stores.keys.claim(FIRST) is None
    standing = await stores.keys.claim(SECOND)
    assert replace(standing, etag=None) == FIRST


async def test_one_of_many_uses_at_once_is_the_first(stores):
    uses = [replace(FIRST, email_id=str(number)) for number in range(20)]
    standing = await asyncio.gather(*map(stores.keys.claim, uses))
    assert standing.count(None) == 1


async def test_key_is_taken_over_once(stores):
    await stores.keys.claim(FIRST)
    standing = await stores.keys.claim(SECOND)
    await stores.keys.take_over(standing, SECOND)
    with pytest.raises(LostRace):
        await stores.keys.take_over(standing, replace(SECOND, email_id="third"))
    assert (await stores.keys.claim(FIRST)).email_id == "second"


async def test_released_key_is_free(stores):
    await stores.keys.claim(FIRST)
    await stores.keys.release(FIRST)
    assert await stores.keys.claim(SECOND) is None


async def test_key_that_another_request_took_over_is_not_released_by_the_first(stores):
    await stores.keys.claim(FIRST)
    await stores.keys.take_over(await stores.keys.claim(SECOND), SECOND)
    await stores.keys.release(FIRST)
    assert (await stores.keys.claim(FIRST)).email_id == "second"


async def test_purge_forgets_the_old_uses_only(stores):
    old = [replace(FIRST, key=hashed(str(number).encode())) for number in range(20)]
    await asyncio.gather(*map(stores.keys.claim, [*old, SECOND]))
    assert await stores.keys.purge(SECOND.at, datetime.now(UTC) + timedelta(minutes=1)) == 20
    assert await stores.keys.claim(old[0]) is None
    assert (await stores.keys.claim(FIRST)).email_id == "second"


STATE = DistributorState(
    enabled=False, every_minutes=5, end_date=date(2030, 1, 31), runs=3, last_run_at=NOON, releasing=True
)


async def test_distributor_s_state_is_the_default_until_it_is_written(stores):
    assert await stores.distributor.read() == (DistributorState(), None)
    await stores.distributor.write(STATE, None)
    state, etag = await stores.distributor.read()
    assert state == STATE
    await stores.distributor.write(replace(STATE, runs=4), etag)
    assert (await stores.distributor.read())[0].runs == 4


async def test_distributor_s_state_is_not_written_over_another_s(stores):
    await stores.distributor.write(STATE, None)
    _, etag = await stores.distributor.read()
    await stores.distributor.write(STATE, etag)
    for old in (None, etag):
        with pytest.raises(LostRace):
            await stores.distributor.write(DistributorState(), old)
    assert (await stores.distributor.read())[0] == STATE


PAUSED = ProviderState(refusals=3, paused_until=NOON + timedelta(minutes=4), probing=True, reply="535 wrong")


async def test_provider_s_state_is_that_all_is_well_until_it_is_written(stores):
    assert await stores.providers.read("smtp") == (ProviderState(), None)
    await stores.providers.write("smtp", PAUSED, None)
    state, etag = await stores.providers.read("smtp")
    assert state == PAUSED
    await stores.providers.write("smtp", ProviderState(), etag)
    assert (await stores.providers.read("smtp"))[0] == ProviderState()
    assert await stores.providers.read("graph") == (ProviderState(), None)


async def test_pauses_that_nobody_has_written_since_are_forgotten_and_nothing_else(stores):
    await stores.providers.write("smtp-1f", PAUSED, None)
    await stores.timers.write("sweep", NOON)
    assert await stores.providers.purge(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await stores.providers.purge(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await stores.providers.read("smtp-1f") == (ProviderState(), None)
    assert await stores.timers.read("sweep") == NOON


async def test_provider_s_state_is_not_written_over_another_s(stores):
    await stores.providers.write("smtp", PAUSED, None)
    _, etag = await stores.providers.read("smtp")
    await stores.providers.write("smtp", PAUSED, etag)
    for old in (None, etag):
        with pytest.raises(LostRace):
            await stores.providers.write("smtp", ProviderState(), old)
    assert (await stores.providers.read("smtp"))[0] == PAUSED


async def test_timer_s_last_run_is_none_until_it_is_written_and_then_the_last_written(stores):
    assert await stores.timers.read("sweep_outbox") is None
    for at in (NOON, NOON + timedelta(minutes=5)):
        await stores.timers.write("sweep_outbox", at)
    assert await stores.timers.read("sweep_outbox") == NOON + timedelta(minutes=5)
    assert await stores.timers.read("purge_history") is None


MAILBOX = MailboxState({"one": Holding(3, 4, NOON), "two": Holding(0, 1, NOON)}, quiet_until=NOON)


async def test_mailbox_is_kept_as_it_was_written(stores):
    assert await stores.mailboxes.read("graph-1") == (MailboxState(), None)
    etag = await stores.mailboxes.write("graph-1", MAILBOX, None)
    assert await stores.mailboxes.read("graph-1") == (MAILBOX, etag)
    etag = await stores.mailboxes.write("graph-1", MailboxState(), etag)
    assert await stores.mailboxes.read("graph-1") == (MailboxState(), etag)
    assert await stores.mailboxes.read("graph-2") == (MailboxState(), None)


async def test_mailbox_is_not_written_over_a_change(stores):
    first = await stores.mailboxes.write("graph-1", MailboxState(), None)
    await stores.mailboxes.write("graph-1", MAILBOX, first)
    for stale in (None, first):
        with pytest.raises(LostRace):
            await stores.mailboxes.write("graph-1", MailboxState(), stale)


PARAMETERS = {"smtp_server": "mail.contoso.com", "smtp_port": 25, "keep_content": False, "exchange_domains": ""}


async def test_parameters_are_stored_with_their_types_and_replaced_as_a_whole(stores):
    assert await stores.parameters.read() == ({}, None)
    etag = await stores.parameters.write(PARAMETERS, None)
    assert await stores.parameters.read() == (PARAMETERS, etag)
    long = {"smtp_certificate_authority": "x" * 16_000, "exchange_certificate_authority": "\n" * 16_000}
    etag = await stores.parameters.write(long, etag)
    assert await stores.parameters.read() == (long, etag)


async def test_parameters_are_not_written_over_another_s(stores):
    first = await stores.parameters.write(PARAMETERS, None)
    await stores.parameters.write(PARAMETERS | {"smtp_port": 587}, first)
    for old in (None, first):
        with pytest.raises(LostRace):
            await stores.parameters.write({}, old)
    assert (await stores.parameters.read())[0]["smtp_port"] == 587
