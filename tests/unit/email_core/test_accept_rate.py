"""How much one caller may hand over in any minute, whichever instances it comes to."""

import asyncio
from dataclasses import replace

import pytest

from email_core.accept_rate import AcceptRate
from email_core.errors import TooManyEmails
from email_core.parameters import Parameters
from email_core.stores.memory import MemoryWindowStore
from tests.support.emails import Clock


class CountingStore(MemoryWindowStore):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    async def read(self, account):
        self.requests.append("read")
        return await super().read(account)

    async def write(self, account, window, etag):
        before = [*self.requests, "write"]
        written = await super().write(account, window, etag)
        self.requests = before  # without the read by which the memory compares
        return written


class World:
    def __init__(self, limit: int) -> None:
        self.clock, self.store = Clock(), CountingStore()
        self.parameters = replace(Parameters(), accept_rate_limit=limit)

    def instance(self) -> AcceptRate:
        return AcceptRate(self.store, self.parameters, self.clock)


async def admitted(rate: AcceptRate, number: int, caller: str = "app:one") -> int:
    results = await asyncio.gather(*(rate.admit(caller) for _ in range(number)), return_exceptions=True)
    assert {type(one) for one in results} <= {type(None), TooManyEmails}
    return results.count(None)


async def test_no_more_than_the_limit_in_any_minute_over_all_instances():
    world = World(limit=30)
    one, other = world.instance(), world.instance()
    assert [await admitted(one, 20), await admitted(other, 20)] == [20, 10]
    world.clock.advance(seconds=59.9)
    assert await admitted(one, 1) == 0
    world.clock.advance(seconds=0.7)
    assert [await admitted(other, 25), await admitted(one, 25)] == [25, 5]


@pytest.mark.parametrize("ahead", [0.1, 1, 5])
async def test_where_there_is_room_nobody_is_refused_for_a_clock_that_is_ahead(ahead):
    world, other = World(limit=100), World(limit=100)
    other.store = world.store
    one, two = world.instance(), other.instance()
    other.clock.advance(seconds=ahead)
    assert [await admitted(rate, 25) for rate in (two, one, two, one)] == [25] * 4
    assert await admitted(one, 1) == 0


async def test_who_asks_again_and_again_gets_nothing_of_the_minute_to_come():
    world = World(limit=600)
    rate = world.instance()
    for _ in range(300):
        await admitted(rate, 2)
        world.clock.advance(seconds=0.2)
    assert sum([await admitted(rate, 10) for _ in range(10)]) <= 2


async def test_who_is_refused_is_told_when_there_is_room_and_has_it_then():
    world = World(limit=2)
    rate = world.instance()
    await admitted(rate, 2)
    world.clock.advance(seconds=20)
    with pytest.raises(TooManyEmails) as refused:
        await rate.admit("app:one")
    assert (refused.value.limit, refused.value.retry_after) == (2, 41)
    world.clock.advance(seconds=41)
    assert await admitted(rate, 3) == 2


async def test_refusals_do_not_put_off_when_there_is_room():
    world = World(limit=1)
    rate = world.instance()
    await admitted(rate, 1)
    for _ in range(6):
        world.clock.advance(seconds=10)
        assert await admitted(rate, 5) == 0
    world.clock.advance(seconds=0.5)
    assert await admitted(rate, 1) == 1


async def test_each_caller_has_a_limit_of_its_own():
    world = World(limit=1)
    rate = world.instance()
    assert [await admitted(rate, 2, caller) for caller in ("app:one", "app:two", "user:a/b#?")] == [1, 1, 1]


async def test_all_that_ask_at_once_cost_one_write_and_who_is_refused_none():
    world = World(limit=100)
    rate = world.instance()
    await admitted(rate, 1)
    world.store.requests.clear()
    assert await admitted(rate, 99) == 99
    assert world.store.requests == ["write"]
    assert await admitted(rate, 50) == 0
    assert world.store.requests == ["write"]


async def test_without_a_limit_nothing_is_asked_of_the_storage():
    world = World(limit=0)
    assert await admitted(world.instance(), 100) == 100
    assert world.store.requests == []
