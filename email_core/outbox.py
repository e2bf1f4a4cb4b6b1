"""The outbox: keeps emails, finds them again, takes them back. `composer` makes them, `delivery` sends them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from email_core.accept_rate import AcceptRate
from email_core.composer import Composer, PreparedEmail
from email_core.content import whole
from email_core.delivery_state import Event, Status
from email_core.distributor import Distributor
from email_core.draft_file import DraftFile, draft_of_email
from email_core.email_id import is_email_id
from email_core.errors import (
    EmailNotFound,
    EmailSubsystemError,
    IllegalTransition,
    KeyInFlight,
    KeyReused,
    LostRace,
    StorageUnavailable,
    TooManyEmails,
)
from email_core.idempotency import IdempotencyStore, KeyUse, hashed
from email_core.leftovers import Leftovers
from email_core.logs import where
from email_core.parking import is_far_off
from email_core.record import MARKED_AS_SENT, Attempt, EmailRecord, RecipientResult
from email_core.stores.base import Doorbell, Doorbells, EmailQuery, EmailStore, Page, StoredEmail
from email_core.throttle import Throttle
from email_core.user_directory import Users

logger = logging.getLogger(__name__)


class Outbox:
    """All methods raise StorageUnavailable where the storage account does not do what it was asked."""

    def __init__(
        self,
        *,
        emails: EmailStore,
        doorbells: Doorbells,
        keys: IdempotencyStore,
        distributor: Distributor,
        rate: AcceptRate,
        leftovers: Leftovers,
        throttle: Throttle,
        users: Users,
        composer: Composer,
        clock: Callable[[], datetime],
    ) -> None:
        self._emails = emails
        self._doorbells = doorbells
        self._keys = keys
        self._distributor = distributor
        self._rate = rate
        self._leftovers = leftovers
        self._throttle = throttle
        self._users = users
        self._composer = composer
        self._clock = clock

    async def accept(self, prepared: PreparedEmail, caller: str | None = None) -> EmailRecord:
        """Keeps the email and rings its doorbell. When it returns, the email is safe. `caller` is the id of the one for
        whom it counts, None where it counts for nobody. Raises TooManyEmails."""
        if caller is not None:
            await self._rate.admit(caller)
        now = self._clock()
        parked = is_far_off(prepared.record.due_at, now) or not await self._distributor.sends_now(prepared.record.mode)
        record = replace(prepared.record, parked=True) if parked else prepared.record
        stored = await self._emails.insert(record, prepared.mime)
        if not parked:
            await self._ring(stored, record.due_at - now)
        if prepared.choice.asked is not None:
            await self._users.remember(prepared.choice.asked, prepared.choice.provider)
        return record

    async def accept_once(
        self, prepared: PreparedEmail, key: str, request: tuple[bytes, ...], caller: str | None = None
    ) -> tuple[EmailRecord, bool]:
        """The same under an idempotency key. `request` is all that tells it from another one, in pieces. Returns the
        email of the key's first request, and whether this is a replay, which does not count. Raises KeyReused,
        KeyInFlight or TooManyEmails."""
        use = KeyUse(hashed(key.encode()), hashed(*request), prepared.record.id, self._clock())
        standing = await self._keys.claim(use)
        if standing is not None:
            replayed = await self._replayed(standing, use)
            if replayed is not None:
                return replayed, True
        try:
            return await self.accept(prepared, caller), False
        except TooManyEmails:
            await self._keys.release(use)
            raise
        except EmailSubsystemError:
            with suppress(EmailSubsystemError):  # else the key is free again when it can be in flight no more
                if await self._emails.get(prepared.record.id) is None:  # it may be kept, and only the answer lost
                    await self._keys.release(use)
            raise

    async def _replayed(self, standing: KeyUse, use: KeyUse) -> EmailRecord | None:
        """The email of the first request; None where that came to nothing, and its place is taken now."""
        if not standing.is_over(use.at):
            if standing.body != use.body:
                raise KeyReused
            first = await self._emails.get(standing.email_id)
            if first is not None:
                return first.record
            if standing.may_be_in_flight(use.at):
                raise KeyInFlight
        try:
            await self._keys.take_over(standing, use)
        except LostRace:
            raise KeyInFlight from None
        return None

    async def accept_batch(
        self, prepared: Sequence[PreparedEmail], caller: str | None = None
    ) -> list[EmailRecord | EmailSubsystemError]:
        """Each email's record, or what became of it: one does not sink the others. Those of one partition are
        written together. Raises TooManyEmails where there was room for none of them."""
        results = await asyncio.gather(*(self._accepted_or_not(one, caller) for one in prepared))
        if results and isinstance(results[0], TooManyEmails) and all(isinstance(one, TooManyEmails) for one in results):
            raise results[0]
        return results

    async def _accepted_or_not(self, prepared: PreparedEmail, caller: str | None) -> EmailRecord | EmailSubsystemError:
        try:
            return await self.accept(prepared, caller)
        except EmailSubsystemError as error:
            return error

    async def read(self, email_id: str) -> EmailRecord:
        """Raises EmailNotFound."""
        return (await self._stored(email_id)).record

    async def content(self, email_id: str) -> tuple[EmailRecord, bytes]:
        """The record and the MIME, without Bcc. Raises EmailNotFound."""
        stored = await self._stored(email_id)
        return stored.record, await whole(await self._emails.content(stored))

    async def draft_of(self, email_id: str) -> DraftFile:
        """An accepted email as such a file. Raises EmailNotFound."""
        record, mime = await self.content(email_id)
        return draft_of_email(record, mime)

    async def list(self, query: EmailQuery) -> Page:
        """A page of the unsent emails or of the history, newest first."""
        return await self._emails.page(query)

    async def cancel(self, email_id: str) -> EmailRecord:
        """Takes back an email that no worker has claimed. Raises IllegalTransition where it is too late."""
        while True:
            stored = await self._stored(email_id)
            canceled = stored.record.after(Event.CANCEL, self._clock())
            try:
                await self._emails.end(stored, canceled)
            except LostRace:
                continue  # it was claimed, or it returned: its state now tells which
            await self._leftovers.discard(stored.record, canceled)
            await self._throttle.give_back(stored.record)
            return canceled

    async def resend(self, email_id: str) -> EmailRecord:
        """Sends an ended email once more, as a new one; or lets a held one go, which stays the same email with the
        same Message-ID, also to those in doubt. Raises IllegalTransition for one that is still on its way, ProviderGone
        for one that no configured provider sent, and LostRace for a held one that was just changed."""
        stored = await self._stored(email_id)
        if stored.record.held:
            return await self._let_go(stored, stored.record.resolved(None))
        if not stored.record.ended:
            raise IllegalTransition(stored.record.status, "be resent: it is still on its way")
        content = await whole(await self._emails.content(stored))
        return await self.accept(self._composer.copy(stored.record, content))

    async def _let_go(self, held: StoredEmail, record: EmailRecord) -> EmailRecord:
        now = self._clock()
        stored = await self._emails.update(held, replace(record, held=False, next_attempt_at=now, updated_at=now))
        await self._ring(stored, timedelta(0))
        return stored.record

    async def mark_sent(self, email_id: str) -> EmailRecord:
        """A held email has reached those in doubt, by an administrator's word: it is Sent, or goes on to those who do
        not have it. Raises IllegalTransition for any other, and LostRace where it was just changed."""
        stored = await self._stored(email_id)
        if not stored.record.held:
            raise IllegalTransition(stored.record.status, "be marked as sent: it is not held")
        now = self._clock()
        attempt = Attempt(now, stored.record.provider, MARKED_AS_SENT, "by an administrator", 0.0)
        marked = stored.record.resolved(RecipientResult(Status.SENT, MARKED_AS_SENT)).with_attempt(attempt)
        if marked.waiting_recipients:
            return await self._let_go(stored, marked)
        record = marked.after(Event.CONFIRM, now)
        await self._emails.end(stored, record)
        await self._throttle.give_back(stored.record)  # who was counted for the try that it was held back from
        return record

    async def _ring(self, stored: StoredEmail, delay: timedelta) -> None:
        """The email is safe already: a doorbell that cannot be put is the sweeper's."""
        try:
            await self._doorbells.ring(Doorbell.of(stored), max(delay, timedelta(0)))
        except StorageUnavailable as error:
            logger.warning("email %s is kept, but its doorbell could not be put: %s", stored.record.id, where(error))

    async def _stored(self, email_id: str) -> StoredEmail:
        stored = await self._emails.get(email_id) if is_email_id(email_id) else None
        if stored is None:
            raise EmailNotFound(email_id)
        return stored
