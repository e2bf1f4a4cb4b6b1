"""What ends by itself: unsent mail expires, history is purged. Both go on where they stopped, because what is done is
gone from where they look; a missed week is only more of the same work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_core.audit import AuditLog
from email_core.delivery import is_expired
from email_core.delivery_state import Event
from email_core.email_id import last_moment_of
from email_core.errors import EmailSubsystemError, LostRace
from email_core.idempotency import KEPT, IdempotencyStore
from email_core.leftovers import Leftovers
from email_core.logs import where
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderStateStore
from email_core.shared_windows import WindowStore
from email_core.stores.base import EmailStore, StoredEmail
from email_core.sweeper import AT_ONCE, SETTLED_AFTER, in_groups
from email_core.throttle import Throttle

UNUSED = timedelta(days=40)  # recipients are promised to days up to 30 days ahead; a pause lasts minutes

Purge = Callable[[str, datetime], Awaitable[tuple[int, bool]]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """How many emails ended, or were deleted, and whether nothing of the kind is left."""

    emails: int
    finished: bool


class Retention:
    def __init__(
        self,
        *,
        emails: EmailStore,
        keys: IdempotencyStore,
        leftovers: Leftovers,
        audit: AuditLog,
        windows: WindowStore,
        provider_states: ProviderStateStore,
        throttle: Throttle,
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        self._emails = emails
        self._keys = keys
        self._leftovers = leftovers
        self._audit = audit
        self._windows = windows
        self._provider_states = provider_states
        self._throttle = throttle
        self._parameters = parameters
        self._clock = clock

    async def expire(self, until: datetime) -> RetentionReport:
        """Unsent mail whose time is over becomes Expired."""
        count = 0
        for partition in await self._emails.unsettled_partitions():
            async for some in in_groups(self._emails.waiting(partition), AT_ONCE):
                if self._clock() >= until:
                    return RetentionReport(count, finished=False)
                count += sum(await asyncio.gather(*map(self._expire, some)))
        return RetentionReport(count, finished=True)

    async def _expire(self, listed: StoredEmail) -> bool:
        now = self._clock()
        if not is_expired(listed.record, now, self._parameters):
            return False
        try:
            stored = await self._emails.get(listed.record.id)
            if stored is None or not is_expired(stored.record, now, self._parameters):
                return False
            expired = stored.record.after(Event.EXPIRE, now)
            await self._emails.end(stored, expired)
            await self._throttle.give_back(stored.record)
        except LostRace:
            return False  # somebody is at work on it
        except EmailSubsystemError as error:
            logger.warning("email %s could not be expired: %s", listed.record.id, where(error))
            return False  # the next run sees it again
        await self._leftovers.discard(stored.record, expired)
        return True

    async def purge(self, until: datetime) -> RetentionReport:
        """Deletes the history that ended longer ago than it is kept."""
        ended_before = self._clock() - timedelta(days=self._parameters.history_days)
        count = 0
        async for partition in self._emails.partitions_until(ended_before):
            deleted, finished = await self._in_time(self._emails.purge, partition, ended_before, until)
            count += deleted
            if not finished:
                return RetentionReport(count, finished=False)
        return RetentionReport(count, finished=True)

    async def purge_content(self, until: datetime) -> RetentionReport:
        """Deletes content sooner than its record, where a parameter says so. Where none does, a partition's content
        goes with it, and nobody has to look for any."""
        if self._parameters.content_days == self._parameters.history_days:
            return RetentionReport(0, finished=True)
        ended_before = self._clock() - timedelta(days=self._parameters.content_days)
        count = 0
        async for partition in self._emails.partitions_with_content(ended_before):
            deleted, finished = await self._in_time(self._emails.purge_content, partition, ended_before, until)
            count += deleted
            if not finished:
                return RetentionReport(count, finished=False)
            if last_moment_of(partition) + SETTLED_AFTER < ended_before:
                await self._emails.settle_content(partition)
        return RetentionReport(count, finished=True)

    async def _in_time(self, purge: Purge, partition: str, ended_before: datetime, until: datetime) -> tuple[int, bool]:
        """How many were deleted, and whether the partition has no more of them."""
        count, again = 0, True
        while again:
            if self._clock() >= until:
                return count, False
            deleted, again = await purge(partition, ended_before)
            count += deleted
        return count, True

    async def purge_audit(self, until: datetime) -> int:
        """Deletes the audit that is older than it is kept. Returns how many events."""
        days = self._parameters.audit_retention_days
        return await self._audit.purge(timedelta(days=days), until) if days else 0

    async def purge_keys(self, until: datetime) -> int:
        """Forgets idempotency keys that are over. Returns how many."""
        return await self._keys.purge(self._clock() - KEPT, until)

    async def purge_states(self) -> int:
        """Forgets what was promised to mailboxes that have sent nothing for long, and the pauses of configurations that
        are no more. Returns how many rows."""
        before = self._clock() - UNUSED
        return await self._windows.purge(before) + await self._provider_states.purge(before)
