"""The email distributor: whether queued batch mail is sent, and when (facts of the modelled system: batch processing
on or off, and its recurrence). Interactive mail is never its business.

Continuous (every 0 minutes, the default) means that each email is sent as it comes. With a recurrence, mail waits in
the table until the next run. Switched off, it waits until the distributor is switched on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Protocol

from email_core.record import EmailRecord, Mode

CACHED_FOR = timedelta(seconds=5)
TICK_EVERY = timedelta(minutes=1)  # the timer that begins runs; a test compares with its schedule
TICK_SECOND = timedelta(seconds=30)  # of each minute
EARLY = timedelta(seconds=5)  # how much sooner than its tick the timer may come, as clocks differ; later is any time


def tick_before(moment: datetime) -> datetime:
    """The timer's last tick, which may be this very moment."""
    return (moment - TICK_SECOND).replace(second=0, microsecond=0) + TICK_SECOND


def tick_of(moment: datetime) -> datetime:
    """The tick for which the timer came at that moment."""
    return tick_before(moment + EARLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorState:
    """What an administrator chose, and where the recurrence stands. At most one of the two ends is set; `end_date` is
    the last day (UTC) with runs. `releasing` means that a run was begun and not finished: parked mail is left."""

    enabled: bool = True
    every_minutes: int = 0
    end_after_runs: int | None = None
    end_date: date | None = None
    runs: int = 0
    last_run_at: datetime | None = None
    releasing: bool = False

    @property
    def rhythm(self) -> str:
        if self.every_minutes == 0:
            return "continuous"
        return "every minute" if self.every_minutes == 1 else f"every {self.every_minutes} minutes"

    @property
    def in_words(self) -> str:
        """What an administrator chose."""
        ends = [f"{self.end_after_runs} runs" if self.end_after_runs is not None else "", str(self.end_date or "")]
        end = "".join(f", until {one}" for one in ends if one)
        return f"{'on' if self.enabled else 'off'}, {self.rhythm}{end}"

    def is_over(self, now: datetime) -> bool:
        """Whether the recurrence has come to its end: then nothing more is released. What a run has released goes."""
        if self.end_after_runs is not None and self.runs >= self.end_after_runs:
            return True
        return self.end_date is not None and now.date() > self.end_date

    def is_on(self, now: datetime) -> bool:
        return self.enabled and not self.is_over(now)

    def is_continuous(self, now: datetime) -> bool:
        return self.is_on(now) and self.every_minutes == 0

    def next_run_at(self, now: datetime) -> datetime | None:
        """A tick of the timer that is still to come. None where there is none: switched off, over by then, or
        continuous."""
        if not self.is_on(now) or self.every_minutes == 0:
            return None
        next_tick = tick_before(now) + TICK_EVERY
        run_at = next_tick if self.last_run_at is None else max(next_tick, self._after(self.last_run_at))
        return None if self.is_over(run_at) else run_at

    def is_due(self, now: datetime) -> bool:
        """Whether the timer that comes now begins a run. By ticks: it comes some milliseconds early or late."""
        if not self.is_on(now) or self.every_minutes == 0:
            return False
        return self.last_run_at is None or self._after(self.last_run_at) <= tick_of(now)

    def _after(self, run_at: datetime) -> datetime:
        return tick_of(run_at) + timedelta(minutes=self.every_minutes)

    def after_begin_of_run(self, now: datetime) -> "DistributorState":
        """The same, where none is due, as where somebody else began it. The next run counts from the tick at which this
        one was due, not from when a timer came round to it."""
        if not self.is_due(now):
            return self
        tick = tick_of(now)
        late = timedelta(0) if self.last_run_at is None else tick - self._after(self.last_run_at)
        due = tick - late % timedelta(minutes=self.every_minutes)
        return replace(self, runs=self.runs + 1, last_run_at=due, releasing=True)


class DistributorStore(Protocol):
    """One row. `write` is conditional on the etag that was read (None: on there being no row); raises LostRace."""

    async def read(self) -> tuple[DistributorState, str | None]: ...

    async def write(self, state: DistributorState, etag: str | None) -> None: ...


class Distributor:
    """The state as a process sees it: at most `CACHED_FOR` old, so that it costs no request on the hot path."""

    def __init__(self, store: DistributorStore, clock: Callable[[], datetime], *, holds: bool = False) -> None:
        """`holds`: no mail is sent at all (the parameter `delivery_mode`)."""
        self.holds = holds
        self._store = store
        self._clock = clock
        self._cached: DistributorState | None = None
        self._read_at: datetime | None = None
        self._one_reader = asyncio.Lock()

    async def state(self) -> DistributorState:
        cached = self._fresh_enough()
        if cached is not None:
            return cached
        async with self._one_reader:  # whoever finds it stale at the same moment waits for one of them
            return self._fresh_enough() or await self.fresh_state()

    def _fresh_enough(self) -> DistributorState | None:
        if self._read_at is None:
            return None
        age = self._clock() - self._read_at  # below zero where the clock was set back
        return self._cached if timedelta(0) <= age < CACHED_FOR else None

    async def fresh_state(self) -> DistributorState:
        self._cached, _ = await self._store.read()
        self._read_at = self._clock()
        return self._cached

    async def sends_now(self, mode: Mode) -> bool:
        """Whether a new email of this mode gets its doorbell at once, or is parked."""
        if self.holds:
            return False
        return mode is Mode.INTERACTIVE or (await self.state()).is_continuous(self._clock())

    async def stops(self, record: EmailRecord) -> bool:
        """Whether an email whose doorbell rings must be parked all the same: the distributor was switched off, or all
        mail is held. That the recurrence is over stops nothing that has been rung: its last run did that."""
        return self.holds or (record.mode is Mode.BATCH and not await self.goes_on())

    async def goes_on(self) -> bool:
        """Whether batch mail that has once been rung is sent, also between two runs and after the last."""
        return not self.holds and (await self.state()).enabled

    async def change(self, edit: Callable[[DistributorState], DistributorState]) -> DistributorState:
        """Raises LostRace where somebody else changed it meanwhile."""
        state, etag = await self._store.read()
        changed = edit(state)
        await self._store.write(changed, etag)
        self._cached, self._read_at = changed, self._clock()
        return changed
