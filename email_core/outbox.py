"""The outbox: takes messages in, finds them again, takes them back. Sending is `delivery`'s."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from email_core.addresses import parse_address
from email_core.content import whole
from email_core.delivery_state import Event, Status
from email_core.distributor import Distributor
from email_core.draft_file import DraftFile, draft_of_email, draft_of_message
from email_core.email_id import SHARDS, created_at, is_email_id, new_email_id
from email_core.errors import (
    ConfigurationError,
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
)
from email_core.idempotency import IdempotencyStore, KeyUse, hashed
from email_core.logs import where
from email_core.message import Address, FinishedMessage, Message
from email_core.mime import adopt_mime, build_mime, renew_mime
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.parking import is_far_off
from email_core.record import MARKED_AS_SENT, Attempt, EmailRecord, Mode, RecipientResult
from email_core.stores.base import Doorbell, Doorbells, EmailQuery, EmailStore, Page, StoredEmail

MOST_RECIPIENTS = 500
CONFIGURED_BY = {  # the parameter without which a provider is none, and what to do about it
    "smtp": ("smtp_server", "Name the outgoing mail server there."),
    "graph": ("graph_credential", "Choose there how the application signs in to Microsoft Graph."),
    "exchange": ("exchange_server", "Name your Exchange Server there."),
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a message is to be sent, apart from what it says. Times are aware; None = now, or the parameters' rule."""

    mode: Mode = Mode.BATCH
    user: str | None = None
    provider: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    pointer: str = "/"  # what a problem's pointer to one of these begins with: `?` where they came in the query string


@dataclass(frozen=True, slots=True)
class PreparedEmail:
    """An email that has passed every check and could be kept: its record and its content."""

    record: EmailRecord
    mime: bytes = field(repr=False)


