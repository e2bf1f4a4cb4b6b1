"""How many emails go through one mailbox at once, over all instances (facts/graph.md: four, or Graph answers 429).

A process takes slots for itself, not for an email: with one conditional write it has all that are free, sends through
them without a further request, and gives them back when the mailbox has been idle for a moment. A process that finds
too few says so in the row, and those that have more than their share see it and give some back. What a process that
died has taken is free when its lease is over (docs/decisions/0020).
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from email_core.errors import EmailSubsystemError, LostRace
from email_core.logs import where

TERM = timedelta(minutes=2)  # of a lease: how long the slots of a process that died are missed
LONGEST_USE = timedelta(seconds=90)  # of a slot, without a word that it is still in use
SEEN_FOR = timedelta(seconds=5)  # a busy process looks this often whether others want some
ASKED_AGAIN_AFTER = 1.0  # seconds, for slots that others have
PATIENCE = timedelta(seconds=15)  # that an email waits here for a slot; then it is deferred
DEFERRED_FOR = timedelta(seconds=5)
LINGER = 1.0  # seconds without an email, and the slots are given back

StillInUse = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


class NoSlot(Exception):
    """All slots of the mailbox are in use, or it is to be left alone for a while. `wait`: until it is worth a try."""

    def __init__(self, reason: str, wait: timedelta) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process has of a mailbox, and how many it could use, until its lease is over."""

    slots: int
    wanted: int
    until: datetime


