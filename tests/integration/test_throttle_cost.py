"""What a sending limit costs in storage requests, counted by a proxy in front of the emulator."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from email_core.assembly import Subsystem, connect, live, utc_now
from email_core.delivery_state import Status
from email_core.parameters import Parameters
from email_core.provider_set import ProviderSet
from email_core.record import Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.azure.names import EMAILS_TABLE, PARAMETERS_TABLE, STATES_TABLE
from email_core.stores.base import Doorbell, Stores
from email_core.stores.doorbell_text import doorbell_from_text, doorbell_to_text
from email_core.stores.memory import MemoryDoorbells
from email_core.throttling import MINUTE
from email_core.timer_runs import LAST_SWEEP
from tests.support.doors import IdleProvider
from tests.support.emails import email
from tests.support.storage import all_azure_stores, queued_texts
from tests.support.storage_proxy import StorageProxy, storage_proxy


def subsystem(stores: Stores, clock=utc_now, **parameters) -> Subsystem:
    return connect(
        stores=stores,
        providers={"smtp": IdleProvider()},
        parameters=Parameters(**parameters),
        secrets=MemorySecrets(utc_now),
        clock=clock,
    )


@dataclass
class Counted:
    """The core over the emulator."""

    core: Subsystem
    stores: Stores
    proxy: StorageProxy

    async def kept(self, number: int) -> list[Doorbell]:
        now = datetime.now(UTC)
        stored = await asyncio.gather(*(self.stores.emails.insert(email(now), b"Hello") for _ in range(number)))
        return [Doorbell.of(one) for one in stored]

    async def answer(self, bells: Sequence[Doorbell]) -> Counter[str]:
        """All at once. Returns what was asked of the storage, the windows apart."""
        self.proxy.forget()
        await asyncio.gather(*map(self.core.delivery.answer, bells))
        return Counter(
            f"window {one.kind}" if one.resource == STATES_TABLE else one.kind for one in self.proxy.exchanges
        )

    async def line_up(self, number: int) -> None:
        """So many wait behind the limit."""
        window, etag = await self.stores.windows.read("smtp")
        line = replace(window, issued=number, served=0, moved_at=MINUTE.at(utc_now()))
        await self.stores.windows.write("smtp", line, etag)

    async def statuses(self, bells: Sequence[Doorbell]) -> set[Status]:
        return {(await self.stores.emails.get(bell.email_id)).record.status for bell in bells}


@asynccontextmanager
async def counted(connection: str, **parameters) -> AsyncIterator[Counted]:
    async with storage_proxy(connection) as proxy, all_azure_stores(proxy.connection) as stores:
        world = Counted(subsystem(stores, **parameters), stores, proxy)
        await world.answer(await world.kept(1))  # the distributor's state and the window are read
        yield world


async def test_sixteen_permits_cost_one_request(storage_connection):
    async with counted(storage_connection, smtp_per_minute_limit=1000) as world:
        bells = await world.kept(16)
        requests = await world.answer(bells)
        assert await world.statuses(bells) == {Status.SENT}
    assert {kind: count for kind, count in requests.items() if kind.startswith("window")} == {"window table merge": 1}


async def test_deferral_costs_two_requests_and_coming_back_none(storage_connection):
    async with counted(storage_connection, smtp_per_minute_limit=1) as world:
        (bell,) = await world.kept(1)
        requests = await world.answer([bell])
        assert await world.statuses([bell]) == {Status.UNSENT}
    assert requests == {"window table merge": 1, "table merge": 1, "queue put": 1}


def of_emails(proxy: StorageProxy) -> Counter[str]:
    """What was asked of their rows, and put for them. Those of a partition are written in transactions."""
    return Counter(
        one.kind for one in proxy.exchanges if one.resource in (EMAILS_TABLE, "$batch") or one.kind == "queue put"
    )


ONE_A_MINUTE = {"smtp_per_minute_limit": 1, "throttle_mode": "strict"}


async def test_deferral_of_more_than_ten_minutes_costs_one_write_and_one_doorbell(storage_connection):
    """A lone email is parked behind a limit, rung by the sweeper before its time, and claimed when that has come."""
    rung = MemoryDoorbells()
    async with counted(storage_connection, **ONE_A_MINUTE) as world:
        await world.line_up(20)
        await world.answer(bells := await world.kept(1))
        parking = of_emails(world.proxy)
        due = (await world.stores.emails.get(bells[0].email_id)).record.due_at
        world.proxy.forget()
        before = subsystem(replace(world.stores, doorbells=rung), lambda: due - timedelta(minutes=9), **ONE_A_MINUTE)
        await before.timer_runs.record(LAST_SWEEP[Mode.BATCH], due - timedelta(minutes=14))
        await before.sweeper.sweep(due)
        sweeping = of_emails(world.proxy)
        world.proxy.forget()
        ((bell, delay),) = rung.rung
        as_read = doorbell_from_text(doorbell_to_text(bell, due))
        await subsystem(world.stores, lambda: due).delivery.answer(as_read)
        answering = of_emails(world.proxy)
        assert await world.statuses(bells) == {Status.SENT}
    assert (parking, sweeping, delay) == ({"table merge": 1}, {"table query": 1}, timedelta(minutes=9))
    assert answering == {"table merge": 1, "table transaction": 1}, "claim and end: it is not read"


async def test_parked_mail_that_is_brought_forward_shares_its_writes(storage_connection):
    """Thirty-two are parked behind a limit, rung by the sweeper when it is gone, and claimed."""
    async with counted(storage_connection, **ONE_A_MINUTE) as world:
        await world.line_up(20)
        await world.answer(bells := await world.kept(32))
        parking = of_emails(world.proxy)
        unlimited = subsystem(world.stores)
        world.proxy.forget()
        await unlimited.sweeper.sweep(utc_now() + timedelta(minutes=1))
        sweeping = of_emails(world.proxy)
        world.proxy.forget()
        texts = await queued_texts(storage_connection, Mode.BATCH)
        await asyncio.gather(*(unlimited.delivery.answer(doorbell_from_text(text)) for text in texts))
        answering = of_emails(world.proxy)
        assert await world.statuses(bells) == {Status.SENT}
    assert (set(parking), parking.total() <= 4) == ({"table transaction"}, True)
    assert (sweeping["table query"], sweeping["queue put"]) == (1, 32)  # the list has them with their content
    assert sweeping["table transaction"] <= 2
    assert set(sweeping) == {"table query", "queue put", "table transaction"}
    assert set(answering) == {"table transaction"}  # claims and ends


async def test_large_email_is_not_read_before_it_is_claimed(storage_connection):
    async with counted(storage_connection) as world:
        stored = await world.stores.emails.insert(email(utc_now(), size=100_000), bytes(100_000))
        text = doorbell_to_text(Doorbell.of(stored), utc_now())
        requests = await world.answer([doorbell_from_text(text)])
        assert await world.statuses([Doorbell.of(stored)]) == {Status.SENT}
    assert requests == {"table merge": 1, "blob get": 1, "table transaction": 1}


async def test_without_a_limit_nothing_is_asked_of_the_windows(storage_connection):
    async with counted(storage_connection) as world:
        requests = await world.answer(await world.kept(16))
    assert not [kind for kind in requests if kind.startswith("window")]


async def test_stored_parameters_cost_one_read_for_all_emails_of_five_seconds(storage_connection):
    """A lone email pays it in each process that it passes: the one that accepts it, and the one that sends it."""
    async with storage_proxy(storage_connection) as proxy, all_azure_stores(proxy.connection) as stores:
        await stores.parameters.write({"smtp_server": "mail.contoso.com"}, None)
        providers = ProviderSet({"smtp": lambda settings: IdleProvider()})
        now = datetime.now(UTC)
        cores = live({}, stores, MemorySecrets(utc_now), providers, lambda: now)
        proxy.forget()

        async def deliver(record):
            core = await cores.core()
            await core.delivery.answer(Doorbell.of(await stores.emails.insert(record, b"Hello")))

        await asyncio.gather(*(deliver(email(now)) for _ in range(32)))
        reads = [one for one in proxy.exchanges if one.resource == PARAMETERS_TABLE]
    assert [one.kind for one in reads] == ["table get"]
