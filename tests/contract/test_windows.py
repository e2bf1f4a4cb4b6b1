"""Windows of reservations, shared by all instances: one suite over all stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from email_core.errors import LostRace
from email_core.shared_windows import SharedWindows, WindowStore
from email_core.stores.memory import MemoryWindowStore
from email_core.throttling import MINUTE, Ask, Window
from tests.support.emails import NOON, Clock
from tests.support.storage import all_azure_stores

TICK = MINUTE.at(NOON)
WINDOW = Window(
    reserved=((TICK - 600, 2), (TICK, 1), (TICK + 605, 100_000)),
    issued=7,
    served=3,
    moved_at=TICK + 605,
    spare=2,
    passed=3,
    density=0.5,
    slowed_to=0.25,
    slowed_at=TICK - 1,
    stamps=("1f", "2a"),
)


@pytest.fixture(params=["memory", "azure"])
async def windows(request: pytest.FixtureRequest) -> AsyncIterator[WindowStore]:
    if request.param == "memory":
        yield MemoryWindowStore()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores.windows


async def test_window_is_empty_until_it_is_written_and_then_what_was_written(windows):
    assert await windows.read("smtp") == (Window(), None)
    etag = await windows.write("smtp", WINDOW, None)
    assert await windows.read("smtp") == (WINDOW, etag)
    assert await windows.read("graph") == (Window(), None)
    etag = await windows.write("smtp", Window(), etag)
    assert await windows.read("smtp") == (Window(), etag)


async def test_window_is_not_written_over_another_s(windows):
    etag = await windows.write("smtp", WINDOW, None)
    await windows.write("smtp", replace(WINDOW, issued=8), etag)
    for old in (None, etag):
        with pytest.raises(LostRace):
            await windows.write("smtp", Window(), old)
    assert (await windows.read("smtp"))[0].issued == 8


async def test_instances_that_ask_at_the_same_moment_never_get_more_than_the_limit(windows):
    instances = [SharedWindows(windows, Clock(), chance=lambda: 0.0) for _ in range(5)]
    ask = Ask(limit=30, within=timedelta(seconds=64))
    answers = await asyncio.gather(*(instance.ask("smtp", ask) for instance in instances for _ in range(10)))
    assert [one.tick for one in answers if one.reserved].count(TICK) == 30
    await asyncio.gather(*(instance.written() for instance in instances))
    assert (await windows.read("smtp"))[0].issued == sum(not one.reserved for one in answers)


async def test_windows_that_nobody_has_written_since_are_forgotten(windows):
    etag = await windows.write("smtp", WINDOW, None)
    assert await windows.purge(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await windows.purge(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await windows.read("smtp") == (Window(), None)
    with pytest.raises(LostRace):
        await windows.write("smtp", WINDOW, etag)
