"""How often a process must read and write to have its emails answered."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.errors import LostRace, StorageUnavailable
from email_core.shared_windows import (
    CACHED_FOR,
    HURRY,
    LONGEST_BACKOFF,
    LONGEST_FORESIGHT,
    TOLD_TOGETHER,
    SharedWindows,
    backoff,
)
from email_core.stores.memory import MemoryWindowStore
from email_core.throttling import MINUTE, Answer, Ask, Census, Window, limit_in_force
from tests.support.emails import NOON, Clock

ASK = Ask(limit=30, within=timedelta(seconds=64))
TICK = MINUTE.at(NOON)


class WatchedStore(MemoryWindowStore):
    """Counts requests. `lost_answers`: so many writes are made, and their answers lost, so that their repetition is
    refused. `takes`: how long a write takes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.requests: list[str] = []
        self.lost_answers = 0
        self.loses = 0
        self.takes = timedelta(0)
        self.away = False

    async def read(self, account):
        self._ask("read")
        return await super().read(account)

    async def write(self, account, window, etag):
        self._ask("write")
        await asyncio.sleep(0)
        self.clock.now += self.takes
        if self.loses:
            self.loses -= 1
            raise LostRace("the window")
        version = self._windows.get(account, (None, 0))[1]
        if etag != (str(version) if version else None):
            raise LostRace("the window")
        self._windows[account] = window, version + 1
        if self.lost_answers:
            self.lost_answers -= 1
            raise LostRace("the window")
        return str(version + 1)

    def _ask(self, request: str) -> None:
        if self.away:
            raise StorageUnavailable(request)
        self.requests.append(request)


