"""Windows of reservations as a process sees them: shared by all instances, one row each, changed by conditional writes.

All who ask at once in one process are answered by one write, and a process that is alone knows what it wrote last and
need not read. Where others write too it reads first, and after a lost race waits by chance. There who need not hurry
wait for each other: few writes of many make few races.

A place in a line is told after a look at it, and how many were told is written meanwhile: those who come at the same
time in two processes may have the same place, but nobody waits for a race to be won.
"""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from email_core.errors import LostRace, StorageUnavailable
from email_core.group_commit import GroupCommit
from email_core.throttling import MINUTE, Answer, Ask, Census, Grain, Window, recounted, slow_down
from email_core.window_book import answer, place_in_line, release

CACHED_FOR = timedelta(seconds=5)  # for what needs no write
STAMPS_KEPT = 16  # so many others may write before a process sees that its own write was done
HURRY = timedelta(seconds=0.7)  # who may go no sooner than later asks so long before that: for a race or two
TOLD_TOGETHER = 0.2  # seconds; the places that were told meanwhile are written at once
FOR_EVER = datetime.max.replace(tzinfo=UTC)
JUST_NOW = timedelta(seconds=0.1)  # what was read so lately need not be read again to write
MOST_AT_ONCE = 500
FIRST_BACKOFF, SHORTEST_BACKOFF, LONGEST_BACKOFF = 0.2, 0.01, 1.0  # seconds
FEW_LOSSES = 3  # a write; where more are usual, there are too many writers for this wait
MANY_LOSSES, STEP = 100, 0.02  # after so many, each wait is so much longer: there are more than a hundred writers
LONGEST_FORESIGHT = timedelta(seconds=3)

Edit = Callable[[Window, datetime], Window]  # the changed window, or one that is equal


class WindowStore(Protocol):
    """One row an account. `write` is conditional on the etag that was read (None: on there being no row) and returns
    the new one; raises LostRace. `purge` forgets those that nobody has written since, and returns how many. All raise
    StorageUnavailable."""

    async def read(self, account: str) -> tuple[Window, str | None]: ...

    async def write(self, account: str, window: Window, etag: str | None) -> str: ...

    async def purge(self, before: datetime) -> int: ...


@dataclass(slots=True)
class _Kept:
    """The last version that this process wrote or read. `alone_since`: nobody else has written since then, as far as
    it knows. `took`: how long the last write took."""

    window: Window
    etag: str | None
    at: datetime
    alone_since: datetime | None
    took: timedelta


