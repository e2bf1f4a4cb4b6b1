"""Several processes share the slots of one mailbox: over the memory store, with a clock that moves by hand."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.errors import StorageUnavailable
from email_core.mailbox_slots import LONGEST_USE, PATIENCE, SEEN_FOR, TERM, Holding, MailboxSlots, MailboxState, NoSlot
from email_core.stores.memory import MemoryMailboxStore
from tests.support.emails import NOON, Clock

LIMIT = 4
BOX = "ann@contoso.com"
SOON = NOON + timedelta(minutes=1)


class CountingStore(MemoryMailboxStore):
    def __init__(self) -> None:
        super().__init__()
        self.requests = 0
        self.is_away = False

    async def read(self, mailbox):
        self._count()
        return await super().read(mailbox)

    async def write(self, mailbox, state, etag):
        self._count()
        return await super().write(mailbox, state, etag)

    def _count(self) -> None:
        if self.is_away:
            raise StorageUnavailable("test")
        self.requests += 1

    @property
    def taken(self) -> int:
        return sum(one.slots for state, _ in self._states.values() for one in state.holdings.values())


class World:
    def __init__(self) -> None:
        self.store = CountingStore()
        self.clock = Clock()
        self.most_at_once = 0
        self.at_once = 0
        self.time_a_pause_takes = 1.0

    def process(self) -> MailboxSlots:
        return MailboxSlots(self.store, provider="graph", limit=LIMIT, clock=self.clock, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds * self.time_a_pause_takes)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def sending(self, process: MailboxSlots, mailbox: str = BOX):
        async with process.slot(mailbox) as still_in_use:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                yield still_in_use
            finally:
                self.at_once -= 1

    async def send(self, process: MailboxSlots, turns: int = 3) -> None:
        async with self.sending(process):
            for _ in range(turns):
                await asyncio.sleep(0)


@pytest.fixture
def world() -> World:
    return World()


async def idle(process: MailboxSlots) -> None:
    """What the process does by itself, until nothing is left to do."""
    while process._tasks:
        await asyncio.gather(*process._tasks)


async def test_never_more_than_the_limit_in_one_process(world):
    process = world.process()
    await asyncio.gather(*(world.send(process, turns=1) for _ in range(2 * LIMIT)))
    assert world.most_at_once == LIMIT


async def test_one_process_asks_the_table_once_for_many_emails(world):
    process = world.process()
    async with world.sending(process):
        for _ in range(50):
            await world.send(process)
        assert world.store.requests == 2  # a read, a write


async def test_idle_mailbox_is_given_back(world):
    process = world.process()
    await world.send(process)
    await idle(process)
    assert (world.store.taken, world.store.requests) == (0, 3)


async def test_second_burst_needs_no_read(world):
    process = world.process()
    await world.send(process)
    await idle(process)
    await world.send(process)
    await idle(process)
    assert world.store.requests == 5


async def test_busy_process_looks_again_after_a_while_only(world):
    process = world.process()
    async with world.sending(process):
        world.clock.advance(seconds=SEEN_FOR.total_seconds() - 1)
        await world.send(process)
        assert world.store.requests == 2
        world.clock.advance(seconds=1)
        await world.send(process)
        assert world.store.requests == 3


async def test_never_more_than_the_limit_over_several_processes(world):
    processes = [world.process() for _ in range(3)]
    results = await asyncio.gather(
        *(world.send(process) for process in processes for _ in range(20)), return_exceptions=True
    )
    assert {type(result) for result in results} <= {type(None), NoSlot}
    assert world.most_at_once <= LIMIT


async def test_process_that_has_all_gives_some_to_another_that_wants_them(world):
    greedy, late = world.process(), world.process()
    async with AsyncExitStack() as stack:
        for _ in range(LIMIT - 1):
            await stack.enter_async_context(world.sending(greedy))
        waiting = asyncio.create_task(world.send(late))
        await asyncio.sleep(0)
        world.clock.advance(seconds=SEEN_FOR.total_seconds())
        asking = asyncio.create_task(world.send(greedy))
        await waiting
        assert world.most_at_once <= LIMIT
        await stack.aclose()
        await asking


async def test_process_with_mail_without_end_keeps_no_more_than_its_share(world):
    greedy, late = world.process(), world.process()
    world.time_a_pause_takes = 0.02
    held = [world.sending(greedy) for _ in range(LIMIT)]
    for one in held:
        await one.__aenter__()
    backlog = [asyncio.create_task(world.send(greedy, turns=100)) for _ in range(LIMIT)]
    waiting = asyncio.create_task(world.send(late, turns=1))
    await turns(500)  # until the greedy one has looked again
    for one in held[: LIMIT // 2]:
        await one.__aexit__(None, None, None)
    await waiting
    assert world.at_once == LIMIT // 2  # those that the greedy one held all the time
    assert world.most_at_once == LIMIT
    for one in held[LIMIT // 2 :]:
        await one.__aexit__(None, None, None)
    await asyncio.gather(*backlog)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_email_that_waits_too_long_is_told_to_come_back(world):
    greedy, late = world.process(), world.process()
    async with AsyncExitStack() as stack:
        for _ in range(LIMIT):
            await stack.enter_async_context(world.sending(greedy))
        started = world.clock.now
        with pytest.raises(NoSlot, match="all 4 slots") as refused:
            await world.send(late)
        assert world.clock.now - started >= PATIENCE
        assert timedelta(0) < refused.value.wait < timedelta(minutes=1)
    await idle(late)
    assert all(state.holdings.keys() <= {greedy._holder} for state, _ in world.store._states.values())


async def test_slots_of_a_process_that_died_are_free_when_its_lease_is_over(world):
    dead, other = world.process(), world.process()
    died = world.sending(dead)
    await died.__aenter__()
    for _ in range(LIMIT - 1):
        await world.sending(dead).__aenter__()
    world.clock.advance(seconds=TERM.total_seconds())
    await world.send(other)


async def test_slot_that_is_still_in_use_is_renewed(world):
    process = world.process()
    async with world.sending(process) as still_in_use:
        for _ in range(10):
            world.clock.advance(seconds=LONGEST_USE.total_seconds() / 2)
            await still_in_use()
        state, _ = next(iter(world.store._states.values()))
        assert state.holdings[process._holder].until > world.clock.now


async def test_mailboxes_have_slots_of_their_own(world):
    process = world.process()
    async with AsyncExitStack() as stack:
        for _ in range(LIMIT):
            await stack.enter_async_context(world.sending(process))
        await stack.enter_async_context(world.sending(process, "bob@contoso.com"))


async def test_row_of_a_mailbox_does_not_name_it(world):
    await world.send(world.process(), 1)
    assert all("ann" not in key for key in world.store._states)


async def test_quiet_mailbox_is_left_alone_by_all_processes(world):
    one, other = world.process(), world.process()
    await one.be_quiet(BOX, timedelta(seconds=30))
    for process in (one, other):
        with pytest.raises(NoSlot) as refused:
            await world.send(process)
        assert refused.value.wait == timedelta(seconds=30)
    world.clock.advance(seconds=30)
    await world.send(one)
    await world.send(other)


async def test_mailbox_stays_quiet_for_the_longest_that_was_asked_for(world):
    one = world.process()
    await one.be_quiet(BOX, timedelta(seconds=30))
    await one.be_quiet(BOX, timedelta(seconds=1))
    with pytest.raises(NoSlot) as refused:
        await world.send(one)
    assert refused.value.wait == timedelta(seconds=30)


async def test_storage_that_is_away_is_told_and_forgotten_when_it_is_back(world):
    process = world.process()
    world.store.is_away = True
    with pytest.raises(StorageUnavailable):
        await world.send(process)
    await idle(process)
    world.store.is_away = False
    await world.send(process)


async def test_caller_that_is_canceled_leaves_no_slot_taken(world):
    process = world.process()
    async with world.sending(process):
        tasks = [asyncio.create_task(world.send(process, turns=10_000)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(world.send(process) for _ in range(LIMIT)))


# ---- the rule


@pytest.mark.parametrize(
    ("others", "running", "slots"),
    [
        ((), 0, 4),
        (((1, 1),), 0, 3),  # the other has what it wants: the rest is free
        (((4, 4),), 0, 0),
        (((0, 1),), 0, 2),  # it wants one: half is our share
        (((0, 1),), 3, 3),  # three of ours are running
        (((0, 4), (0, 4), (0, 4)), 0, 1),
        (((0, 4),) * 9, 0, 1),
        (((1, 4),) * 4, 0, 0),
    ],
)
def test_slots_of_a_claim(others, running, slots):
    state = MailboxState({str(number): Holding(has, wants, SOON) for number, (has, wants) in enumerate(others)})
    claimed = state.after_claim("us", wanted=4, running=running, limit=LIMIT, now=NOON, until=SOON)
    assert claimed.holdings["us"].slots == slots


def test_holding_that_is_over_counts_no_more():
    state = MailboxState({"dead": Holding(4, 4, NOON)})
    claimed = state.after_claim("us", wanted=1, running=0, limit=LIMIT, now=NOON, until=SOON)
    assert claimed.holdings == {"us": Holding(4, 1, SOON)}


CLAIMS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 4), st.integers(0, 30)), max_size=40)


@given(CLAIMS)
def test_leases_never_sum_up_to_more_than_the_limit(claims):
    state, now = MailboxState(), NOON
    for holder, wanted, seconds in claims:
        now += timedelta(seconds=seconds)
        own = state.holdings.get(holder)
        running = own.slots if own is not None and own.until > now else 0
        state = state.after_claim(
            holder, wanted=wanted, running=running, limit=LIMIT, now=now, until=now + timedelta(seconds=40)
        )
        assert sum(one.slots for one in state.holdings.values() if one.until > now) <= LIMIT
