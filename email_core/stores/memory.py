"""Stores in memory: for tests, and for a first look without any storage. They obey the contract, races included."""

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any

from email_core.app_senders import AppSendersRow
from email_core.audit import AuditEvent, AuditPage
from email_core.content import InlineContent
from email_core.distributor import DistributorState
from email_core.email_id import inverted_day, partition_of
from email_core.errors import ContentDeleted, EmailNotFound, LostRace
from email_core.idempotency import KeyUse
from email_core.mailbox_slots import MailboxState
from email_core.parameters import Value
from email_core.provider_pause import ProviderState
from email_core.record import EmailRecord, Mode
from email_core.stores.base import (
    INLINE_CONTENT_LIMIT,
    Doorbell,
    EmailQuery,
    Page,
    StoredEmail,
    Stores,
)
from email_core.throttling import Window
from email_core.users import KnownUser, User, UserOptions, UserPage, UserQuery, UserRow, user_key


class MemoryEmailStore:
    def __init__(self) -> None:
        self._emails: dict[str, StoredEmail] = {}
        self._blobs: dict[str, bytes] = {}
        self._etags = count(1)
        self._settled: set[str] = set()
        self._without_content: set[str] = set()
        self._forgets = False

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        inline = mime if len(mime) <= INLINE_CONTENT_LIMIT else None
        if inline is None:
            self._blobs[record.id] = mime
        return self._keep(record, inline)

    async def get(self, email_id: str) -> StoredEmail | None:
        return self._emails.get(email_id)

    async def content(self, stored: StoredEmail) -> InlineContent:
        if stored.record.content_deleted:
            raise ContentDeleted(stored.record.id)
        if stored.inline is not None:
            return InlineContent(stored.inline)
        try:
            return InlineContent(self._blobs[stored.record.id])
        except KeyError:
            raise EmailNotFound(stored.record.id) from None

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        return replace(self._keep(record, self._check_last(stored).inline), inline=stored.inline)

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        if not stored.is_whole:
            raise ValueError(f"{record.id} was read without its content, which would be lost")
        self._keep(record, self._check_last(stored).inline)
        if self._forgets:
            self._forget_content(record.id)

    def forgetting_content(self) -> "MemoryEmailStore":
        forgetting = copy(self)
        forgetting._forgets = True
        return forgetting

    def _forget_content(self, email_id: str) -> None:
        self._keep(replace(self._emails[email_id].record, content_deleted=True), None)
        self._blobs.pop(email_id, None)

    async def page(self, query: EmailQuery) -> Page:
        matching = (email.record for _, email in sorted(self._emails.items()) if query.matches(email.record))
        items = tuple(islice(matching, query.limit))
        return Page(items, items[-1].id if next(matching, None) else None)

    async def unsettled_partitions(self) -> list[str]:
        return sorted({partition_of(one.record.id) for one in self._emails.values()} - self._settled)

    async def waiting(self, partition: str, whole: int = 0) -> AsyncIterator[StoredEmail]:
        rows = [one for id, one in sorted(self._emails.items()) if partition_of(id) == partition]
        for place, stored in enumerate(one for one in rows if not one.record.ended):
            yield stored if place < whole else replace(stored, inline=None)

    async def unsent(self, first_id: str, last_id: str) -> list[StoredEmail]:
        rows = [one for id, one in sorted(self._emails.items()) if first_id <= id <= last_id]
        return [one for one in rows if partition_of(one.record.id) == partition_of(first_id) and not one.record.ended]

    async def settle(self, partition: str) -> None:
        self._settled.add(partition)

    async def partitions_until(self, moment: datetime) -> AsyncIterator[str]:
        for partition in sorted({partition_of(email_id) for email_id in self._emails}):
            if partition >= inverted_day(moment):
                yield partition

    async def partitions_with_content(self, until: datetime) -> AsyncIterator[str]:
        async for partition in self.partitions_until(until):
            if partition not in self._without_content:
                yield partition

    async def purge_content(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        old = [one for one in self._ended(partition, ended_before) if not self._emails[one].record.content_deleted]
        for email_id in old:
            self._forget_content(email_id)
        return len(old), False

    async def settle_content(self, partition: str) -> None:
        rest = [one.record for one in self._emails.values() if partition_of(one.record.id) == partition]
        if all(record.content_deleted for record in rest):
            self._without_content.add(partition)

    def _ended(self, partition: str, before: datetime) -> list[str]:
        return [
            email_id
            for email_id, stored in self._emails.items()
            if partition_of(email_id) == partition
            and stored.record.ended_at is not None
            and stored.record.ended_at < before
        ]

    async def purge(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        old = self._ended(partition, ended_before)
        for email_id in old:
            del self._emails[email_id]
            self._blobs.pop(email_id, None)
        return len(old), False

    def _check_last(self, stored: StoredEmail) -> StoredEmail:
        last = self._emails.get(stored.record.id)
        if last is None or last.etag != stored.etag or last.record.ended:
            raise LostRace(stored.record.id)
        return last

    def _keep(self, record: EmailRecord, inline: bytes | None) -> StoredEmail:
        kept = StoredEmail(record, str(next(self._etags)), inline)
        self._emails[record.id] = kept
        return kept


class MemoryDoorbells:
    """Keeps what was rung, in order, with each one's delay."""

    def __init__(self) -> None:
        self.rung: list[tuple[Doorbell, timedelta]] = []
        self.heads: dict[Mode, datetime] = {}

    async def oldest_due(self, mode: Mode) -> datetime | None:
        return self.heads.get(mode)

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        self.rung.append((doorbell, delay))


class MemoryIdempotencyStore:
    def __init__(self) -> None:
        self._uses: dict[str, KeyUse] = {}

    async def claim(self, use: KeyUse) -> KeyUse | None:
        standing = self._uses.setdefault(use.key, use)
        return None if standing is use else standing

    async def take_over(self, standing: KeyUse, use: KeyUse) -> None:
        if self._uses.get(use.key) != standing:
            raise LostRace(use.email_id)
        self._uses[use.key] = use

    async def release(self, use: KeyUse) -> None:
        standing = self._uses.get(use.key)
        if standing is not None and standing.email_id == use.email_id:
            del self._uses[use.key]

    async def purge(self, before: datetime, until: datetime) -> int:
        old = [key for key, use in self._uses.items() if use.at < before]
        for key in old:
            del self._uses[key]
        return len(old)


class MemoryDistributorStore:
    def __init__(self) -> None:
        self._state = DistributorState()
        self._version = 0

    async def read(self) -> tuple[DistributorState, str | None]:
        return self._state, str(self._version) if self._version else None

    async def write(self, state: DistributorState, etag: str | None) -> None:
        if etag != (await self.read())[1]:
            raise LostRace("the distributor's state")
        self._state, self._version = state, self._version + 1


class MemoryProviderStates:
    def __init__(self) -> None:
        self._states: dict[str, tuple[ProviderState, int]] = {}
        self._written: dict[str, datetime] = {}

    async def read(self, row: str) -> tuple[ProviderState, str | None]:
        if row not in self._states:
            return ProviderState(), None
        state, version = self._states[row]
        return state, str(version)

    async def write(self, row: str, state: ProviderState, etag: str | None) -> None:
        if etag != (await self.read(row))[1]:
            raise LostRace(f"the state of {row}")
        self._states[row] = state, int(etag or 0) + 1
        self._written[row] = datetime.now(UTC)

    async def purge(self, before: datetime) -> int:
        return _purged(self._states, self._written, before)


class MemoryTimerRuns:
    def __init__(self) -> None:
        self._runs: dict[str, datetime] = {}

    async def read(self, timer: str) -> datetime | None:
        return self._runs.get(timer)

    async def write(self, timer: str, at: datetime) -> None:
        self._runs[timer] = at


class MemoryMailboxStore:
    def __init__(self) -> None:
        self._states: dict[str, tuple[MailboxState, int]] = {}

    async def read(self, mailbox: str) -> tuple[MailboxState, str | None]:
        if mailbox not in self._states:
            return MailboxState(), None
        state, version = self._states[mailbox]
        return state, str(version)

    async def write(self, mailbox: str, state: MailboxState, etag: str | None) -> str:
        standing = self._states.get(mailbox)
        if etag != (standing and str(standing[1])):
            raise LostRace("the slots of a mailbox")
        version = int(etag or 0) + 1
        self._states[mailbox] = state, version
        return str(version)


class MemoryWindowStore:
    def __init__(self) -> None:
        self._windows: dict[str, tuple[Window, int]] = {}
        self._written: dict[str, datetime] = {}

    async def read(self, account: str) -> tuple[Window, str | None]:
        if account not in self._windows:
            return Window(), None
        window, version = self._windows[account]
        return window, str(version)

    async def write(self, account: str, window: Window, etag: str | None) -> str:
        if etag != (await self.read(account))[1]:
            raise LostRace(f"the window of {account}")
        version = int(etag or 0) + 1
        self._windows[account] = window, version
        self._written[account] = datetime.now(UTC)
        return str(version)

    async def purge(self, before: datetime) -> int:
        return _purged(self._windows, self._written, before)


def _purged(rows: dict[str, Any], written: Mapping[str, datetime], before: datetime) -> int:
    old = [name for name in rows if name in written and written[name] < before]
    for name in old:
        del rows[name]
    return len(old)


class MemoryAuditStore:
    def __init__(self) -> None:
        self.events: dict[str, AuditEvent] = {}

    async def insert(self, events: Sequence[AuditEvent]) -> None:
        self.events |= {event.id: event for event in events}

    async def withdraw(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            self.events.pop(event.id, None)

    async def page(self, limit: int, after: str | None) -> AuditPage:
        found = [event for id, event in sorted(self.events.items()) if after is None or id > after]
        return AuditPage(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    async def purge(self, before: datetime, until: datetime) -> int:
        old = [id for id, event in self.events.items() if event.at.date() < before.date()]
        for id in old:
            del self.events[id]
        return len(old)


class MemoryUserStore:
    def __init__(self) -> None:
        self._users: dict[str, KnownUser] = {}
        self._etags = count(1)

    async def get(self, user_id: str) -> KnownUser | None:
        return self._users.get(user_key(user_id))

    async def write(self, known: KnownUser) -> KnownUser:
        self._check_last(known)
        return self._keep(known)

    async def delete(self, known: KnownUser) -> None:
        if await self.get(known.user.id) is not None:
            self._check_last(known)
            del self._users[user_key(known.user.id)]

    async def page(self, query: UserQuery) -> UserPage:
        after = user_key(query.after) if query.after is not None else ""
        behind = (known.user for key, known in sorted(self._users.items()) if key > after)
        matching = filter(query.matches, behind)
        items = tuple(islice(matching, query.limit))
        return UserPage(items, items[-1].id if next(matching, None) else None)

    async def merge(self, rows: Sequence[UserRow]) -> None:
        for row in rows:
            standing = await self.get(row.id) or KnownUser(User(id=row.id), UserOptions())
            self._keep(replace(standing, user=replace(standing.user, **{**row.values, "id": row.id})))

    def _check_last(self, known: KnownUser) -> None:
        standing = self._users.get(user_key(known.user.id))
        if known.etag != (standing.etag if standing else None):
            raise LostRace("a user")

    def _keep(self, known: KnownUser) -> KnownUser:
        kept = replace(known, etag=str(next(self._etags)))
        self._users[user_key(known.user.id)] = kept
        return kept


class MemoryAppSendersStore:
    def __init__(self) -> None:
        self.rows: dict[str, AppSendersRow] = {}

    async def get(self, client_id: str) -> AppSendersRow | None:
        return self.rows.get(client_id)

    async def put(self, row: AppSendersRow) -> None:
        self.rows[row.client_id] = row

    async def delete(self, client_id: str) -> None:
        self.rows.pop(client_id, None)

    async def all(self) -> list[AppSendersRow]:
        return [row for _, row in sorted(self.rows.items())]


class MemoryParameterStore:
    def __init__(self, **values: Value) -> None:
        self._values: Mapping[str, Value] = values
        self._version = 1 if values else 0

    async def read(self) -> tuple[Mapping[str, Value], str | None]:
        return self._values, f'"version {self._version}"' if self._version else None

    async def write(self, values: Mapping[str, Value], etag: str | None) -> str:
        if etag != (await self.read())[1]:
            raise LostRace("the parameters")
        self._values, self._version = dict(values), self._version + 1
        return f'"version {self._version}"'


def memory_stores() -> Stores:
    return Stores(
        emails=MemoryEmailStore(),
        doorbells=MemoryDoorbells(),
        keys=MemoryIdempotencyStore(),
        distributor=MemoryDistributorStore(),
        providers=MemoryProviderStates(),
        timers=MemoryTimerRuns(),
        mailboxes=MemoryMailboxStore(),
        windows=MemoryWindowStore(),
        audit=MemoryAuditStore(),
        users=MemoryUserStore(),
        app_senders=MemoryAppSendersStore(),
        parameters=MemoryParameterStore(),
    )
