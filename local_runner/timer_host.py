"""Timer triggers: six-field NCRONTAB in UTC, one runner for each timer, one run at a time.

What a timer remembers lies under LOCAL_DIR in `timers/`: NAME.json with the time up to which its schedule
was served, and NAME.lock. A runner that serves a timer holds an exclusive lock on NAME.lock for as long as
it lives; others that share LOCAL_DIR look every second whether it is free, and the kernel frees it even if
the holder is killed. (The real host holds a blob lease; runners with different LOCAL_DIRs know nothing of
each other.)
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.functions.timer import TimerRequest
from croniter import CroniterError, croniter

from local_runner.app_index import IndexedFunction
from local_runner.errors import SettingsError
from local_runner.invocation import Invoker
from local_runner.waiting import pause

logger = logging.getLogger(__name__)

LOCK_POLL = 1.0
LONGEST_SLEEP = 60.0  # a computer that was suspended would otherwise oversleep: timers of the loop stand still


@dataclass(frozen=True)
class Schedule:
    """Six fields: second, minute, hour, day, month, day of the week. Raises SettingsError if they are not."""

    expression: str

    def __post_init__(self) -> None:
        try:
            fits = len(self.expression.split()) == 6 and self.next_after(datetime.now(UTC))
        except CroniterError:
            fits = None
        if not fits:
            raise SettingsError(f"the schedule {self.expression!r} is not a six-field NCRONTAB expression")

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after `moment`. Day and day of the week must both fit (NCRONTAB's rule)."""
        found: datetime = croniter(self.expression, moment, second_at_beginning=True, day_or=False).get_next(datetime)
        return found


@dataclass(frozen=True)
class Due:
    at: datetime
    past_due: bool = False


def first_due(schedule: Schedule, served_until: datetime | None, now: datetime, *, run_on_startup: bool) -> Due:
    """When a timer runs first after the runner started.

    `served_until` is when it last ran or was first seen, None if never. Occurrences missed since then are
    made up for by one run, at once and marked past due.
    """
    if served_until and schedule.next_after(served_until) < now:
        return Due(now, past_due=True)
    return Due(now) if run_on_startup else Due(schedule.next_after(now))


class TimerMemory:
    """The file with the time up to which one timer's schedule was served."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> datetime | None:
        try:
            return datetime.fromisoformat(json.loads(self._path.read_text())["servedUntil"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read, so nothing counts as missed: %s", self._path, error)
            return None

    def write(self, served_until: datetime) -> None:
        """Replaces the file in one step: a reader never sees half of it."""
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"servedUntil": served_until.isoformat()}))
        draft.replace(self._path)


@contextlib.asynccontextmanager
async def exclusive_lock(path: Path, stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Waits until no other process holds the lock. Gives False if `stopping` was set first."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        while not (held := _try_lock(descriptor)) and not stopping.is_set():
            await pause(stopping, LOCK_POLL)
        yield held
    finally:
        os.close(descriptor)  # releases the lock; the file stays, for removing it would let two hold "the" lock


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class TimerListener:
    """Runs one timer function. `clock` gives the time, in UTC."""

    def __init__(
        self,
        function: IndexedFunction,
        schedule: Schedule,
        folder: Path,
        invoker: Invoker,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._lock_path = folder / f"{function.name}.lock"
        self._memory = TimerMemory(folder / f"{function.name}.json")
        self._invoker = invoker
        self._clock = clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set, and then until the run that is under way ends."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        async with exclusive_lock(self._lock_path, stopping) as held:
            if held:
                await self._serve(stopping)

    async def _serve(self, stopping: asyncio.Event) -> None:
        served_until, now = self._memory.read(), self._clock()
        run_on_startup = bool(self._function.trigger.get("runOnStartup"))
        due = first_due(self._schedule, served_until, now, run_on_startup=run_on_startup)
        if served_until is None:
            self._memory.write(now)
        while await self._reached(due.at, stopping):
            await self._run_once(due)
            # What fell due during the run is not made up for. `max`: the clock may have been set back.
            served_until = max(due.at, self._clock())
            self._memory.write(served_until)
            due = Due(self._schedule.next_after(served_until))

    async def _reached(self, moment: datetime, stopping: asyncio.Event) -> bool:
        """Waits for `moment`; False if the runner stops before it."""
        while not stopping.is_set() and (left := (moment - self._clock()).total_seconds()) > 0:
            await pause(stopping, min(left, LONGEST_SLEEP))
        return not stopping.is_set()

    async def _run_once(self, due: Due) -> None:
        reason = "Timer is past due" if due.past_due else "Timer fired"
        await self._invoker.invoke(self._function, timer_request(self._schedule, due), reason)


def timer_request(schedule: Schedule, due: Due) -> TimerRequest:
    """What the function receives, with the fields that the host sends."""
    status: dict[str, Any] = {
        "Last": due.at.isoformat(),
        "Next": schedule.next_after(due.at).isoformat(),
        "LastUpdated": due.at.isoformat(),
    }
    return TimerRequest(past_due=due.past_due, schedule_status=status, schedule={"AdjustForDST": True})
