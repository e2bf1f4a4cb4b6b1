"""The sweeper: what unsent mail needs that no doorbell will do for it. Its work grows with what is unsent, never with
the history.

Doorbells get lost, workers die in the middle, and some mail has no doorbell on purpose (parked: far off, or waiting
for the distributor). The sweeper looks at every unsent email and rings where it must.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
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
from email_core.stores.base import Doorbell, Doorbells, EmailStore, StoredEmail
from email_core.throttle import Throttle

OVERDUE = timedelta(minutes=5)  # how late a doorbell may be, beyond what the queue's own backlog explains
SETTLED_AFTER = timedelta(hours=1)  # clocks differ: a day is past only then
AT_ONCE = 32  # emails cared for side by side, so that their writes go together

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
                cared.update(await asyncio.gather(*(self._care(one, sends_batch, heads, unpaused) for one in some)))
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

    async def _care(
        self, stored: StoredEmail, sends_batch: bool, heads: Mapping[Mode, datetime], unpaused: frozenset[str]
    ) -> str:
        now = self._clock()
        record = brought_forward(stored.record, now, unpaused)
        try:
            record = await self._throttle.brought_forward(record)
            care = care_for(record, now, sends_batch=sends_batch, heads=heads, holds=self._distributor.holds)
            if care is Care.NOTHING:
                return care
            if care is Care.RELEASE:
                changed = released(record, now)
            else:
                changed = replace(record, parked=False, rung_at=max(now, record.due_at), updated_at=now)
            await self._emails.update(stored, changed)
            await self._doorbells.ring(Doorbell(record.id, record.mode), max(changed.due_at - now, timedelta(0)))
        except LostRace:
            return Care.NOTHING  # somebody is at work on it
        except EmailSubsystemError as error:
            logger.warning("email %s could not be cared for: %s", record.id, where(error))
            return Care.NOTHING  # the next sweep sees it again
        logger.info("email %s was %s by the sweeper", record.id, care.value)
        return care


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