class Outbox:
    """All methods raise StorageUnavailable where the storage account does not do what it was asked."""

    def __init__(
        self,
        *,
        emails: EmailStore,
        doorbells: Doorbells,
        keys: IdempotencyStore,
        distributor: Distributor,
        providers: frozenset[str],
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        """`providers` are the names of those that are configured."""
        self._emails = emails
        self._doorbells = doorbells
        self._keys = keys
        self._distributor = distributor
        self._providers = providers
        self._parameters = parameters
        self._clock = clock
        self._shard = _ShardOfTheMinute()

    def require_provider(self) -> None:
        """Raises ConfigurationError where none is configured, so that no email at all can be accepted."""
        if not self._providers:
            raise self._lacks_batch_provider()

    def prepare(self, message: Message, order: Order) -> PreparedEmail:
        """Checks everything and builds the MIME, once. Raises InvalidEmail, EmailTooLarge or ConfigurationError."""
        now, email_id = self._new_email()
        if message.sender is None:
            message = replace(message, sender=self._default_sender(order))
        _check_recipients("/to", message.to, message.cc, message.bcc)
        self._check_size(message.least_size)
        return self._prepared(build_mime(message, email_id, now), email_id, order)

    def prepare_mime(self, raw: bytes, order: Order) -> PreparedEmail:
        """The same for finished MIME: its sender and recipients are those of its headers."""
        now, email_id = self._new_email()
        finished = adopt_mime(raw, email_id, now)
        _check_recipients("/To", finished.to, finished.cc, finished.bcc)
        return self._prepared(finished, email_id, order)

    async def accept(self, prepared: PreparedEmail) -> EmailRecord:
        """Keeps the email and rings its doorbell. When it returns, the email is safe."""
        now = self._clock()
        parked = is_far_off(prepared.record.due_at, now) or not await self._distributor.sends_now(prepared.record.mode)
        record = replace(prepared.record, parked=True) if parked else prepared.record
        stored = await self._emails.insert(record, prepared.mime)
        if not parked:
            await self._ring(stored, record.due_at - now)
        return record

    async def accept_once(self, prepared: PreparedEmail, key: str, body: bytes) -> tuple[EmailRecord, bool]:
        """The same under an idempotency key. Returns the email of the key's first request, and whether this is a
        replay. Raises KeyReused or KeyInFlight."""
        use = KeyUse(hashed(key.encode()), hashed(body), prepared.record.id, self._clock())
        standing = await self._keys.claim(use)
        if standing is not None:
            replayed = await self._replayed(standing, use)
            if replayed is not None:
                return replayed, True
        try:
            return await self.accept(prepared), False
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

    async def accept_batch(self, prepared: Sequence[PreparedEmail]) -> list[EmailRecord | EmailSubsystemError]:
        """Each email's record, or what became of it: one does not sink the others. Those of one partition are
        written together."""
        return await asyncio.gather(*map(self._accepted_or_not, prepared))

    async def _accepted_or_not(self, prepared: PreparedEmail) -> EmailRecord | EmailSubsystemError:
        try:
            return await self.accept(prepared)
        except EmailSubsystemError as error:
            return error

    async def read(self, email_id: str) -> EmailRecord:
        """Raises EmailNotFound."""
        return (await self._stored(email_id)).record

    async def content(self, email_id: str) -> tuple[EmailRecord, bytes]:
        """The record and the MIME, without Bcc. Raises EmailNotFound."""
        stored = await self._stored(email_id)
        return stored.record, await whole(await self._emails.content(stored))

    def draft(self, message: Message) -> DraftFile:
        """The message as a file for the user's own mail app. It may yet lack recipients: the user adds them; and a
        sender: that is the user, whose mail app knows it. Raises EmailTooLarge."""
        self._check_size(message.least_size)
        draft = draft_of_message(message)
        self._check_size(len(draft.content))
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

    def _prepared(self, finished: FinishedMessage, email_id: str, order: Order) -> PreparedEmail:
        now = created_at(email_id)
        _check_times(order, now)
        provider = self._provider(order)
        self._check_size(len(finished.mime))
        record = EmailRecord(
            id=email_id,
            status=Status.UNSENT,
            mode=order.mode,
            provider=provider,
            user=order.user,
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
        return PreparedEmail(record, finished.mime)

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
        order = Order(mode=old.mode, user=old.user, provider=old.provider, metadata=metadata)
        copy = self._prepared(finished, email_id, order)
        return replace(copy, record=replace(copy.record, accepted_by=old.accepted_by))  # it is whose the old one was

    async def _ring(self, stored: StoredEmail, delay: timedelta) -> None:
        """The email is safe already: a doorbell that cannot be put is the sweeper's."""
        try:
            await self._doorbells.ring(Doorbell.of(stored), max(delay, timedelta(0)))
        except StorageUnavailable as error:
            logger.warning("email %s is kept, but its doorbell could not be put: %s", stored.record.id, where(error))

    def _provider(self, order: Order) -> str:
        if order.provider is None:
            if self._parameters.batch_provider not in self._providers:
                raise self._lacks_batch_provider()
            return self._parameters.batch_provider
        if order.provider not in self._providers:
            raise InvalidEmail(
                FieldProblem(f"{order.pointer}provider", not_configured(order.provider, self._providers))
            )
        return order.provider

    def _lacks_batch_provider(self) -> ConfigurationError:
        setting, fix = CONFIGURED_BY[self._parameters.batch_provider]
        others = ", ".join(other for other, _ in CONFIGURED_BY.values() if other != setting)
        problem = "is not set" if self._providers else f"is not set, and no other provider is configured ({others})"
        return ConfigurationError(f"{SETTING_PREFIX}{setting}", problem, fix)

    def _check_size(self, octets: int) -> None:
        if octets > self._parameters.size_limit_octets:
            raise EmailTooLarge(octets, self._parameters.size_limit_octets)

    def _default_sender(self, order: Order) -> Address:
        if order.user is not None:
            raise InvalidEmail(FieldProblem("/user", "is not known here, so its address is not either: give `from`"))
        if self._parameters.default_sender:
            return default_address(self._parameters.default_sender)
        account = self._parameters.batch_mailbox_of(order.provider or self._parameters.batch_provider)
        if account and order.mode is Mode.BATCH:
            return parse_address(account)
        raise InvalidEmail(FieldProblem("/from", "is required: the parameter default_sender is not set"))

    async def _stored(self, email_id: str) -> StoredEmail:
        stored = await self._emails.get(email_id) if is_email_id(email_id) else None
        if stored is None:
            raise EmailNotFound(email_id)
        return stored


def not_configured(provider: str, configured: Iterable[str]) -> str:
    """What is wrong with naming it, and which parameter makes it one that can be named."""
    words = f"{provider!r} is not a configured provider; configured: {', '.join(sorted(configured)) or 'none'}"
    if provider not in CONFIGURED_BY:
        return words
    setting, _ = CONFIGURED_BY[provider]
    return f"{words}; it is configured by {SETTING_PREFIX}{setting}"


def default_address(text: str) -> Address:
    """The parameter `default_sender`, checked. Raises ConfigurationError."""
    try:
        return parse_address(text)
    except ValueError as problem:
        setting = "EmailParameters__default_sender"
        raise ConfigurationError(setting, str(problem), "Give one address, or leave it empty.") from None


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