class Gate:
    """A pause that lasts until it is opened."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.is_open.wait()

    def close(self) -> None:
        self.is_open.clear()
        self.pauses.clear()


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = WatchedStore(self.clock)
        self.pauses: list[float] = []

    def instance(self) -> SharedWindows:
        return SharedWindows(self.store, self.clock, chance=lambda: 1.0, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def requests(self) -> list[str]:
        done, self.store.requests = self.store.requests, []
        return done


@pytest.fixture
def world() -> World:
    return World()


async def ask_many(instance: SharedWindows, number: int) -> list[int]:
    answers = await asyncio.gather(*(instance.ask("smtp", ASK) for _ in range(number)))
    return [one.tick for one in answers]


async def test_process_that_is_alone_reads_once_and_answers_16_with_a_write(world):
    instance = world.instance()
    await ask_many(instance, 1)
    assert world.requests() == ["read", "write"]
    await ask_many(instance, 16)
    assert world.requests() == ["write"]


async def test_write_that_loses_its_race_reads_and_tries_again(world):
    one, other = world.instance(), world.instance()
    await ask_many(one, 1)
    await ask_many(other, 29)
    world.requests()
    (tick,) = await ask_many(one, 1)
    assert world.requests() == ["write", "read", "write"]
    assert tick == TICK + 605  # the other's 29 are counted


async def test_process_that_is_not_alone_reads_first_until_it_is_alone_again(world):
    one, other = world.instance(), world.instance()
    for instance in (one, other, one):
        await ask_many(instance, 1)
    world.requests()
    await ask_many(other, 1)
    assert world.requests() == ["write", "read", "write"]
    await ask_many(other, 1)
    assert world.requests() == ["read", "write"]
    await ask_many(other, 1)
    assert world.requests() == ["write"]


async def test_who_loses_more_races_tries_sooner_until_there_are_too_many(world):
    instance, losses = world.instance(), 110
    write = world.store.write

    async def loses(account, window, etag):
        nonlocal losses
        losses -= 1
        if losses:
            raise LostRace("the window")
        return await write(account, window, etag)

    world.store.write = loses
    await ask_many(instance, 1)
    assert world.pauses[:6] == [0.2, 0.1, 0.05, 0.025, 0.0125, 0.01]
    assert world.pauses[99:102] == pytest.approx([0.01, 0.03, 0.05])


# losses, how many are usual -> seconds
BACKOFFS = [(1, 0, 0.2), (1, 3, 0.2), (1, 6, 0.4), (2, 6, 0.2), (1, 100, LONGEST_BACKOFF), (20, 6, 0.01)]


@pytest.mark.parametrize(("losses", "usual", "seconds"), BACKOFFS)
def test_the_more_writers_there_are_the_longer_they_gather_first(losses, usual, seconds):
    assert backoff(losses, usual) == pytest.approx(seconds)


async def test_process_learns_how_many_races_it_usually_loses(world):
    instance = world.instance()
    for _ in range(20):
        world.store.loses = 6
        await ask_many(instance, 1)
    world.pauses.clear()
    world.store.loses = 1
    await ask_many(instance, 1)
    assert world.pauses == [pytest.approx(0.4, abs=0.01)]


def test_even_the_longest_storm_waits_no_longer_than_a_second():
    assert backoff(10_000) == LONGEST_BACKOFF


async def test_write_whose_answer_was_lost_reserves_nothing_twice(world):
    instance = world.instance()
    world.store.lost_answers = 1
    await ask_many(instance, 3)
    window, _ = await world.store.read("smtp")
    assert window.reserved == ((TICK, 3),)


async def test_write_whose_answer_was_lost_gives_nothing_back_twice_though_others_wrote_since(world):
    one, other = world.instance(), world.instance()
    await ask_many(one, 30)
    write = world.store.write

    async def done_but_not_answered(*args):
        world.store.write = write
        await write(*args)
        assert (await other.ask("smtp", ASK)).tick == TICK  # takes what was given back
        raise LostRace("the window")

    world.store.write = done_but_not_answered
    await one.give_back("smtp", TICK)
    assert dict((await world.store.read("smtp"))[0].reserved)[TICK] == 30


async def test_question_that_changes_nothing_is_answered_from_what_is_known_for_some_seconds(world):
    instance = world.instance()
    await ask_many(instance, 61)
    told = await instance.ask("smtp", ASK)
    await instance.written()
    world.requests()
    for wait, requests in ((timedelta(0), []), (CACHED_FOR, ["read"])):
        world.clock.now += wait
        again = await instance.ask("smtp", Ask(limit=30, within=ASK.within, number=told.number))
        assert again.number == told.number
        assert world.requests() == requests


# ---- places in a line


async def line_behind(instance: SharedWindows) -> None:
    """The limit is used up, a minute ahead is reserved, and 28 wait behind that."""
    await ask_many(instance, 61)
    await instance.written()


async def line_that_another_has_lengthened(one: SharedWindows, other: SharedWindows) -> None:
    await line_behind(one)
    await ask_many(other, 1)
    await other.written()


async def line_of_one_that_is_alone(world: World, instance: SharedWindows) -> None:
    """It has seen for long enough that nobody else writes."""
    await line_behind(instance)
    world.clock.now += CACHED_FOR
    await instance.ask("smtp", ASK)
    await instance.written()


async def test_place_in_a_line_is_told_without_waiting_for_a_race(world):
    one, other = world.instance(), world.instance()
    await line_that_another_has_lengthened(one, other)
    world.store.loses = 5
    world.requests()
    place = await one.ask("smtp", ASK)
    assert (place.number, world.requests()) == (30, ["read"])
    await one.written()
    assert (await other.ask("smtp", ASK)).number == 31


async def test_places_that_processes_tell_at_the_same_time_are_all_counted(world):
    one, other = world.instance(), world.instance()
    await line_that_another_has_lengthened(one, other)
    await asyncio.gather(*(instance.ask("smtp", ASK) for instance in (one, other) for _ in range(10)))
    await asyncio.gather(one.written(), other.written())
    assert (await world.store.read("smtp"))[0].issued == 49


async def test_process_that_is_surely_alone_tells_places_without_any_request(world):
    instance = world.instance()
    await line_of_one_that_is_alone(world, instance)
    world.requests()
    numbers = [(await instance.ask("smtp", ASK)).number for _ in range(16)]
    await instance.written()
    assert (numbers, world.requests()) == (list(range(30, 46)), ["write"])


async def test_places_that_are_told_while_others_are_written_are_written_too(world):
    instance = world.instance()
    await line_of_one_that_is_alone(world, instance)
    write, may_write = world.store.write, asyncio.Event()

    async def slow(*args):
        await may_write.wait()
        return await write(*args)

    world.store.write = slow
    first = await instance.ask("smtp", ASK)
    await asyncio.sleep(0)
    last = [await instance.ask("smtp", ASK) for _ in range(5)][-1]
    may_write.set()
    await instance.written()
    assert last.number == first.number + 5
    assert (await world.instance().ask("smtp", ASK)).number == last.number + 1


async def test_place_that_cannot_be_written_is_told_and_written_with_the_next(world):
    instance = world.instance()
    await line_of_one_that_is_alone(world, instance)
    world.store.away = True
    assert (await instance.ask("smtp", ASK)).number == 30
    await instance.written()
    world.store.away = False
    assert (await instance.ask("smtp", ASK)).number == 31
    await instance.ask("smtp", Ask(limit=30, within=ASK.within, first=True))
    assert (await world.store.read("smtp"))[0].issued == 31


async def test_places_are_told_together_where_others_write_too_and_a_lost_race_is_left_to_the_next_write(world):
    gate, other = Gate(), world.instance()
    one = SharedWindows(world.store, world.clock, chance=lambda: 1.0, pause=gate)
    gate.is_open.set()
    await line_behind(one)
    for instance in (other, one, other):
        await ask_many(instance, 1)
        await instance.written()
    gate.close()
    numbers = [(await one.ask("smtp", ASK)).number for _ in range(16)]
    assert (numbers, gate.pauses) == (list(range(32, 48)), [TOLD_TOGETHER])
    world.store.loses = 1
    world.requests()
    gate.is_open.set()
    await one.written()
    assert world.requests() == ["read", "write", "read", "write"]
    assert (await world.store.read("smtp"))[0].issued == 47


# ---- who need not hurry

LATER = NOON + timedelta(seconds=3)


async def called(world: World, *sinces: datetime, others: bool = True) -> tuple[Gate, list[asyncio.Task[Answer]]]:
    """They come one after the other, where others write too or not, to a process that has read the window."""
    gate, other = Gate(), world.instance()
    one = SharedWindows(world.store, world.clock, chance=lambda: 1.0, pause=gate)
    gate.is_open.set()
    for instance in (one, other, one) if others else (one, one):
        await ask_many(instance, 1)
    gate.close()
    world.requests()
    asks = []
    for since in sinces:
        asks.append(asyncio.create_task(one.ask("smtp", replace(ASK, limit=6_000, called=True, since=since))))
        for _ in range(5):
            await asyncio.sleep(0)
    return gate, asks


async def test_who_may_go_later_gather_for_one_write_where_others_write_too(world):
    gate, asks = await called(world, LATER, LATER + timedelta(seconds=1))
    assert (gate.pauses, world.requests()) == ([pytest.approx(2.3)], [])
    gate.is_open.set()
    assert [one.tick - TICK for one in await asyncio.gather(*asks)] == [30, 40]
    assert world.requests() == ["read", "write"]


async def test_who_must_hurry_waits_for_nobody_and_takes_along_who_gathers(world):
    gate, asks = await called(world, LATER, LATER + timedelta(seconds=1), NOON)
    assert [one.tick - TICK for one in await asyncio.gather(*asks)] == [30, 40, 0]
    assert (gate.pauses, world.requests()) == ([pytest.approx(2.3)], ["read", "write"])


async def test_who_must_ask_first_ends_the_gathering_though_it_came_last(world):
    gate, asks = await called(world, LATER, LATER - timedelta(seconds=1))
    assert gate.pauses == [pytest.approx(2.3), pytest.approx(1.3)]
    gate.is_open.set()
    await asyncio.gather(*asks)
    assert world.requests() == ["read", "write"]


async def test_nobody_gathers_in_a_process_that_is_alone(world):
    gate, asks = await called(world, LATER, LATER, others=False)
    await asyncio.gather(*asks)
    assert (gate.pauses, world.requests()) == ([], ["write", "write"])


async def test_who_must_hurry_asks_at_once_where_nobody_gathers(world):
    gate, asks = await called(world, NOON + HURRY)
    await asyncio.gather(*asks)
    assert (gate.pauses, world.requests()) == ([], ["read", "write"])


async def test_who_is_cancelled_while_it_gathers_takes_nobody_with_it(world):
    gate, (first, second) = await called(world, LATER, LATER)
    first.cancel()
    gate.is_open.set()
    assert (await second).reserved


async def test_what_is_given_back_is_for_others(world):
    instance = world.instance()
    ticks = await ask_many(instance, 31)
    await instance.give_back("smtp", ticks[-1])
    assert (await ask_many(instance, 1)) == ticks[-1:]


async def test_reservation_is_for_when_its_write_will_be_done(world):
    instance, world.store.takes = world.instance(), timedelta(seconds=0.5)
    await ask_many(instance, 1)
    asked_at = world.clock.now
    (tick,) = await ask_many(instance, 1)
    assert MINUTE.start(tick) == asked_at + timedelta(seconds=0.5) == world.clock.now
    world.store.takes = timedelta(seconds=60)
    await ask_many(instance, 1)
    asked_at = world.clock.now
    (tick,) = await ask_many(instance, 1)
    assert MINUTE.start(tick) == asked_at + LONGEST_FORESIGHT


async def test_storage_that_does_not_answer_is_told_to_all_who_ask(world):
    world.store.away = True
    answers = await asyncio.gather(*(world.instance().ask("smtp", ASK) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in answers] == [StorageUnavailable] * 3


async def test_accounts_are_counted_apart(world):
    instance = world.instance()
    await ask_many(instance, 30)
    assert (await instance.ask("graph", ASK)).tick == TICK


async def test_count_of_the_line_and_places_that_are_told_meanwhile_are_written_one_after_the_other(world):
    """Two writers in one process would take each other's places for written."""
    one, other = world.instance(), world.instance()
    await line_that_another_has_lengthened(one, other)
    await one.ask("smtp", ASK)
    await asyncio.gather(one.recount("smtp", Census(issued=29, served=0, waiting=29, lowest=1)), one.written())
    window, _ = await world.store.read("smtp")
    assert (window.issued, (await one.window("smtp")).issued) == (30, 30)


