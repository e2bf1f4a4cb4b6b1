"""The outbox as one caller sees it.

Whoever has Email.Read sees all mail, and everybody their own: what they handed over, and what was sent on their behalf.
Mail that a caller does not see is answered as if it were not there. What an email says is for administrators and for
those whose own it is, and each reading of it stands in the audit; so does what a caller does to the mail of others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from email_core.audit import Action, AuditLog, Change
from email_core.caller import Caller, Role
from email_core.composer import Composer
from email_core.draft_file import DraftFile
from email_core.errors import EmailNotFound, NotPermitted
from email_core.outbox import Outbox
from email_core.record import EmailRecord
from email_core.stores.base import EmailQuery, Owner, Page


class CallersMail:
    def __init__(self, outbox: Outbox, composer: Composer, audit: AuditLog, caller: Caller) -> None:
        self._outbox = outbox
        self._composer = composer
        self._audit = audit
        self._caller = caller
        self._owner = Owner(caller.id, caller.user)

    # ---- seen

    async def read(self, email_id: str) -> EmailRecord:
        """Raises EmailNotFound."""
        record = await self._outbox.read(email_id)
        if not (self._caller.has(Role.READ) or self._is_own(record)):
            raise EmailNotFound(email_id)
        return record

    async def list(self, query: EmailQuery) -> Page:
        return await self._outbox.list(query if self._caller.has(Role.READ) else replace(query, owner=self._owner))

    async def content(self, email_id: str) -> tuple[EmailRecord, bytes]:
        """Raises EmailNotFound or NotPermitted."""
        await self._read_content(email_id)
        return await self._outbox.content(email_id)

    async def draft_of(self, email_id: str) -> DraftFile:
        """Raises EmailNotFound or NotPermitted."""
        await self._read_content(email_id)
        return await self._outbox.draft_of(email_id)

    async def _read_content(self, email_id: str) -> None:
        record = await self.read(email_id)
        if not (self._caller.has(Role.ADMIN) or self._is_own(record)):
            raise NotPermitted(
                "What an email says is for administrators and its sender: it needs the role Email.Admin",
                role=Role.ADMIN.value,
            )
        await self._audit.record(self._caller, Change(Action.CONTENT_READ, email_id))

    # ---- changed

    async def cancel(self, email_id: str) -> EmailRecord:
        """Raises EmailNotFound or NotPermitted, and what the outbox raises."""
        record = await self._changeable(email_id)
        async with self._recorded(Action.EMAIL_CANCELED, record):
            return await self._outbox.cancel(email_id)

    async def resend(self, email_id: str) -> EmailRecord:
        """As `cancel`. Nothing is sent anew for a user, or as a sender, that would not be accepted now."""
        record = await self._changeable(email_id)
        is_others = self._caller.is_person and not self._is_own(record)
        if not await self._composer.may_be_resent(record, self._caller) and not is_others:
            raise NotPermitted("Its sender is none that you may use: an administrator can allow it to you")
        async with self._recorded(Action.EMAIL_RESENT, record):
            return await self._outbox.resend(email_id)

    async def mark_sent(self, email_id: str) -> EmailRecord:
        """As `cancel`."""
        record = await self._changeable(email_id)
        async with self._recorded(Action.EMAIL_MARKED_SENT, record):
            return await self._outbox.mark_sent(email_id)

    async def _changeable(self, email_id: str) -> EmailRecord:
        record = await self.read(email_id)
        if not (self._caller.has(Role.SEND) or self._is_own(record)):
            raise NotPermitted("It is not your own email: to change it needs the role Email.Send", role=Role.SEND.value)
        return record

    @asynccontextmanager
    async def _recorded(self, action: Action, record: EmailRecord) -> AsyncIterator[None]:
        """Around what is done to an email: that of others tells nowhere else who did it."""
        if self._is_own(record):
            yield
            return
        async with self._audit.records(self._caller, Change(action, record.id)):
            yield

    def _is_own(self, record: EmailRecord) -> bool:
        return self._owner.owns(record)