@dataclass(frozen=True, slots=True)
class MailboxState:
    """The row of one mailbox. `quiet_until`: the provider asked everybody to leave it alone until then."""

    holdings: Mapping[str, Holding] = field(default_factory=dict)
    quiet_until: datetime | None = None

    def share_of(self, holder: str, limit: int, now: datetime) -> int:
        """All of them, but where others want more than they have."""
        others = self._others(holder, now)
        if not any(one.wanted > one.slots for one in others.values()):
            return limit
        return max(limit // (len(others) + 1), 1)

    def after_claim(
        self, holder: str, *, wanted: int, running: int, limit: int, now: datetime, until: datetime
    ) -> "MailboxState":
        """The holder has what is free; where others want more than they have no more than its share, but never less
        than what is `running` already and was its own."""
        others = self._others(holder, now)
        free = max(limit - sum(one.slots for one in others.values()), 0)
        slots = min(free, max(self.share_of(holder, limit, now), running))
        return replace(self, holdings={**others, holder: Holding(slots, wanted, until)})

    def without(self, holder: str, now: datetime) -> "MailboxState":
        return replace(self, holdings=self._others(holder, now))

    def _others(self, holder: str, now: datetime) -> dict[str, Holding]:
        return {name: one for name, one in self.holdings.items() if name != holder and one.until > now}


class MailboxStore(Protocol):
    """One row a mailbox. `write` is conditional on the etag that was read (None: on there being no row) and returns
    the new one; raises LostRace."""

    async def read(self, mailbox: str) -> tuple[MailboxState, str | None]: ...

    async def write(self, mailbox: str, state: MailboxState, etag: str | None) -> str: ...


class MailboxSlots:
    """The slots of one provider's mailboxes, as one process holds them."""

    def __init__(
        self,
        store: MailboxStore,
        *,
        provider: str,
        limit: int,
        clock: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._provider = provider
        self._limit = limit
        self._clock = clock
        self._pause = pause
        self._holder = secrets.token_hex(8)
        self._mailboxes: dict[str, _Mailbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def slot(self, mailbox: str) -> AsyncIterator[StillInUse]:
        """One slot. Who needs it for longer than `LONGEST_USE` calls what is yielded from time to time. Raises NoSlot,
        or StorageUnavailable."""
        held = self._mailbox(mailbox)
        try:
            held.waiting += 1
            try:
                await self._take(held)
            finally:
                held.waiting -= 1
            held.running += 1
            try:
                yield partial(self._renew, held)
            finally:
                held.running -= 1
                held.changed()
        finally:
            if held.is_idle:
                self._give_back_later(held)

    async def be_quiet(self, mailbox: str, wait: timedelta) -> None:
        """The provider asked to leave the mailbox alone: no instance tries it before. Raises StorageUnavailable."""
        until = self._clock() + wait
        held = self._mailbox(mailbox)
        async with held.one_writer:
            await held.write(lambda state: replace(state, quiet_until=max(state.quiet_until or until, until)))

    def _mailbox(self, mailbox: str) -> "_Mailbox":
        key = f"{self._provider}-{hashlib.sha256(mailbox.casefold().encode()).hexdigest()[:32]}"
        if key not in self._mailboxes:
            self._mailboxes[key] = _Mailbox(self._store, key, self._holder, self._limit)
        return self._mailboxes[key]

    # ---- taking

    async def _take(self, held: "_Mailbox") -> None:
        """Returns when a slot is this caller's. Whoever asks the table asks for all who wait here."""
        deadline = self._clock() + PATIENCE
        while True:
            await self._renew(held)
            _heed(held.state, self._clock())
            if held.may_start(self._clock()):
                return
            if self._clock() >= deadline:
                raise NoSlot(f"all {self._limit} slots of the mailbox are in use", DEFERRED_FOR)
            await self._until_changed(held)

    async def _renew(self, held: "_Mailbox") -> None:
        """Asks the table where what is known of it is not good enough."""
        if not held.needs_claim(self._clock()):
            return
        async with held.one_writer:
            if held.needs_claim(self._clock()):
                await self._claim(held)

    async def _claim(self, held: "_Mailbox") -> None:
        now = self._clock()
        await held.write(
            lambda state: state.after_claim(
                self._holder,
                wanted=min(held.running + held.waiting, self._limit),
                running=held.running,
                limit=self._limit,
                now=now,
                until=now + TERM,
            )
        )
        held.seen_at = now

    async def _until_changed(self, held: "_Mailbox") -> None:
        """Until one of this process's emails is through, or for a moment."""
        freed = held.freed
        waits = [asyncio.ensure_future(freed.wait()), asyncio.ensure_future(self._pause(ASKED_AGAIN_AFTER))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # ---- giving back

    def _give_back_later(self, held: "_Mailbox") -> None:
        if held.giving_back:
            return
        held.giving_back = True
        task = asyncio.create_task(self._give_back(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self, held: "_Mailbox") -> None:
        """What cannot be given back is free when its lease is over."""
        try:
            await self._pause(LINGER)
            async with held.one_writer:
                if held.is_idle:
                    now = self._clock()
                    await held.write(lambda state: state.without(self._holder, now))
        except EmailSubsystemError as error:
            logger.warning("slots of a mailbox of %s are not given back: %s", self._provider, where(error))
        finally:
            held.giving_back = False


class _Mailbox:
    """What a process knows of one mailbox's row, and uses of it."""

    def __init__(self, store: MailboxStore, key: str, holder: str, limit: int) -> None:
        self._store = store
        self._key = key
        self._holder = holder
        self._limit = limit
        self.state = MailboxState()
        self._etag: str | None = None
        self._is_read = False
        self.seen_at: datetime | None = None
        self.running = 0
        self.waiting = 0
        self.giving_back = False
        self.freed = asyncio.Event()
        self.one_writer = asyncio.Lock()

    @property
    def is_idle(self) -> bool:
        return self.running == 0 and self.waiting == 0

    def changed(self) -> None:
        self.freed.set()
        self.freed = asyncio.Event()

    def may_start(self, now: datetime) -> bool:
        """Whether one more email may go now, after the row was asked where it must be."""
        holding = self.state.holdings.get(self._holder)
        return holding is not None and holding.until > now and self.running < holding.slots

    def needs_claim(self, now: datetime) -> bool:
        """Whether the row must be asked, or told, before one more email goes."""
        holding = self.state.holdings.get(self._holder)
        if holding is None or self.seen_at is None or holding.until < now + LONGEST_USE:
            return True
        age = now - self.seen_at
        if not timedelta(0) <= age < SEEN_FOR:
            return True
        if holding.slots > max(self.state.share_of(self._holder, self._limit, now), self.running):
            return True  # somebody waits for what is not used here
        return self._limit > holding.slots <= self.running and age >= timedelta(seconds=ASKED_AGAIN_AFTER)

    async def write(self, edit: Callable[[MailboxState], MailboxState]) -> None:
        """Written over what was last known of the row, and over what stands there where others were first."""
        if not self._is_read:
            await self._read()
        while True:
            changed = edit(self.state)
            try:
                self._etag = await self._store.write(self._key, changed, self._etag)
            except LostRace:
                await self._read()
                continue
            except BaseException:
                self._is_read = False  # it may be written
                raise
            self.state = changed
            return

    async def _read(self) -> None:
        self.state, self._etag = await self._store.read(self._key)
        self._is_read = True


def _heed(state: MailboxState, now: datetime) -> None:
    if state.quiet_until is not None and state.quiet_until > now:
        raise NoSlot("the provider asked to leave the mailbox alone for a while", state.quiet_until - now)
