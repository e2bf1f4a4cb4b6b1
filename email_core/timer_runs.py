"""When each timer last ran to its end: how one sees that the host calls them at all. And when the sweeper's last look
at all mail of a mode that is sent began: the next one goes on from there.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from email_core.errors import StorageUnavailable
from email_core.logs import where
from email_core.record import Mode

# Each timer by its function's name, and how often it runs; a test compares with the schedules.
PERIODS = {
    "sweep_outbox": timedelta(minutes=5),
    "run_distributor": timedelta(minutes=1),
    "expire_emails": timedelta(hours=1),
    "purge_history": timedelta(hours=1),
}
LAST_SWEEP = {mode: f"last_sweep_{mode}" for mode in Mode}  # the rows beside theirs

logger = logging.getLogger(__name__)


class TimerRunStore(Protocol):
    """One row a timer; whoever writes last is right. Raises StorageUnavailable."""

    async def read(self, timer: str) -> datetime | None: ...

    async def write(self, timer: str, at: datetime) -> None: ...


class TimerRuns:
    def __init__(self, store: TimerRunStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def last(self, timer: str) -> datetime | None:
        """Raises StorageUnavailable."""
        return await self._store.read(timer)

    async def record(self, timer: str, at: datetime | None = None) -> None:
        """The timer has done its work, by now or `at` then: that this cannot be written is no reason to do it again."""
        try:
            await self._store.write(timer, at or self._clock())
        except StorageUnavailable as error:
            logger.warning("the run of %s is not recorded: %s", timer, where(error))
