import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from email_core.assembly import Subsystem, connect
from email_core.caller import LOCAL
from email_core.distributor import DistributorState
from email_core.errors import LostRace, StorageUnavailable
from email_core.message import Address, Message
from email_core.order import Order
from email_core.parameters import Parameters
from email_core.record import Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.memory import memory_stores
from tests.support.doors import IdleProvider
from tests.support.emails import NOON, Clock

MINUTE = timedelta(minutes=1)
HOURLY = DistributorState(every_minutes=60)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


# the state -> on, continuous, next run (minutes after noon, None: none)
STATES = [
    (DistributorState(), True, True, None),
    (DistributorState(enabled=False), False, False, None),
    (HOURLY, True, False, 0.5),
    (replace(HOURLY, last_run_at=at(-19.5)), True, False, 40.5),
    (replace(HOURLY, last_run_at=at(-59.5)), True, False, 0.5),
    (replace(HOURLY, last_run_at=at(-500)), True, False, 0.5),
    (replace(HOURLY, enabled=False), False, False, None),
    (replace(HOURLY, end_after_runs=3, runs=2), True, False, 0.5),
    (replace(HOURLY, end_after_runs=3, runs=3), False, False, None),
    (replace(HOURLY, end_date=NOON.date()), True, False, 0.5),
    (replace(HOURLY, every_minutes=1440, last_run_at=at(-19.5), end_date=NOON.date()), True, False, None),
    (replace(HOURLY, end_date=NOON.date() - timedelta(days=1)), False, False, None),
    (DistributorState(end_date=date(2020, 1, 1)), False, False, None),
]


@pytest.mark.parametrize(("state", "on", "continuous", "next_run"), STATES)
def test_state(state, on, continuous, next_run):
    assert (state.is_on(NOON), state.is_continuous(NOON)) == (on, continuous)
    assert state.next_run_at(NOON) == (None if next_run is None else at(next_run))
    assert state.is_due(at(0.5)) == (next_run == 0.5)


@pytest.mark.parametrize("state", [HOURLY, replace(HOURLY, last_run_at=at(-500))], ids=["first run", "missed run"])
@pytest.mark.parametrize(("now", "next_run"), [(0, 0.5), (0.3, 0.5), (0.5, 1.5), (0.7, 1.5)])
def test_run_that_is_due_is_told_for_the_next_tick_however_often_one_looks(state, now, next_run):
    assert state.next_run_at(at(now)) == at(next_run)


def test_runs_keep_to_their_rhythm_though_the_timer_comes_late():
    state = HOURLY.after_begin_of_run(at(0.5))
    assert (state.runs, state.next_run_at(at(1))) == (1, at(60.5))
    state = state.after_begin_of_run(at(61.5))
    assert (state.runs, state.next_run_at(at(62))) == (2, at(120.5))
    state = state.after_begin_of_run(at(60 * 24 * 7 + 1.5))  # a missed week is one run
    assert (state.runs, state.next_run_at(at(60 * 24 * 7 + 2))) == (3, at(60 * 24 * 7 + 60.5))


# how much later than its tick the timer comes, in seconds, again and again
JITTERS = [(0,), (0.004, -0.004), (-0.004, 0.004), (0, -0.004, 0.021, 3, -1), (25, -0.004, 50, 0)]


@pytest.mark.parametrize("jitters", JITTERS)
@pytest.mark.parametrize("every", [1, 2, 5, 60])
def test_run_is_begun_every_so_many_ticks_and_once_a_tick_whenever_the_timer_comes(every, jitters):
    state, began = DistributorState(every_minutes=every), []
    for tick in range(121):
        for comes in (0, 0.1):  # the timer comes twice, as another instance may hold it to be its own
            now = at(tick + 0.5) + timedelta(seconds=jitters[tick % len(jitters)] + comes)
            runs, state = state.runs, state.after_begin_of_run(now)
            began += [tick] * (state.runs - runs)
    assert began == list(range(0, 121, every))
    assert state.last_run_at == at(120.5)


def test_time_of_a_last_run_that_is_no_tick_counts_as_its_tick():
    state = DistributorState(every_minutes=1, last_run_at=at(0.5) + timedelta(milliseconds=21))
    assert state.is_due(at(1.5) - timedelta(milliseconds=4))


@pytest.mark.parametrize("edit", [{"enabled": False}, {"every_minutes": 0}, {"last_run_at": NOON}])
def test_no_run_is_begun_where_somebody_changed_the_state_just_before(edit):
    state = replace(HOURLY, **edit)
    assert state.after_begin_of_run(NOON) == state


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.stores = memory_stores()
        self.core = self.with_mode("live")

    def with_mode(self, mode: str) -> Subsystem:
        return connect(
            stores=self.stores,
            providers={"smtp": IdleProvider()},
            parameters=Parameters(delivery_mode=mode),
            secrets=MemorySecrets(self.clock),
            clock=self.clock,
        )

    async def accept(self, mode: Mode = Mode.BATCH) -> str:
        message = Message(sender=Address("ann@contoso.com"), to=(Address("bob@example.com"),))
        return (await self.core.outbox.accept(await self.core.composer.prepare(message, Order(mode=mode), LOCAL))).id

    async def change(self, **edits) -> DistributorState:
        return await self.core.distribution.change(lambda state, now: replace(state, **edits))

    async def run_timer(self) -> bool:
        return await self.core.distribution.run_when_due(self.clock() + MINUTE)

    @property
    def rung(self) -> list[str]:
        return [bell.email_id for bell, _ in self.stores.doorbells.rung]