async def test_slowing_down_is_shared_and_written_once(world):
    one, other = world.instance(), world.instance()
    await one.slow_down("smtp")
    world.requests()
    await other.slow_down("smtp")
    assert world.requests() == ["read"]
    assert limit_in_force(await other.window("smtp"), 30, NOON) == 15


STEPS = st.lists(
    st.tuples(
        st.integers(0, 20_000),  # milliseconds until they ask
        st.integers(0, 3),  # which instance
        st.integers(1, 8),  # how many ask
        st.integers(0, 3),  # races that are lost to nobody
        st.booleans(),  # whether all that it told is written before anybody else asks
    ),
    max_size=12,
)


@given(steps=STEPS, limit=st.integers(1, 9))
def test_instances_promise_never_more_than_the_limit_whatever_races_they_lose(steps, limit):
    async def promised() -> tuple[Counter[int], Window]:
        world = World()
        instances = [world.instance() for _ in range(4)]
        ticks: Counter[int] = Counter()
        for wait, number, asks, losses, settles in steps:
            world.clock.now += timedelta(milliseconds=wait)
            world.store.loses = losses
            ask = Ask(limit=limit, within=ASK.within)
            answers = await asyncio.gather(*(instances[number].ask("smtp", ask) for _ in range(asks)))
            ticks.update(one.tick for one in answers if one.reserved)
            if settles:
                await instances[number].written()
        await asyncio.gather(*(instance.written() for instance in instances))
        return ticks, (await world.store.read("smtp"))[0]

    ticks, window = asyncio.run(promised())
    assert all(ticks[tick] == count for tick, count in window.reserved)
    for last in ticks:
        assert sum(count for tick, count in ticks.items() if last - MINUTE.span < tick <= last) <= limit


async def test_process_whose_write_takes_long_forgets_nothing_that_counts_for_the_next():
    world = World()
    await world.store.write("smtp", Window(reserved=((TICK, 30),)), None)
    slow, other = world.instance(), world.instance()
    world.store.takes = LONGEST_FORESIGHT
    await slow.give_back("smtp", TICK + 1)
    world.clock.now, world.store.takes = NOON + timedelta(seconds=60), timedelta(0)
    await slow.give_back("smtp", TICK + 1)
    assert (await other.ask("smtp", ASK)).tick == TICK + MINUTE.span
