"""Steers the distributor: what an administrator sees and changes, and the timer that begins its runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from email_core.delivery_state import Status
from email_core.distributor import Distributor, DistributorState
from email_core.record import Mode
from email_core.stores.base import EmailQuery, EmailStore, View
from email_core.sweeper import Sweeper

MOST_COUNTED = 10_000  # emails of the backlog; a larger one is told as "at least"
AT_ONCE = timedelta(seconds=20)  # how long switching on releases mail itself; the timer does the rest

Edit = Callable[[DistributorState, datetime], DistributorState]
"""An administrator's change of what stands there, at a time."""


@dataclass(frozen=True, slots=True)
class DistributorStatus:
    """The distributor as an administrator sees it. `backlog` is the unsent batch mail (`MOST_COUNTED` and more where
    `backlog_is_more`), `sent_last_minute` counts at most the newest 500 emails."""

    state: DistributorState
    on: bool
    next_run_at: datetime | None
    backlog: int
    backlog_is_more: bool
    oldest_at: datetime | None
    sending: int
    sent_last_minute: int


class Distribution:
    def __init__(
        self, *, emails: EmailStore, distributor: Distributor, sweeper: Sweeper, clock: Callable[[], datetime]
    ) -> None:
        self._emails = emails
        self._distributor = distributor
        self._sweeper = sweeper
        self._clock = clock

    async def previewed(self, edit: Edit) -> tuple[DistributorState, DistributorState]:
        """What stands there, and what the edit would make of it. Raises what the edit raises."""
        state = await self._distributor.fresh_state()
        return state, edit(state, self._clock())

    async def change(self, edit: Edit) -> DistributorState:
        """Applies an administrator's edit; switched on, or made continuous, what is parked goes at once. Raises
        LostRace where somebody else changed it meanwhile, and what the edit raises."""
        now = self._clock()

        def applied(state: DistributorState) -> DistributorState:
            edited = edit(state, now)
            return replace(edited, releasing=edited.is_continuous(now) and not state.is_continuous(now))

        changed = await self._distributor.change(applied)
        return await self._release(now + AT_ONCE) if changed.releasing else changed

    async def run_when_due(self, until: datetime) -> bool:
        """The timer's: begins a run that is due, and finishes one that was begun. Returns whether it had work. While
        all mail is held no run is begun, as it would count and send nothing: the first is due when that is over."""
        if self._distributor.holds:
            return False
        state = await self._distributor.fresh_state()
        now = self._clock()
        if state.is_due(now):
            state = await self._distributor.change(lambda due: due.after_begin_of_run(now))
        if not state.releasing:
            return False
        await self._release(until)
        return True

    async def _release(self, until: datetime) -> DistributorState:
        """What is left is the next run's of the timer, unless it was switched off meanwhile."""
        report = await self._sweeper.sweep(until, releases_batch=True)
        return await self._distributor.change(
            lambda state: replace(state, releasing=state.releasing and not report.is_complete)
        )

    async def status(self) -> DistributorStatus:
        now, state = self._clock(), await self._distributor.fresh_state()
        backlog, sending, oldest_at = await self._count_backlog()
        return DistributorStatus(
            state=state,
            on=state.is_on(now),
            next_run_at=state.next_run_at(now),
            backlog=min(backlog, MOST_COUNTED),
            backlog_is_more=backlog > MOST_COUNTED,
            oldest_at=oldest_at,
            sending=sending,
            sent_last_minute=await self._count_sent(now - timedelta(minutes=1)),
        )

    async def _count_backlog(self) -> tuple[int, int, datetime | None]:
        backlog, sending, oldest_at = 0, 0, None
        for partition in reversed(await self._emails.unsettled_partitions()):
            async for one in self._emails.waiting(partition):
                if one.record.mode is Mode.INTERACTIVE:
                    continue
                backlog += 1
                sending += one.record.status is Status.SENDING
                oldest_at = min(oldest_at or one.record.created_at, one.record.created_at)
                if backlog > MOST_COUNTED:
                    return backlog, sending, oldest_at
        return backlog, sending, oldest_at

    async def _count_sent(self, since: datetime) -> int:
        page = await self._emails.page(EmailQuery(view=View.HISTORY, status=Status.SENT, limit=500))
        return sum(one.ended_at is not None and one.ended_at >= since for one in page.items)
