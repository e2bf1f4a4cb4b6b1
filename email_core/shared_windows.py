"""Windows of reservations as a process sees them: shared by all instances, one row each, changed by conditional writes.

All who ask at once in one process are answered by one write, and a process that is alone knows what it wrote last and
need not read. Where others write too it reads first, and after a lost race waits by chance, longer each time.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from email_core.errors import LostRace
from email_core.group_commit import GroupCommit
from email_core.throttling import MINUTE, Answer, Ask, Grain, Window, answer, slow_down

CACHED_FOR = timedelta(seconds=5)  # for what needs no write
MOST_AT_ONCE = 500
FIRST_BACKOFF, LONGEST_BACKOFF = 0.02, 1.0  # seconds
LONGEST_FORESIGHT = timedelta(seconds=3)

Result = TypeVar("Result")
Edit = Callable[[Window, datetime], tuple[Window | None, Result]]  # the changed window, None where nothing changed


class WindowStore(Protocol):
    """One row an account. `write` is conditional on the etag that was read (None: on there being no row) and returns
    the new one; raises LostRace. Both raise StorageUnavailable."""

    async def read(self, account: str) -> tuple[Window, str | None]: ...

    async def write(self, account: str, window: Window, etag: str | None) -> str: ...


@dataclass(slots=True)
class _Kept:
    """The last version that this process wrote or read. `alone`: nobody else has written since it last looked.
    `took`: how long the last write took."""

    window: Window
    etag: str | None
    at: datetime
    alone: bool
    took: timedelta


class SharedWindows:
    def __init__(
        self,
        store: WindowStore,
        clock: Callable[[], datetime],
        *,
        grain: Grain = MINUTE,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._grain = grain
        self._chance = chance
        self._pause = pause
        self._kept: dict[str, _Kept] = {}
        self._asks: GroupCommit[tuple[str, Ask], Answer] = GroupCommit(self._answer_all, _fits)

    async def ask(self, account: str, ask: Ask) -> Answer:
        """Raises StorageUnavailable: then what may have been reserved runs out."""
        return await self._asks.write(account, (account, ask))

    async def slow_down(self, account: str) -> None:
        """Told that the provider found it too much."""

        def slowed(window: Window, now: datetime) -> tuple[Window | None, None]:
            changed = slow_down(window, now, self._grain)
            return (None if changed is window else changed), None

        await self._change(account, slowed)

    def known(self, account: str) -> Window | None:
        """What this process knows without asking, however old."""
        kept = self._kept.get(account)
        return kept.window if kept else None

    async def window(self, account: str) -> Window:
        """At most `CACHED_FOR` old."""
        kept = self._kept.get(account)
        return (kept if kept and self._is_fresh(kept) else await self._read(account)).window

    async def _answer_all(self, asked: Sequence[tuple[str, Ask]]) -> Sequence[Answer]:
        asks = [ask for _, ask in asked]
        return await self._change(asked[0][0], lambda window, now: answer(window, now, asks, self._grain))

    async def _change(self, account: str, edit: Edit[Result]) -> Result:
        """`edit` is told when its answer will be known: when the write is done, which takes as long as the last one."""
        kept = self._kept.get(account)
        if kept is None or not kept.alone:
            kept = await self._read(account)
        backoff = FIRST_BACKOFF
        while True:
            changed, result = edit(kept.window, self._clock() + kept.took)
            if changed is None and self._is_fresh(kept):
                return result
            if changed is not None:
                changed = replace(changed, stamp=secrets.token_hex(8))
                if await self._written(account, changed, kept):
                    return result
                await self._pause(backoff * self._chance())
                backoff = min(backoff * 2, LONGEST_BACKOFF)
            kept = await self._read(account)
            if changed is not None and kept.window.stamp == changed.stamp:
                return result  # it was written, and only the answer was lost

    async def _written(self, account: str, window: Window, kept: _Kept) -> bool:
        started = self._clock()
        try:
            etag = await self._store.write(account, window, kept.etag)
        except LostRace:
            return False
        now = self._clock()
        took = min(max(now - started, timedelta(0)), LONGEST_FORESIGHT)
        self._kept[account] = _Kept(window, etag, now, kept.alone, took)
        return True

    async def _read(self, account: str) -> _Kept:
        """Alone again, where what it finds is what it left."""
        before = self._kept.get(account)
        window, etag = await self._store.read(account)
        alone = before is None or before.etag == etag
        took = before.took if before else timedelta(0)
        kept = self._kept[account] = _Kept(window, etag, self._clock(), alone, took)
        return kept

    def _is_fresh(self, kept: _Kept) -> bool:
        return timedelta(0) <= self._clock() - kept.at < CACHED_FOR  # below zero where the clock was set back


def _fits(batch: Sequence[tuple[str, Ask]], _: tuple[str, Ask]) -> bool:
    return len(batch) < MOST_AT_ONCE
