"""All unsent mail in a few numbers, taken while somebody looks at each email anyway."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from email_core.record import EmailRecord, Mode
from email_core.stores.base import StoredEmail


@dataclass(slots=True)
class Backlog:
    """`oldest`: since when the oldest email waits that is to be sent by now, where there is one."""

    unsent: Counter[Mode] = field(default_factory=Counter)
    oldest: dict[Mode, datetime] = field(default_factory=dict)

    def count(self, emails: Iterable[StoredEmail], now: datetime, *, sends_batch: bool, holds: bool = False) -> None:
        """`holds`: no mail is sent at all, and all of it waits on purpose."""
        for record in (one.record for one in emails):
            self.unsent[record.mode] += 1
            since = None if holds else waits_since(record, now, sends_batch=sends_batch)
            if since is not None:
                self.oldest[record.mode] = min(self.oldest.get(record.mode, since), since)


def waits_since(record: EmailRecord, now: datetime, *, sends_batch: bool) -> datetime | None:
    """None for what waits on purpose: held, scheduled, or parked until the distributor sends. Pure."""
    since = max(record.created_at, record.send_at or record.created_at)
    waits_for_distributor = record.mode is Mode.BATCH and record.parked and not sends_batch
    return None if record.held or since > now or waits_for_distributor else since
