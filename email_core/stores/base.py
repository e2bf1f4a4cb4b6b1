"""What the core asks of a store. `azure.py` and `memory.py` both answer; one contract suite holds them to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from email_core.app_senders import AppSendersStore
from email_core.audit import AuditStore
from email_core.content import Content
from email_core.delivery_state import Status
from email_core.distributor import DistributorStore
from email_core.idempotency import IdempotencyStore
from email_core.mailbox_slots import MailboxStore
from email_core.parameter_desk import ParameterStore
from email_core.provider_pause import ProviderStateStore
from email_core.record import EmailRecord, Mode
from email_core.shared_windows import WindowStore
from email_core.timer_runs import TimerRunStore
from email_core.users import UserStore

QUEUE_NAMES = {Mode.BATCH: "email-batch", Mode.INTERACTIVE: "email-interactive"}
POISON = "-poison"  # the host's name for the queue of what it gave up
LONGEST_DELAY = timedelta(days=6)  # a queue message can be invisible for less than 7 days
INLINE_CONTENT_LIMIT = 60 * 1024  # octets; a binary property holds 64 KiB, larger content goes to a blob


@dataclass(frozen=True, slots=True)
class StoredEmail:
    """A version of an email as it was read or written. `etag` makes the next write conditional on this version.

    `inline` is the content where it is kept beside the record, or None where it is in a blob, or was not read.
    """

    record: EmailRecord
    etag: str
    inline: bytes | None = field(repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that is kept beside the record: else it must be read again before it is ended."""
        return self.inline is not None or self.record.size > INLINE_CONTENT_LIMIT


class View(StrEnum):
    UNSENT = "unsent"  # Batch email sending status: Unsent and Sending
    HISTORY = "history"  # Email history: what ended


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose own an email is: the caller who handed it over, or the user on whose behalf it is sent."""

    caller: str
    user: str | None

    def owns(self, record: EmailRecord) -> bool:
        return record.accepted_by == self.caller or (self.user is not None and record.user == self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailQuery:
    """A page of one view, newest first. `since` is included, `until` is not; both compare the time of accept.

    `sender` and `recipient` are whole addresses, `subject` is a part of it; none of them minds the case.
    `after` is the id that the page before ended with.
    """

    view: View
    status: Status | None = None
    sender: str | None = None
    recipient: str | None = None
    provider: str | None = None
    mode: Mode | None = None
    user: str | None = None
    owner: Owner | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: str | None = None

    def matches(self, record: EmailRecord) -> bool:
        return (
            (self.view is View.HISTORY) == record.ended
            and (self.status is None or record.status is self.status)
            and (self.sender is None or record.sender.address.casefold() == self.sender.casefold())
            and (self.recipient is None or self.recipient.casefold() in map(str.casefold, record.recipients))
            and (self.provider is None or record.provider == self.provider)
            and (self.mode is None or record.mode is self.mode)
            and (self.user is None or record.user == self.user)
            and (self.owner is None or self.owner.owns(record))
            and (self.subject is None or self.subject.casefold() in record.subject.casefold())
            and (self.since is None or record.created_at >= self.since)
            and (self.until is None or record.created_at < self.until)
            and (self.after is None or record.id > self.after)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """`next` continues after this page, or is None where nothing is left. A page may be short, even empty, and have a
    next one: a rare match is looked for in bounded steps."""

    items: tuple[EmailRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A queue message that says only "look at this email". Late, twice or never: all harmless.

    It may carry the email as it was when it rang: then the claim needs no read. If the email has changed since, the
    claim loses, and the table is read after all.
    """

    email_id: str
    mode: Mode
    stored: StoredEmail | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, stored: StoredEmail) -> "Doorbell":
        """It carries the email where that is whole: else who answers could not end it."""
        return cls(stored.record.id, stored.record.mode, stored if stored.is_whole else None)


class EmailStore(Protocol):
    """All methods raise StorageUnavailable where the storage account does not do what it was asked."""

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        """Keeps a new email with its content. When it returns, the email is safe."""

    async def get(self, email_id: str) -> StoredEmail | None:
        """One email by its id, wherever it is in its life."""

    async def content(self, stored: StoredEmail) -> Content:
        """The MIME. Raises ContentDeleted where it was deleted before its record, EmailNotFound where it was purged."""

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        """Writes an unsent email's next version. Raises LostRace, and writes nothing, if `stored` is not the last."""

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        """Moves an email to the history in one step. Raises LostRace as `update` does, and ValueError where `stored` is
        not whole: its content would be lost."""

    def forgetting_content(self) -> "EmailStore":
        """The same store, which deletes the content of each email that ends."""

    async def page(self, query: EmailQuery) -> Page:
        """Emails of a view, newest first."""

    async def unsettled_partitions(self) -> list[str]:
        """The partitions that may hold unsent mail, newest first: few, however long the history."""

    def waiting(self, partition: str, whole: int = 0) -> AsyncIterator[StoredEmail]:
        """A partition's unsent emails, newest first: the first `whole` of them with the content that is kept beside the
        record, the others without (`inline` is None)."""

    async def unsent(self, first_id: str, last_id: str) -> list[StoredEmail]:
        """Those of one partition from the first to the last, both included, that are unsent, with their content. One
        request for some tens of them."""

    async def settle(self, partition: str) -> None:
        """Says that a partition of the past holds no unsent mail any more: nobody looks there again."""

    def partitions_until(self, moment: datetime) -> AsyncIterator[str]:
        """The partitions of the day of `moment` and all before it, newest first."""

    def partitions_with_content(self, until: datetime) -> AsyncIterator[str]:
        """Those of the partitions until then, newest first, whose content was not deleted yet: few, however long the
        history."""

    async def purge_content(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        """Deletes the content of emails that ended before then, and keeps their records: some hundreds at a time.
        Returns how many, and whether to call again."""

    async def settle_content(self, partition: str) -> None:
        """Says that a partition of the past has no content any more: nobody looks for any there again. One that has,
        or unsent mail, stays as it is."""

    async def purge(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        """Deletes emails that ended before then, with their content: some hundreds at a time, the oldest last.
        Returns how many, and whether to call again. A partition that nothing is left of is forgotten, with content
        that no email belongs to."""


class Doorbells(Protocol):
    async def oldest_due(self, mode: Mode) -> datetime | None:
        """When the doorbell at the queue's head was to ring, or None where none waits to be answered: how far behind
        the workers are."""

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        """Puts a doorbell that rings after `delay`: whole seconds, rounded up; at most `LONGEST_DELAY`."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept, wherever that is."""

    emails: EmailStore
    doorbells: Doorbells
    keys: IdempotencyStore
    distributor: DistributorStore
    providers: ProviderStateStore
    timers: TimerRunStore
    mailboxes: MailboxStore
    windows: WindowStore
    audit: AuditStore
    users: UserStore
    app_senders: AppSendersStore
    parameters: ParameterStore
