"""The sweeper: what unsent mail needs that no doorbell will do for it. Its work grows with what is unsent, never with
the history.

Doorbells get lost, workers die in the middle, and some mail has no doorbell on purpose (parked: far off, or waiting
for the distributor). The sweeper looks at every unsent email and rings where it must.

What it rings because its time comes it does not write: each sweep has its stretch of time, which begins where that of
the one before ended, and rings what is due in it. All else that it rings it marks, so that the next one knows; and all
that it rings where no sweep before was kept for a while, as this one may come to no end either.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from email_core.backlog import Backlog
from email_core.delivery_state import Event, Status
from email_core.diagnosis import diagnose
from email_core.distributor import Distributor
from email_core.email_id import last_moment_of
from email_core.errors import EmailSubsystemError, LostRace
from email_core.logs import where
from email_core.parking import HORIZON, is_far_off, waits_for_its_time, was_released
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Provider
from email_core.record import UNCONFIRMED, Attempt, EmailRecord, Mode
from email_core.stores.base import INLINE_CONTENT_LIMIT, Doorbell, Doorbells, EmailStore, StoredEmail
from email_core.throttle import Throttle
from email_core.timer_runs import LAST_SWEEP, TimerRuns

OVERDUE = timedelta(minutes=5)  # how late a doorbell may be, beyond what the queue's own backlog explains
UNSEEN = timedelta(minutes=1)  # so young a row may not have been there: clocks differ, and writing takes a while
NEW_UNSEEN = timedelta(minutes=5)  # or that of a new email: Azure lets the request that brought it last 230 s
SETTLED_AFTER = timedelta(hours=1)  # clocks differ: a day is past only then
AT_ONCE = 32  # emails cared for side by side, so that they are read and written together
WHOLE = 64  # the newest emails of a partition, which are listed with their content while batch mail is sent
MOST_IN_VAIN = 64 * 1024  # octets that are read between two emails: more would cost more than one more request
ROW_OCTETS = 2_000  # what an email weighs apart from its content

logger = logging.getLogger(__name__)


class Care(StrEnum):
    NOTHING = "left alone"
    RING = "rung"  # its time comes
    MARK = "rung and marked"  # its doorbell is lost, nobody was to ring it before now, or the next sweep would not know
    RELEASE = "released"  # its worker died: the lease is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep goes by, the same for all its emails. `since`: when the last one began that cared for all mail of a
    mode and sent it, where that is known. `sends`: the modes whose mail is sent. `goes_on`: of the other modes, what
    was released before is. `releases_batch`: batch mail that waited for the distributor goes. `heads`: when the
    doorbell at each queue's head was to ring, where it has one. `unpaused`: the providers that are not paused."""

    began: datetime
    since: Mapping[Mode, datetime] = field(default_factory=dict)
    sends: frozenset[Mode] = frozenset(Mode)
    goes_on: bool = False
    releases_batch: bool = False
    heads: Mapping[Mode, datetime] = field(default_factory=dict)
    unpaused: frozenset[str] = frozenset()

    def cares_for(self, record: EmailRecord) -> bool:
        """What a run of the distributor has released must not wait for the next one, as there may be none."""
        return record.mode in self.sends or (self.goes_on and was_released(record))

    def has_rung(self, record: EmailRecord) -> bool:
        """Whether the last one did it: its stretch of time ended where this one's begins."""
        since = self.since.get(record.mode)
        if since is None or is_far_off(record.due_at, since):
            return False
        is_new = record.updated_at == record.created_at
        return record.updated_at <= since - (NEW_UNSEEN if is_new else UNSEEN)

    def keeps_up(self, record: EmailRecord) -> bool:
        """Whether the last one is not long ago. Else several came to no end, or none ran, and more may come to none:
        what they ring has to be marked, or the next one rings it again. None is kept of a mode that is not sent."""
        since = self.since.get(record.mode)
        return record.mode in self.sends and since is not None and self.began <= since + HORIZON

    def releases(self, record: EmailRecord) -> bool:
        """Whether it was parked as its mode was not sent, and is now: nobody was to ring it before."""
        return (self.releases_batch and record.mode is Mode.BATCH) or not waits_for_its_time(record)

    def finds_overdue(self, record: EmailRecord) -> bool:
        """Whether its doorbell is lost: doorbells behind a queue's head are only late. The heads are known as they were
        when the sweep began: what was to ring since then may wait in a queue that the sweep itself has filled."""
        rings_at = max(record.due_at, record.rung_at or record.due_at)
        return rings_at + OVERDUE <= min(self.began, self.heads.get(record.mode, self.began))


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How many emails got which care, and how many did not get what they need as the storage did not do it; what there
    was, and whether all unsent mail was looked at."""

    cared: Mapping[Care, int]
    failures: int
    backlog: Backlog
    settled: int
    finished: bool

    @property
    def is_complete(self) -> bool:
        """Whether all unsent mail was looked at, and got what it needed."""
        return self.finished and not self.failures


def care_for(record: EmailRecord, sweep: Sweep, now: datetime, *, moved: bool = False) -> Care:
    """What one unsent email needs. `moved`: it was brought forward, which its row does not say yet. Pure."""
    if record.status is Status.SENDING:
        over = record.lease_until is not None and record.lease_until <= now
        return Care.RELEASE if over else Care.NOTHING
    if record.held or not sweep.cares_for(record) or is_far_off(record.due_at, sweep.began):
        return Care.NOTHING
    if moved or sweep.finds_overdue(record) or (record.parked and sweep.releases(record)):
        return Care.MARK
    if not record.parked or sweep.has_rung(record):
        return Care.NOTHING
    return Care.RING if sweep.keeps_up(record) else Care.MARK


def released(record: EmailRecord, now: datetime) -> EmailRecord:
    """An email whose worker died: who has it, the next one who claims it has to find out."""
    reply = "the worker that had claimed it ended without recording an outcome"
    found = diagnose(provider=record.provider, reply=reply)
    attempt = Attempt(record.updated_at, record.provider, UNCONFIRMED, reply, 0.0, found.id)
    record = record.doubted(reply).with_attempt(attempt)
    return record.after(Event.RETURN, now, next_attempt_at=now, rung_at=now, parked=False)


def brought_forward(record: EmailRecord, now: datetime, unpaused: frozenset[str]) -> EmailRecord:
    """An email that waits for one of these providers is due now: its pause was lifted. Its doorbell, if it has one, is
    for later."""
    if record.status is not Status.UNSENT or not record.waits_for_provider or record.provider not in unpaused:
        return record
    return replace(record, next_attempt_at=now, waits_for_provider=False)


@dataclass(frozen=True, slots=True)
class _Change:
    """The care that an email needs, what is to become of it, and the version that it was decided on."""

    care: Care
    stored: StoredEmail
    record: EmailRecord


class Sweeper:
    def __init__(
        self,
        *,
        emails: EmailStore,
        doorbells: Doorbells,
        distributor: Distributor,
        providers: Mapping[str, Provider],
        pauses: ProviderPauses,
        throttle: Throttle,
        runs: TimerRuns,
        clock: Callable[[], datetime],
    ) -> None:
        self._emails = emails
        self._doorbells = doorbells
        self._distributor = distributor
        self._providers = providers
        self._pauses = pauses
        self._throttle = throttle
        self._runs = runs
        self._clock = clock

    async def sweep(self, until: datetime, *, releases_batch: bool = False) -> SweepReport:
        """Looks at all unsent mail, or as much as can be done `until` then. `releases_batch`: this is a run of the
        distributor, or it was just switched on."""
        sweep = await self._begin(releases_batch)
        census = await self._throttle.census(self._providers)
        cared: Counter[Care] = Counter()
        failures, backlog, settled = 0, Backlog(), 0
        sends_batch = Mode.BATCH in sweep.sends
        whole = WHOLE if sends_batch else 0
        for partition in await self._emails.unsettled_partitions():
            found = 0
            async for some in in_groups(self._emails.waiting(partition, whole), AT_ONCE):
                if self._clock() >= until:
                    return SweepReport(cared, failures, backlog, settled, finished=False)
                found += len(some)
                census.count(one.record for one in some)
                backlog.count(some, self._clock(), sends_batch=sends_batch, holds=self._distributor.holds)
                done = await self._care(some, sweep)
                cared.update(done)
                failures += len(some) - len(done)
            if not found and last_moment_of(partition) + SETTLED_AFTER < self._clock():
                await self._emails.settle(partition)
                settled += 1
        await self._throttle.recount(census)
        report = SweepReport(cared, failures, backlog, settled, finished=True)
        if report.is_complete:
            await asyncio.gather(*(self._runs.record(LAST_SWEEP[mode], sweep.began) for mode in sweep.sends))
        return report

    async def _begin(self, releases_batch: bool) -> Sweep:
        began = self._clock()
        return Sweep(
            began=began,
            since=await self._since(began),
            sends=await self._sends(releases_batch),
            goes_on=await self._distributor.goes_on(),
            releases_batch=releases_batch,
            heads=await self._heads(),
            unpaused=await self._unpaused(),
        )

    async def _since(self, began: datetime) -> dict[Mode, datetime]:
        """Without those of the future, which a clock that is wrong has written."""
        lasts = await asyncio.gather(*(self._runs.last(LAST_SWEEP[mode]) for mode in Mode))
        return {mode: last for mode, last in zip(Mode, lasts, strict=True) if last is not None and last <= began}

    async def _sends(self, releases_batch: bool) -> frozenset[Mode]:
        if self._distributor.holds:
            return frozenset()
        if releases_batch or await self._distributor.sends_now(Mode.BATCH):
            return frozenset(Mode)
        return frozenset({Mode.INTERACTIVE})

    async def _heads(self) -> dict[Mode, datetime]:
        dues = await asyncio.gather(*(self._doorbells.oldest_due(mode) for mode in Mode))
        return {mode: due for mode, due in zip(Mode, dues, strict=True) if due is not None}

    async def _unpaused(self) -> frozenset[str]:
        states = await asyncio.gather(*map(self._pauses.state, self._providers.values()))
        return frozenset(name for name, state in zip(self._providers, states, strict=True) if not state.refusals)

    async def _change(self, stored: StoredEmail, sweep: Sweep) -> _Change | None:
        """None where the storage does not tell what it needs."""
        now = self._clock()
        try:
            record = await self._throttle.brought_forward(brought_forward(stored.record, now, sweep.unpaused))
        except EmailSubsystemError as error:
            _log_failure(stored.record, error)
            return None
        care = care_for(record, sweep, now, moved=record is not stored.record)
        if care is Care.RELEASE:
            record = released(record, now)
        elif care is Care.MARK:
            record = replace(record, parked=False, rung_at=max(now, record.due_at), updated_at=now)
        return _Change(care, stored, record)

    async def _care(self, listed: Sequence[StoredEmail], sweep: Sweep) -> list[Care]:
        """What was done, but for those for which the storage did not do it: the next sweep sees them again. Each
        doorbell carries its email where that was listed with its content, or could be read together with others."""
        results = await asyncio.gather(*(self._change(one, sweep) for one in listed))
        looked_at = [change for change in results if change is not None]
        changes = [change for change in looked_at if change.care is not Care.NOTHING]
        left_alone = [Care.NOTHING] * (len(looked_at) - len(changes))
        return left_alone + [care for care in await self._ring_all(listed, changes) if care is not None]

    async def _ring_all(self, listed: Sequence[StoredEmail], changes: Sequence[_Change]) -> list[Care | None]:
        lack = {change.stored.record.id for change in changes if not change.stored.is_whole}
        ranges = ranges_worth_reading(listed, lack)
        read = [one for some in await asyncio.gather(*(self._read(*ends) for ends in ranges)) for one in some]
        whole = {(one.record.id, one.etag): one for one in read}  # who has another ETag by now loses the race
        return await asyncio.gather(
            *(
                self._ring(change, whole.get((change.record.id, change.stored.etag), change.stored))
                for change in changes
            )
        )

    async def _read(self, first_id: str, last_id: str) -> list[StoredEmail]:
        """Where they cannot be read, their doorbells carry nothing."""
        try:
            return await self._emails.unsent(first_id, last_id)
        except EmailSubsystemError as error:
            logger.warning("emails are rung without their content: %s", where(error))
            return []

    async def _ring(self, change: _Change, stored: StoredEmail) -> Care | None:
        """What was done; None where the storage did not do it."""
        record = change.record
        try:
            if change.care is not Care.RING:
                stored = await self._emails.update(stored, record)
            await self._doorbells.ring(Doorbell.of(stored), max(record.due_at - self._clock(), timedelta(0)))
        except LostRace:
            return Care.NOTHING  # somebody is at work on it
        except EmailSubsystemError as error:
            _log_failure(record, error)
            return None
        logger.info("email %s was %s by the sweeper", record.id, change.care.value)
        return change.care


def ranges_worth_reading(listed: Sequence[StoredEmail], wanted: Collection[str]) -> list[tuple[str, str]]:
    """The first and the last id of what is read at once to have the wanted ones with their content. One that no other
    is near is in none: whoever needs it reads it with as many requests. Pure."""
    runs: list[list[str]] = []
    in_vain = 0
    for record in (one.record for one in listed):
        if record.id not in wanted:
            in_vain += ROW_OCTETS + (record.size if record.size <= INLINE_CONTENT_LIMIT else 0)
            continue
        if runs and in_vain <= MOST_IN_VAIN:
            runs[-1].append(record.id)
        else:
            runs.append([record.id])
        in_vain = 0
    return [(run[0], run[-1]) for run in runs if len(run) > 1]


def _log_failure(record: EmailRecord, error: EmailSubsystemError) -> None:
    logger.warning("email %s could not be cared for: %s", record.id, where(error))


async def in_groups(emails: AsyncIterator[StoredEmail], size: int) -> AsyncIterator[list[StoredEmail]]:
    """The same emails, `size` at a time."""
    group: list[StoredEmail] = []
    async for one in emails:
        group.append(one)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
