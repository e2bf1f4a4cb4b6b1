"""The outbox: takes messages in, finds them again, takes them back. Sending is `delivery`'s."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from email_core.accept_rate import AcceptRate
from email_core.caller import Caller
from email_core.choice import Choice, choose, choose_for_mime
from email_core.choice_of_provider import EML, lacks_batch_provider, not_configured
from email_core.choice_of_sender import sender_for
from email_core.content import whole
from email_core.delivery_state import Event, Status
from email_core.distributor import Distributor
from email_core.draft_file import DraftFile, draft_of_email, draft_of_message
from email_core.email_id import SHARDS, created_at, is_email_id, new_email_id
from email_core.errors import (
    EmailNotFound,
    EmailSubsystemError,
    EmailTooLarge,
    FieldProblem,
    IllegalTransition,
    InvalidEmail,
    KeyInFlight,
    KeyReused,
    LostRace,
    StorageUnavailable,
    TooManyEmails,
)
from email_core.idempotency import IdempotencyStore, KeyUse, hashed
from email_core.leftovers import Leftovers
from email_core.logs import where
from email_core.message import Address, FinishedMessage, Message
from email_core.mime import adopt_mime, build_mime, renew_mime
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.parking import is_far_off
from email_core.record import MARKED_AS_SENT, Attempt, EmailRecord, Mode, RecipientResult
from email_core.stores.base import Doorbell, Doorbells, EmailQuery, EmailStore, Page, StoredEmail
from email_core.throttle import Throttle
from email_core.user_directory import Users

MOST_RECIPIENTS = 500
LARGE = 262_144  # octets; what is built from more would hold up everybody else
P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedEmail:
    """An email that has passed every check and could be kept: its record, its content, and what chose its sender and
    its provider."""

    record: EmailRecord
    mime: bytes = field(repr=False)
    choice: Choice = field(repr=False)


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
        providers: frozenset[str],
        users: Users,
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        """`providers` are the names of those that are configured."""
        self._emails = emails
        self._doorbells = doorbells
        self._keys = keys
        self._distributor = distributor
        self._rate = rate
        self._leftovers = leftovers
        self._throttle = throttle
        self._providers = providers
        self._users = users
        self._parameters = parameters
        self._clock = clock
        self._shard = _ShardOfTheMinute()

    def require_provider(self) -> None:
        """Raises ConfigurationError where none is configured, so that no email at all can be accepted."""
        if not self._providers:
            raise lacks_batch_provider(self._providers, self._parameters)

    async def prepare(self, message: Message, order: Order, caller: Caller) -> PreparedEmail:
        """Chooses sender and provider, checks everything and builds the MIME, once. Raises InvalidEmail, EmailTooLarge,
        NotPermitted, ConfigurationError, or what a person is to be asked: ChooseProvider or UseMailApp."""
        behalf = await self._users.behalf(caller, order, names_sender=message.sender is not None)
        return await beside(message.least_size, self._built, message, order, behalf)

    async def prepare_mime(self, raw: bytes, order: Order, caller: Caller) -> PreparedEmail:
        """The same for finished MIME: its sender and recipients are those of its headers."""
        behalf = await self._users.behalf(caller, order, names_sender=True)
        return await beside(len(raw), self._adopted, raw, order, behalf)

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

    async def draft(self, message: Message, order: Order, caller: Caller) -> DraftFile:
        """The message as a file for the user's own mail app. It may yet lack recipients: the user adds them; and a
        sender: that is the user, whose mail app knows it. That somebody chose this when asked is remembered. Raises
        InvalidEmail, NotPermitted or EmailTooLarge."""
        behalf = await self._users.behalf(caller, order, names_sender=message.sender is not None)
        draft = await beside(message.least_size, self._drafted, message)
        if order.provider == EML and order.mode is Mode.INTERACTIVE:
            await self._users.remember(behalf, EML)
        return draft

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
        same Message-ID, also to those in doubt. Raises IllegalTransition for one that is still on its way, and LostRace
        for a held one that was just changed."""
        stored = await self._stored(email_id)
        if stored.record.held:
            return await self._let_go(stored, stored.record.resolved(None))
        if not stored.record.ended:
            raise IllegalTransition(stored.record.status, "be resent: it is still on its way")
        content = await whole(await self._emails.content(stored))
        return await self.accept(self._copy(stored.record, content))

    async def may_be_resent(self, record: EmailRecord, caller: Caller) -> bool:
        """Whether the caller may send as its sender: by what is allowed to them, or because it is still the one of the
        user that they are. Raises InvalidEmail where that user is unknown or disabled by now."""
        known = await self._users.enabled(record.user) if record.user is not None else None
        if caller.may_send_as(record.sender.address):
            return True
        behalf = Behalf(caller, known)
        return behalf.is_own and record.sender.is_at(self._own_sender(record, behalf))

    def _own_sender(self, record: EmailRecord, behalf: Behalf) -> str:
        account = self._parameters.batch_mailbox_of(record.provider) if record.mode is Mode.BATCH else ""
        sender, _ = sender_for(None, Order(mode=record.mode), behalf, account, self._parameters)
        return sender.address

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
        return record

    # ---- how an email is prepared

    def _new_email(self) -> tuple[datetime, str]:
        """The time is the id's own, in whole milliseconds, so that a list by time and a list by id agree."""
        now = self._clock()
        email_id = new_email_id(now, self._shard.at(now))
        return created_at(email_id), email_id

    def _drafted(self, message: Message) -> DraftFile:
        self._check_size(message.least_size)
        draft = draft_of_message(message)
        self._check_size(len(draft.content))
        return draft

    def _built(self, message: Message, order: Order, behalf: Behalf) -> PreparedEmail:
        now, email_id = self._new_email()
        _check_recipients("/to", message.to, message.cc, message.bcc)
        self._check_size(message.least_size)
        choice = choose(message.sender, order, behalf, self._providers, self._parameters)
        message = replace(message, sender=choice.sender)
        return self._prepared(build_mime(message, email_id, now), email_id, order, choice)

    def _adopted(self, raw: bytes, order: Order, behalf: Behalf) -> PreparedEmail:
        now, email_id = self._new_email()
        finished = adopt_mime(raw, email_id, now)
        _check_recipients("/To", finished.to, finished.cc, finished.bcc)
        choice = choose_for_mime(finished.sender, order, behalf, self._providers, self._parameters, finished.agents)
        return self._prepared(finished, email_id, order, choice)

    def _prepared(self, finished: FinishedMessage, email_id: str, order: Order, choice: Choice) -> PreparedEmail:
        now = created_at(email_id)
        _check_times(order, now)
        self._check_size(len(finished.mime))
        record = EmailRecord(
            id=email_id,
            status=Status.UNSENT,
            mode=order.mode,
            provider=choice.provider,
            mailbox=choice.mailbox,
            user=choice.user,
            accepted_by=choice.accepted_by,
            sender=finished.sender,
            to=finished.to,
            cc=finished.cc,
            bcc=finished.bcc,
            subject=finished.subject,
            size=len(finished.mime),
            message_id=finished.message_id,
            metadata=order.metadata,
            importance=finished.importance,
            created_at=now,
            updated_at=now,
            send_at=order.send_at,
            expires_at=order.expires_at,
        )
        return PreparedEmail(record, finished.mime, choice)

    def _copy(self, old: EmailRecord, content: bytes) -> PreparedEmail:
        """A new email of the same content: finished MIME with a Message-ID of its own, linked to the old one."""
        now, email_id = self._new_email()
        message_id, mime = renew_mime(content, email_id, now, sender=old.sender)
        finished = FinishedMessage(
            sender=old.sender,
            to=old.to,
            cc=old.cc,
            bcc=old.bcc,
            subject=old.subject,
            message_id=message_id,
            mime=mime,
            importance=old.importance,
        )
        metadata = {**old.metadata, "resend_of": old.id}
        return self._prepared(finished, email_id, Order(mode=old.mode, metadata=metadata), self._same_choice(old))

    def _same_choice(self, old: EmailRecord) -> Choice:
        if old.provider not in self._providers:
            raise InvalidEmail(FieldProblem("/provider", not_configured(old.provider, self._providers)))
        return Choice(
            sender=old.sender,
            provider=old.provider,
            mailbox=old.mailbox,
            user=old.user,
            accepted_by=old.accepted_by,
        )

    async def _ring(self, stored: StoredEmail, delay: timedelta) -> None:
        """The email is safe already: a doorbell that cannot be put is the sweeper's."""
        try:
            await self._doorbells.ring(Doorbell.of(stored), max(delay, timedelta(0)))
        except StorageUnavailable as error:
            logger.warning("email %s is kept, but its doorbell could not be put: %s", stored.record.id, where(error))

    def _check_size(self, octets: int) -> None:
        if octets > self._parameters.size_limit_octets:
            raise EmailTooLarge(octets, self._parameters.size_limit_octets)

    async def _stored(self, email_id: str) -> StoredEmail:
        stored = await self._emails.get(email_id) if is_email_id(email_id) else None
        if stored is None:
            raise EmailNotFound(email_id)
        return stored


