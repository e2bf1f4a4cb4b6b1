"""An email store that measures what is written: whoever changes an email need not think of it, and what another worker
was faster with, or the storage did not take, is not counted."""

from collections.abc import AsyncIterator
from datetime import datetime

from email_core import metrics
from email_core.content import Content
from email_core.record import EmailRecord
from email_core.stores.base import EmailQuery, EmailStore, Page, StoredEmail


class MeasuredEmails:
    def __init__(self, emails: EmailStore) -> None:
        self._emails = emails

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        stored = await self._emails.insert(record, mime)
        metrics.accepted(record)
        return stored

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        updated = await self._emails.update(stored, record)
        metrics.changed(stored.record, record)
        return updated

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        await self._emails.end(stored, record)
        metrics.changed(stored.record, record)

    def forgetting_content(self) -> "MeasuredEmails":
        return MeasuredEmails(self._emails.forgetting_content())

    # ---- the rest changes no email's state

    async def get(self, email_id: str) -> StoredEmail | None:
        return await self._emails.get(email_id)

    async def content(self, stored: StoredEmail) -> Content:
        return await self._emails.content(stored)

    async def page(self, query: EmailQuery) -> Page:
        return await self._emails.page(query)

    async def unsettled_partitions(self) -> list[str]:
        return await self._emails.unsettled_partitions()

    def waiting(self, partition: str, whole: int = 0) -> AsyncIterator[StoredEmail]:
        return self._emails.waiting(partition, whole)

    async def unsent(self, first_id: str, last_id: str) -> list[StoredEmail]:
        return await self._emails.unsent(first_id, last_id)

    async def settle(self, partition: str) -> None:
        await self._emails.settle(partition)

    def partitions_until(self, moment: datetime) -> AsyncIterator[str]:
        return self._emails.partitions_until(moment)

    def partitions_with_content(self, until: datetime) -> AsyncIterator[str]:
        return self._emails.partitions_with_content(until)

    async def purge_content(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        return await self._emails.purge_content(partition, ended_before)

    async def settle_content(self, partition: str) -> None:
        await self._emails.settle_content(partition)

    async def purge(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        return await self._emails.purge(partition, ended_before)
