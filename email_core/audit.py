"""The audit: who changed what of the configuration, who read whose mail, and when.

What is done stands in the audit before it is done: nothing happens that is not recorded. What then did not happen,
because somebody else was first, is taken out again; what nobody knows to have happened stays.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from email_core.caller import Caller
from email_core.email_id import inverted_time
from email_core.errors import EmailSubsystemError, SecretUnreadable, StorageUnavailable

MOST_AT_ONCE = 100  # events of one deed: they are written together or not at all


class Action(StrEnum):
    PARAMETER_CHANGED = "parameter changed"
    SECRET_SET = "secret set"  # noqa: S105 - the name of a deed
    DISTRIBUTOR_CHANGED = "distributor changed"
    USER_CREATED = "user created"
    USER_CHANGED = "user changed"
    USER_DELETED = "user deleted"
    USERS_IMPORTED = "users imported"
    USER_IMPORTED = "user imported"
    OPTIONS_CHANGED = "options changed"
    APP_CHANGED = "app changed"
    CONTENT_READ = "content read"
    EMAIL_CANCELED = "email canceled"
    EMAIL_RESENT = "email resent"
    EMAIL_MARKED_SENT = "email marked as sent"


@dataclass(frozen=True, slots=True)
class Change:
    """What is done: to what (a parameter's name, a user's id, an email's id), and from what to what, in words. Never a
    secret, and nothing of an email's content."""

    action: Action
    subject: str
    before: str | None = field(default=None, repr=False)
    after: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`id` sorts newest first. `by` is the caller's id, `name` what that one is called."""

    id: str
    at: datetime
    by: str
    name: str = field(repr=False)
    change: Change


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`next` continues after this page, or is None where nothing is left."""

    items: tuple[AuditEvent, ...]
    next: str | None


class AuditStore(Protocol):
    """All methods raise StorageUnavailable."""

    async def insert(self, events: Sequence[AuditEvent]) -> None:
        """All of them or none; they are of the same day."""

    async def withdraw(self, events: Sequence[AuditEvent]) -> None: ...

    async def page(self, limit: int, after: str | None) -> AuditPage:
        """Newest first, after the event of that id."""

    async def purge(self, before: datetime, until: datetime) -> int:
        """Deletes whole days before then, as many as there is time for. Returns how many events."""


class AuditLog:
    def __init__(self, store: AuditStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def records(self, caller: Caller, *changes: Change) -> AsyncIterator[None]:
        """Around a deed. Raises StorageUnavailable, and the deed is not done, where it cannot be recorded."""
        events = self._events(caller, changes)
        for start in range(0, len(events), MOST_AT_ONCE):
            await self._store.insert(events[start : start + MOST_AT_ONCE])
        try:
            yield
        except (StorageUnavailable, SecretUnreadable):
            raise  # nobody knows whether it was done
        except EmailSubsystemError:
            await self._store.withdraw(events)
            raise

    async def record(self, caller: Caller, change: Change) -> None:
        """Before a deed that cannot fail halfway, such as reading."""
        await self._store.insert(self._events(caller, (change,)))

    async def page(self, limit: int, after: str | None = None) -> AuditPage:
        return await self._store.page(limit, after)

    async def purge(self, older_than: timedelta, until: datetime) -> int:
        return await self._store.purge(self._clock() - older_than, until)

    def _events(self, caller: Caller, changes: Sequence[Change]) -> list[AuditEvent]:
        now = self._clock()
        return [AuditEvent(_new_id(now, place), now, caller.id, caller.name, one) for place, one in enumerate(changes)]


def _new_id(now: datetime, place: int) -> str:
    """Those of one deed keep their order."""
    return f"{inverted_time(now)}-{place:04d}-{secrets.token_hex(4)}"
