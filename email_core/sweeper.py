"""The sweeper: what unsent mail needs that no doorbell will do for it. Its work grows with what is unsent, never with
the history.

Doorbells get lost, workers die in the middle, and some mail has no doorbell on purpose (parked: far off, or waiting
for the distributor). The sweeper looks at every unsent email and rings where it must.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from email_core.backlog import Backlog
from email_core.delivery_state import Event, Status
from email_core.diagnosis import diagnose
from email_core.distributor import Distributor
from email_core.email_id import last_moment_of
from email_core.errors import EmailSubsystemError, LostRace
from email_core.logs import where
from email_core.parking import is_far_off
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Provider
from email_core.record import UNCONFIRMED, Attempt, EmailRecord, Mode
from email_core.stores.base import INLINE_CONTENT_LIMIT, Doorbell, Doorbells, EmailStore, StoredEmail
from email_core.throttle import Throttle

OVERDUE = timedelta(minutes=5)  # how late a doorbell may be, beyond what the queue's own backlog explains
SETTLED_AFTER = timedelta(hours=1)  # clocks differ: a day is past only then
AT_ONCE = 32  # emails cared for side by side, so that they are read and written together
MOST_IN_VAIN = 64 * 1024  # octets that are read between two emails: more would cost more than one more request
ROW_OCTETS = 2_000  # what an email weighs apart from its content

logger = logging.getLogger(__name__)


class Care(StrEnum):
    NOTHING = "left alone"
    RING = "rung"  # its doorbell is lost, or its time has come
    RELEASE = "released"  # its worker died: the lease is over


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How many emails got which care, what there was, and whether all unsent mail was looked at."""

    cared: Mapping[str, int]
    backlog: Backlog
    settled: int
    finished: bool


def care_for(
    record: EmailRecord, now: datetime, *, sends_batch: bool, heads: Mapping[Mode, datetime], holds: bool = False
) -> Care:
    """What one unsent email needs. `sends_batch`: parked batch mail may go. `heads`: when the doorbell at each
    queue's head was to ring, where the queue has one: doorbells behind it are not lost, only late. `holds`: no mail is
    sent at all. Pure."""
    if record.status is Status.SENDING:
        over = record.lease_until is not None and record.lease_until <= now
        return Care.RELEASE if over else Care.NOTHING
    if holds or record.held or (record.mode is Mode.BATCH and not sends_batch):
        return Care.NOTHING
    if record.parked:
        return Care.NOTHING if is_far_off(record.due_at, now) else Care.RING
    rings_at = max(record.due_at, record.rung_at or record.due_at)
    answered_until = min(now, heads.get(record.mode, now))
    return Care.RING if rings_at + OVERDUE <= answered_until else Care.NOTHING


def released(record: EmailRecord, now: datetime) -> EmailRecord:
    """An email whose worker died: who has it, the next one who claims it has to find out."""
    reply = "the worker that had claimed it ended without recording an outcome"
    found = diagnose(provider=record.provider, reply=reply)
    attempt = Attempt(record.updated_at, record.provider, UNCONFIRMED, reply, 0.0, found.id)
    record = record.doubted(reply).with_attempt(attempt)
    return record.after(Event.RETURN, now, next_attempt_at=now, rung_at=now, parked=False)


def brought_forward(record: EmailRecord, now: datetime, unpaused: frozenset[str]) -> EmailRecord:
    """An email that waits for one of these providers is due now: its pause was lifted. Its doorbell is for later, and
    as good as none."""
    if record.status is not Status.UNSENT or not record.waits_for_provider or record.provider not in unpaused:
        return record
    return replace(record, next_attempt_at=now, waits_for_provider=False, parked=True)


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to become of an email that needs care, and the version that it was decided on."""

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
        clock: Callable[[], datetime],
    ) -> None:
        self._emails = emails
        self._doorbells = doorbells
        self._distributor = distributor
        self._providers = providers
        self._pauses = pauses
        self._throttle = throttle
        self._clock = clock

    async def sweep(self, until: datetime, *, releases_batch: bool = False) -> SweepReport:
        """Looks at all unsent mail, or as much as can be done `until` then. `releases_batch`: this is a run of the
        distributor, or it was just switched on."""
        sends_batch = releases_batch or (await self._distributor.state()).is_continuous(self._clock())
        heads, unpaused = await self._heads(), await self._unpaused()
        census = await self._throttle.census(self._providers)
        cared: Counter[str] = Counter()
        backlog, settled = Backlog(), 0
        for partition in await self._emails.unsettled_partitions():
            found = 0
            async for some in in_groups(self._emails.waiting(partition), AT_ONCE):
                if self._clock() >= until:
                    return SweepReport(cared, backlog, settled, finished=False)
                found += len(some)
                census.count(one.record for one in some)
                backlog.count(some, self._clock(), sends_batch=sends_batch, holds=self._distributor.holds)
                changes = await asyncio.gather(*(self._change(one, sends_batch, heads, unpaused) for one in some))
                cared.update(await self._care(some, list(filter(None, changes))))
                cared[Care.NOTHING] += changes.count(None)
            if not found and last_moment_of(partition) + SETTLED_AFTER < self._clock():
                await self._emails.settle(partition)
                settled += 1
        await self._throttle.recount(census)
        return SweepReport(cared, backlog, settled, finished=True)

    async def _heads(self) -> dict[Mode, datetime]:
        dues = await asyncio.gather(*(self._doorbells.oldest_due(mode) for mode in Mode))
        return {mode: due for mode, due in zip(Mode, dues, strict=True) if due is not None}

    async def _unpaused(self) -> frozenset[str]:
        states = await asyncio.gather(*map(self._pauses.state, self._providers.values()))
        return frozenset(name for name, state in zip(self._providers, states, strict=True) if not state.refusals)

    async def _change(
        self, stored: StoredEmail, sends_batch: bool, heads: Mapping[Mode, datetime], unpaused: frozenset[str]
    ) -> _Change | None:
        now = self._clock()
        record = brought_forward(stored.record, now, unpaused)
        try:
            record = await self._throttle.brought_forward(record)
        except EmailSubsystemError as error:
            _not_cared_for(record, error)
            return None
        match care_for(record, now, sends_batch=sends_batch, heads=heads, holds=self._distributor.holds):
            case Care.NOTHING:
                return None
            case Care.RELEASE as care:
                return _Change(care, stored, released(record, now))
            case care:
                rung = replace(record, parked=False, rung_at=max(now, record.due_at), updated_at=now)
                return _Change(care, stored, rung)

    async def _care(self, listed: Sequence[StoredEmail], changes: Sequence[_Change]) -> list[Care]:
        """What was done. Each doorbell carries its email where that could be read together with others."""
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

    async def _ring(self, change: _Change, stored: StoredEmail) -> Care:
        record = change.record
        try:
            updated = await self._emails.update(stored, record)
            await self._doorbells.ring(Doorbell.of(updated), max(record.due_at - self._clock(), timedelta(0)))
        except LostRace:
            return Care.NOTHING  # somebody is at work on it
        except EmailSubsystemError as error:
            _not_cared_for(record, error)
            return Care.NOTHING
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


def _not_cared_for(record: EmailRecord, error: EmailSubsystemError) -> None:
    """The next sweep sees it again."""
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