async def beside(octets: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Much work goes to a thread, as others are waiting."""
    return await asyncio.to_thread(work, *args, **kwargs) if octets > LARGE else work(*args, **kwargs)


def _check_recipients(pointer: str, *lists: tuple[Address, ...]) -> None:
    """Repeated ones count too: they stand in the record and in the headers."""
    count = sum(map(len, lists))
    if count == 0:
        raise InvalidEmail(FieldProblem(pointer, "is empty: an email needs at least one recipient in to, cc or bcc"))
    if count > MOST_RECIPIENTS:
        detail = f"there are {count} recipients in to, cc and bcc; at most {MOST_RECIPIENTS} go into one email"
        raise InvalidEmail(FieldProblem(pointer, detail))


def _check_times(order: Order, now: datetime) -> None:
    if order.expires_at is None:
        return
    if order.expires_at <= now:
        raise InvalidEmail(
            FieldProblem(f"{order.pointer}expires_at", "is in the past: give a later time, or leave it out")
        )
    if order.send_at is not None and order.expires_at <= order.send_at:
        raise InvalidEmail(
            FieldProblem(f"{order.pointer}expires_at", "is not after send_at: the email would expire unsent")
        )


class _ShardOfTheMinute:
    """One process keeps to one shard for a minute: emails accepted together are neighbours, and can be written
    together, while many processes spread over all shards (DESIGN.md, "Storage")."""

    def __init__(self) -> None:
        self._minute = -1
        self._shard = 0

    def at(self, now: datetime) -> int:
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._shard = minute, secrets.randbelow(SHARDS)
        return self._shard
