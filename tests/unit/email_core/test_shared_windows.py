"""How often a process must read and write to have its emails answered."""

import asyncio
from datetime import timedelta

import pytest

from email_core.errors import LostRace, StorageUnavailable
from email_core.shared_windows import CACHED_FOR, LONGEST_BACKOFF, LONGEST_FORESIGHT, SharedWindows
from email_core.stores.memory import MemoryWindowStore
from email_core.throttling import MINUTE, Ask, limit_in_force
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
        self.takes = timedelta(0)
        self.away = False

    async def read(self, account):
        self._ask("read")
        return await super().read(account)

    async def write(self, account, window, etag):
        self._ask("write")
        await asyncio.sleep(0)
        self.clock.now += self.takes
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


async def test_lost_races_are_spread_by_longer_and_longer_waits(world):
    instance, losses = world.instance(), 12
    write = world.store.write

    async def loses(account, window, etag):
        nonlocal losses
        losses -= 1
        if losses:
            raise LostRace("the window")
        return await write(account, window, etag)

    world.store.write = loses
    await ask_many(instance, 1)
    assert world.pauses[:3] == [0.02, 0.04, 0.08]
    assert max(world.pauses) == LONGEST_BACKOFF


async def test_write_whose_answer_was_lost_reserves_nothing_twice(world):
    instance = world.instance()
    world.store.lost_answers = 1
    await ask_many(instance, 3)
    window, _ = await world.store.read("smtp")
    assert window.reserved == ((TICK, 3),)


async def test_question_that_changes_nothing_is_answered_from_what_is_known_for_some_seconds(world):
    instance = world.instance()
    await ask_many(instance, 61)
    told = await instance.ask("smtp", ASK)
    world.requests()
    for wait, requests in ((timedelta(0), []), (CACHED_FOR, ["read"])):
        world.clock.now += wait
        again = await instance.ask("smtp", Ask(limit=30, within=ASK.within, number=told.number))
        assert again.number == told.number
        assert world.requests() == requests


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


async def test_slowing_down_is_shared_and_written_once(world):
    one, other = world.instance(), world.instance()
    await one.slow_down("smtp")
    world.requests()
    await other.slow_down("smtp")
    assert world.requests() == ["read"]
    assert limit_in_force(await other.window("smtp"), 30, NOON) == 15
