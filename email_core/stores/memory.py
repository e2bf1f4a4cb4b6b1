"""Stores in memory: for tests, and for a first look without any storage. They obey the contract, races included."""

from dataclasses import replace
from datetime import timedelta
from itertools import count, islice

from email_core.errors import EmailNotFound, LostRace
from email_core.record import EmailRecord
from email_core.stores.base import (
    INLINE_CONTENT_LIMIT,
    Doorbell,
    EmailQuery,
    Page,
    StoredEmail,
)


class MemoryEmailStore:
    def __init__(self) -> None:
        self._emails: dict[str, StoredEmail] = {}
        self._blobs: dict[str, bytes] = {}
        self._etags = count(1)

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        inline = mime if len(mime) <= INLINE_CONTENT_LIMIT else None
        if inline is None:
            self._blobs[record.id] = mime
        return self._keep(StoredEmail(record, "", inline))

    async def get(self, email_id: str) -> StoredEmail | None:
        return self._emails.get(email_id)

    async def content(self, stored: StoredEmail) -> bytes:
        if stored.inline is not None:
            return stored.inline
        try:
            return self._blobs[stored.record.id]
        except KeyError:
            raise EmailNotFound(stored.record.id) from None

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        self._check_last(stored)
        return self._keep(replace(stored, record=record))

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        self._check_last(stored)
        self._keep(replace(stored, record=record))

    async def page(self, query: EmailQuery) -> Page:
        matching = (email.record for _, email in sorted(self._emails.items()) if query.matches(email.record))
        items = tuple(islice(matching, query.limit))
        return Page(items, items[-1].id if next(matching, None) else None)

    def _check_last(self, stored: StoredEmail) -> None:
        last = self._emails.get(stored.record.id)
        if last is None or last.etag != stored.etag or last.record.ended:
            raise LostRace(stored.record.id)

    def _keep(self, stored: StoredEmail) -> StoredEmail:
        kept = replace(stored, etag=str(next(self._etags)))
        self._emails[kept.record.id] = kept
        return kept


class MemoryDoorbells:
    """Keeps what was rung, in order, with each one's delay."""

    def __init__(self) -> None:
        self.rung: list[tuple[Doorbell, timedelta]] = []

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        self.rung.append((doorbell, delay))