async def test_mail_waits_while_it_is_off_and_goes_at_once_when_it_is_on():
    world = World()
    await world.change(enabled=False)
    waiting = [await world.accept() for _ in range(3)]
    assert world.rung == []
    assert not (await world.change(enabled=True)).releasing
    assert sorted(world.rung) == sorted(waiting)


async def test_interactive_mail_never_waits_for_it():
    world = World()
    await world.change(enabled=False)
    email_id = await world.accept(Mode.INTERACTIVE)
    assert world.rung == [email_id]


async def test_mail_waits_for_the_next_run_of_a_recurrence():
    world = World()
    await world.change(every_minutes=30)
    assert await world.run_timer()
    email_id = await world.accept()
    assert not await world.run_timer()
    assert world.rung == []
    world.clock.advance(minutes=30)
    assert await world.run_timer()
    assert world.rung == [email_id]


async def test_recurrence_that_is_over_sends_nothing_more():
    world = World()
    await world.change(every_minutes=30, end_after_runs=1)
    await world.run_timer()
    await world.accept()
    world.clock.advance(minutes=90)
    assert not await world.run_timer()
    assert world.rung == []


async def test_last_run_that_was_cut_short_is_finished_and_mail_that_comes_after_it_waits():
    world = World()
    await world.change(every_minutes=30, end_after_runs=1)
    released = await world.accept()
    await world.core.distribution.run_when_due(world.clock())
    assert (world.rung, (await world.core.distribution.status()).on) == ([], False)
    assert await world.run_timer()
    await world.accept()
    assert not await world.run_timer()
    assert world.rung == [released]


async def test_no_run_is_spent_while_all_mail_is_held():
    world = World()
    await world.change(every_minutes=30, end_after_runs=1)
    world.core = world.with_mode("hold")
    email_id = await world.accept()
    assert not await world.run_timer()
    world.core = world.with_mode("live")
    assert await world.run_timer()
    assert world.rung == [email_id]


async def test_run_that_was_cut_short_is_finished_by_the_next_timer():
    world = World()
    await world.change(every_minutes=30)
    for _ in range(40):
        await world.accept()
    await world.core.distribution.run_when_due(world.clock())
    assert world.rung == []
    assert await world.run_timer()
    assert len(world.rung) == 40
    assert not await world.run_timer()


async def test_what_the_storage_did_not_release_is_released_by_the_next_timer():
    world = World()
    await world.change(enabled=False)
    email_id = await world.accept()
    update = world.stores.emails.update

    async def fails(*_):
        raise StorageUnavailable("update an email")

    world.stores.emails.update = fails
    assert (await world.change(enabled=True)).releasing
    world.stores.emails.update = update
    assert await world.run_timer()
    assert world.rung == [email_id]
    assert not await world.run_timer()


async def test_release_that_came_to_no_end_does_not_go_on_after_it_was_switched_off():
    world = World()
    await world.change(enabled=False)
    await world.accept()
    partitions = world.stores.emails.unsettled_partitions

    async def switched_off_meanwhile():
        await world.change(enabled=False)
        world.clock.advance(minutes=1)
        return await partitions()

    world.stores.emails.unsettled_partitions = switched_off_meanwhile
    assert not (await world.change(enabled=True)).releasing


async def test_status_counts_the_backlog_of_batch_mail():
    world = World()
    await world.change(enabled=False)
    await world.accept()
    world.clock.advance(minutes=5)
    await world.accept()
    await world.accept(Mode.INTERACTIVE)
    status = await world.core.distribution.status()
    assert (status.on, status.backlog, status.oldest_at, status.next_run_at) == (False, 2, NOON, None)


async def test_change_of_an_older_version_is_refused():
    world = World()

    def meanwhile(state: DistributorState, now: datetime) -> DistributorState:
        world.stores.distributor._version += 1
        return replace(state, enabled=False)

    with pytest.raises(LostRace):
        await world.core.distribution.change(meanwhile)


async def test_all_who_find_the_state_stale_wait_for_one_reader():
    world = World()
    read, reads = world.stores.distributor.read, []

    async def slow_read():
        reads.append(1)
        await asyncio.sleep(0)
        return await read()

    world.stores.distributor.read = slow_read
    await asyncio.gather(*(world.accept() for _ in range(20)))
    assert len(reads) == 1