@dataclass(slots=True)
class _Gathering:
    """Who need not hurry, until the first of them must ask."""

    until: datetime = FOR_EVER
    over: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A version that was looked at while others may have been writing."""

    window: Window
    etag: str | None
    at: datetime


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
        self._usual_losses: defaultdict[str, float] = defaultdict(float)  # of races, until a write is done
        self._told: Counter[str] = Counter()  # places that no window tells of yet
        self._writings: dict[str, asyncio.Task[None]] = {}
        self._gatherings: dict[str, _Gathering] = {}
        self._in_flight: dict[str, tuple[int, str]] = {}  # so many of them a write tells of that may be done already
        self._seen: dict[str, _Seen] = {}
        self._asks: GroupCommit[tuple[str, Ask | Edit | None], Answer | None] = GroupCommit(self._answer_all, _fits)
        self._looks: GroupCommit[str, Window] = GroupCommit(self._look_for_all, _fits)

    async def ask(self, account: str, ask: Ask) -> Answer:
        """Raises StorageUnavailable: then what may have been reserved runs out."""
        place = await self._place_in_line(account, ask)
        if place is not None:
            return place
        if ask.since is not None and not self._is_alone(account):
            await self._gathered(account, ask.since - HURRY)
        return _answered(await self._asks.write(account, (account, ask)))

    def _is_alone(self, account: str) -> bool:
        """As far as it knows."""
        kept = self._kept.get(account)
        return kept is None or kept.alone_since is not None

    async def _gathered(self, account: str, until: datetime) -> None:
        """Returns when it must ask, or another one must, which takes along all who gather."""
        gathering = self._gatherings.setdefault(account, _Gathering())
        if until < gathering.until:
            gathering.until = until
            gathering.timers.append(asyncio.create_task(self._end_of(account, gathering, until)))
        await gathering.over.wait()

    async def _end_of(self, account: str, gathering: _Gathering, until: datetime) -> None:
        try:
            if (seconds := (until - self._clock()).total_seconds()) > 0:
                await self._pause(seconds)
        finally:
            gathering.over.set()
            if self._gatherings.get(account) is gathering:
                del self._gatherings[account]

    async def _place_in_line(self, account: str, ask: Ask) -> Answer | None:
        kept = self._kept.get(account)
        if kept is None or ask.number or not kept.window.has_line:
            return None
        is_alone = self._is_surely_alone(kept)
        window = kept.window if is_alone else await self._latest(account)
        place = place_in_line(self._with_told(account, window), self._clock(), ask, self._grain)
        if place is None:
            return None
        self._told[account] += 1
        if account not in self._writings:
            self._writings[account] = asyncio.create_task(self._write_told(account))
        return place

    async def written(self) -> None:
        """Returns when what was told is written, or could not be."""
        await asyncio.gather(*self._writings.values())

    async def _write_told(self, account: str) -> None:
        """All of it, with what is told while it is written. What cannot be is written with what is written next."""
        try:
            with suppress(StorageUnavailable):
                await self._let_others_tell(account)
                while self._told[account] > 0:
                    await self._asks.write(account, (account, None))
                    await self._let_others_tell(account)
        finally:
            del self._writings[account]

    async def _let_others_tell(self, account: str) -> None:
        if not self._is_alone(account):
            await self._pause(TOLD_TOGETHER)

    async def _latest(self, account: str) -> Window:
        before = self._kept[account]
        window = await self._looks.write(account, account)
        kept = self._kept[account]
        return window if kept is before else kept.window  # it was written meanwhile: what was read may be older

    async def _look_for_all(self, accounts: Sequence[str]) -> Sequence[Window]:
        account = accounts[0]
        window, etag = await self._store.read(account)
        self._seen[account] = _Seen(window, etag, self._clock())
        return [window] * len(accounts)

    def _is_surely_alone(self, kept: _Kept) -> bool:
        return self._is_fresh(kept) and kept.alone_since is not None and kept.at - kept.alone_since >= CACHED_FOR

    def _with_told(self, account: str, window: Window) -> Window:
        written, stamp = self._in_flight.get(account, (0, ""))
        told = self._told[account] - (written if stamp in window.stamps else 0)
        return replace(window, issued=window.issued + told) if told else window

    async def slow_down(self, account: str) -> None:
        """Told that the provider found it too much."""
        await self._edit(account, lambda window, now: slow_down(window, now, self._grain))

    def known(self, account: str) -> Window | None:
        """What this process knows without asking, however old."""
        kept = self._kept.get(account)
        return kept.window if kept else None

    async def window(self, account: str) -> Window:
        """At most `CACHED_FOR` old."""
        for known in (self._kept.get(account), self._seen.get(account)):
            if known is not None and self._is_fresh(known):
                return self._with_told(account, known.window)
        return self._with_told(account, await self._looks.write(account, account))

    async def give_back(self, account: str, tick: int, weight: int = 1) -> None:
        """What was reserved and is not used. Raises StorageUnavailable: then it runs out."""
        await self._edit(account, lambda window, now: release(window, now, tick, weight=weight, grain=self._grain))

    async def recount(self, account: str, census: Census) -> None:
        """Told how many wait in the line indeed."""
        await self._edit(account, lambda window, _: recounted(window, census))

    async def _edit(self, account: str, edit: Edit) -> None:
        await self._asks.write(account, (account, edit))

    async def _answer_all(self, asked: Sequence[tuple[str, Ask | Edit | None]]) -> Sequence[Answer | None]:
        """None asks nothing: what was told is to be written."""
        asks = [one for _, one in asked if isinstance(one, Ask)]
        edits = [one for _, one in asked if not isinstance(one, Ask | None)]
        tells = any(one is None for _, one in asked)

        def answered(window: Window, now: datetime) -> tuple[Window | None, Iterator[Answer]]:
            edited = window
            for edit in edits:
                edited = edit(edited, now)
            changed, answers = answer(edited, now, asks, self._grain)
            return changed or (edited if tells or edited != window else None), iter(answers)

        answers = await self._change(asked[0][0], answered, once=not asks and not edits)
        return [next(answers) if isinstance(one, Ask) else None for _, one in asked]

    async def _change(
        self,
        account: str,
        answered: Callable[[Window, datetime], tuple[Window | None, Iterator[Answer]]],
        *,
        once: bool,
    ) -> Iterator[Answer]:
        """`answered` is told when its answers will be known: when the write is done, which takes as long as the last
        one. `once`: nobody waits for it, and where the race is lost it is left to the next write."""
        kept = self._kept.get(account)
        if kept is None or kept.alone_since is None:
            kept = self._just_seen(account) or await self._read(account)
        losses = 0
        while True:
            told = self._told[account]
            changed, result = answered(self._with_told(account, kept.window), self._clock() + kept.took)
            if changed is None and self._is_fresh(kept):
                return result
            if changed is not None:
                stamp = secrets.token_hex(4)
                changed = replace(changed, stamps=(stamp, *changed.stamps[: STAMPS_KEPT - 1]))
                self._in_flight[account] = told, stamp
                if await self._written(account, changed, kept):
                    self._settle(account, told)
                    self._usual_losses[account] += (losses - self._usual_losses[account]) / 4
                    return result
                losses += 1
                if not once:
                    await self._pause(backoff(losses, self._usual_losses[account]) * self._chance())
            kept = await self._read(account)
            if changed is not None and changed.stamps[0] in kept.window.stamps:
                self._settle(account, told)
                return result  # it was written, and only the answer was lost
            if once and losses:
                del self._in_flight[account]
                return result

    def _settle(self, account: str, told: int) -> None:
        """What was told is written."""
        self._told[account] -= told
        self._in_flight.pop(account, None)

    async def _written(self, account: str, window: Window, kept: _Kept) -> bool:
        started = self._clock()
        try:
            etag = await self._store.write(account, window, kept.etag)
        except LostRace:
            return False
        now = self._clock()
        took = min(max(now - started, timedelta(0)), LONGEST_FORESIGHT)
        self._kept[account] = _Kept(window, etag, now, kept.alone_since, took)
        return True

    async def _read(self, account: str) -> _Kept:
        """Alone again, where what it finds is what it left."""
        before = self._kept.get(account)
        window, etag = await self._store.read(account)
        now, took = self._clock(), before.took if before else timedelta(0)
        alone_since = (before and before.alone_since) or now if before is None or before.etag == etag else None
        kept = self._kept[account] = _Kept(window, etag, now, alone_since, took)
        return kept

    def _just_seen(self, account: str) -> _Kept | None:
        """What somebody looked at just now need not be read again."""
        seen, kept = self._seen.pop(account, None), self._kept.get(account)
        if seen is None or kept is None or not kept.at < seen.at >= self._clock() - JUST_NOW:
            return None
        alone_since = seen.at if seen.etag == kept.etag else None
        return replace(kept, window=seen.window, etag=seen.etag, at=seen.at, alone_since=alone_since)

    def _is_fresh(self, known: _Kept | _Seen) -> bool:
        return timedelta(0) <= self._clock() - known.at < CACHED_FOR  # below zero where the clock was set back


def _fits(batch: Sequence[object], _: object) -> bool:
    return len(batch) < MOST_AT_ONCE


def _answered(got: Answer | None) -> Answer:
    if got is None:
        raise AssertionError("who asks is answered")
    return got


def backoff(losses: int, usual: float = 0.0) -> float:
    """Seconds to wait at most. Whoever lost more often tries sooner, so that everybody wins in turn; but where all lose
    again and again there are too many of them. The more losses are `usual`, the longer all wait first: meanwhile more
    emails gather for one write."""
    if losses > MANY_LOSSES:
        return min(SHORTEST_BACKOFF + STEP * (losses - MANY_LOSSES), LONGEST_BACKOFF)
    first = min(FIRST_BACKOFF * max(1.0, usual / FEW_LOSSES), LONGEST_BACKOFF)
    return max(first / (1 << losses - 1), SHORTEST_BACKOFF)
