"""Makes an email of what a caller asks for: finished, checked, with its sender and provider chosen. Nothing is kept
here: that is `outbox`'s."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from email_core.beside import beside
from email_core.caller import Caller
from email_core.choice import Choice, choose, choose_for_mime
from email_core.choice_of_provider import EML, lacks_batch_provider, not_configured
from email_core.choice_of_sender import sender_for
from email_core.delivery_state import Status
from email_core.draft_file import DraftFile, draft_of_message
from email_core.email_id import SHARDS, created_at, new_email_id
from email_core.errors import EmailSubsystemError, EmailTooLarge, FieldProblem, InvalidEmail, ProviderGone
from email_core.message import Address, FinishedMessage, Message
from email_core.mime import adopt_mime, build_mime, renew_mime
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.record import EmailRecord, Mode
from email_core.user_directory import Users

MOST_RECIPIENTS = 500


@dataclass(frozen=True, slots=True)
class PreparedEmail:
    """An email that has passed every check and could be kept: its record, its content, and what chose its sender and
    its provider."""

    record: EmailRecord
    mime: bytes = field(repr=False)
    choice: Choice = field(repr=False)


class Composer:
    """All methods that wait raise StorageUnavailable where the users cannot be read."""

    def __init__(
        self,
        *,
        users: Users,
        providers: frozenset[str],
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        """`providers` are the names of those that are configured."""
        self._users = users
        self._providers = providers
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

    async def draft(self, message: Message, order: Order, caller: Caller, *, is_dry_run: bool = False) -> DraftFile:
        """The message as a file for the user's own mail app. It may yet lack recipients: the user adds them; and a
        sender: that is the user, whose mail app knows it. That somebody chose this when asked is remembered, but for a
        dry run. Times and metadata of the order go nowhere: they stand there as the body is that of an email which was
        answered UseMailApp. Raises InvalidEmail, NotPermitted or EmailTooLarge."""
        with _all_at_once(*_of_draft(order)):
            behalf = await self._users.behalf(caller, order, names_sender=message.sender is not None)
            draft = await beside(message.least_size, self._drafted, message)
        if order.provider == EML and order.mode is Mode.INTERACTIVE and not is_dry_run:
            await self._users.remember(behalf, EML)
        return draft

    def copy(self, old: EmailRecord, content: bytes) -> PreparedEmail:
        """A new email of the same content: finished MIME with a Message-ID of its own, linked to the old one. Raises
        ProviderGone or EmailTooLarge."""
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

    async def may_be_resent(self, record: EmailRecord, caller: Caller) -> bool:
        """Whether the caller may send as its sender: by what is allowed to them, or because it is still the one of the
        user that they are. Raises UserGone where that user is unknown or disabled by now."""
        known = await self._users.still_enabled(record.user) if record.user is not None else None
        if caller.may_send_as(record.sender.address):
            return True
        behalf = Behalf(caller, known)
        return behalf.is_own and record.sender.is_at(self._own_sender(record, behalf))

    def _own_sender(self, record: EmailRecord, behalf: Behalf) -> str:
        account = self._parameters.batch_mailbox_of(record.provider) if record.mode is Mode.BATCH else ""
        sender, _ = sender_for(None, Order(mode=record.mode), behalf, account, self._parameters)
        return sender.address

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
        with _all_at_once(*_of_recipients("/to", message.to, message.cc, message.bcc), *_of_times(order, now)):
            self._check_size(message.least_size)
            choice = choose(message.sender, order, behalf, self._providers, self._parameters)
        message = replace(message, sender=choice.sender)
        return self._prepared(build_mime(message, email_id, now), email_id, order, choice)

    def _adopted(self, raw: bytes, order: Order, behalf: Behalf) -> PreparedEmail:
        now, email_id = self._new_email()
        finished = adopt_mime(raw, email_id, now)
        with _all_at_once(*_of_recipients("/To", finished.to, finished.cc, finished.bcc), *_of_times(order, now)):
            choice = choose_for_mime(finished.sender, order, behalf, self._providers, self._parameters, finished.agents)
        return self._prepared(finished, email_id, order, choice)

    def _prepared(self, finished: FinishedMessage, email_id: str, order: Order, choice: Choice) -> PreparedEmail:
        now = created_at(email_id)
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

    def _same_choice(self, old: EmailRecord) -> Choice:
        if old.provider not in self._providers:
            raise ProviderGone(not_configured(old.provider, self._providers))
        return Choice(
            sender=old.sender,
            provider=old.provider,
            mailbox=old.mailbox,
            user=old.user,
            accepted_by=old.accepted_by,
        )

    def _check_size(self, octets: int) -> None:
        if octets > self._parameters.size_limit_octets:
            raise EmailTooLarge(octets, self._parameters.size_limit_octets)


@contextmanager
def _all_at_once(*problems: FieldProblem) -> Iterator[None]:
    """With what is found to be invalid inside; all else that would stop the email there comes when it is right."""
    try:
        yield
    except InvalidEmail as error:
        raise InvalidEmail(*problems, *error.problems) from None
    except EmailSubsystemError:
        if not problems:
            raise
    if problems:
        raise InvalidEmail(*problems)


def _of_recipients(pointer: str, *lists: tuple[Address, ...]) -> Iterator[FieldProblem]:
    """Repeated ones count too: they stand in the record and in the headers."""
    count = sum(map(len, lists))
    if count == 0:
        yield FieldProblem(pointer, "is empty: an email needs at least one recipient in to, cc or bcc")
    if count > MOST_RECIPIENTS:
        detail = f"there are {count} recipients in to, cc and bcc; at most {MOST_RECIPIENTS} go into one email"
        yield FieldProblem(pointer, detail)


def _of_times(order: Order, now: datetime) -> Iterator[FieldProblem]:
    pointer = f"{order.pointer}expires_at"
    if order.expires_at is None:
        return
    if order.expires_at <= now:
        yield FieldProblem(pointer, "is in the past: give a later time, or leave it out")
    elif order.send_at is not None and order.expires_at <= order.send_at:
        yield FieldProblem(pointer, "is not after send_at: the email would expire unsent")


def _of_draft(order: Order) -> Iterator[FieldProblem]:
    """An email that was answered UseMailApp or ChooseProvider named no provider: whoever names one means another
    call."""
    if order.provider not in (None, EML):
        detail = "is not taken: the user's own mail app sends a draft, leave it out or write eml; or POST /api/emails"
        yield FieldProblem(f"{order.pointer}provider", detail)


class _ShardOfTheMinute:
    """One process keeps to one shard for a minute: emails accepted together are neighbours, and can be written
    together, while many processes spread over all shards."""

    def __init__(self) -> None:
        self._minute = -1
        self._shard = 0

    def at(self, now: datetime) -> int:
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._shard = minute, secrets.randbelow(SHARDS)
        return self._shard
