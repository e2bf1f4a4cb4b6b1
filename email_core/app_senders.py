"""As whom an app may send: kept for each client id that is limited, and asked for with each call of that app."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from email_core.errors import UnknownApp

CACHED_FOR = timedelta(seconds=5)
MOST_CACHED = 1_000  # apps


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSendersRow:
    """`senders` are addresses and `@domains`, in lower case, each once; none of them: it may send as nobody. `name` is
    what administrators call the app."""

    client_id: str
    senders: tuple[str, ...]
    name: str = ""

    @property
    def in_words(self) -> str:
        """For the audit."""
        return f"may send as {', '.join(self.senders) or 'nobody'}"


class AppSendersStore(Protocol):
    """All methods raise StorageUnavailable."""

    async def get(self, client_id: str) -> AppSendersRow | None: ...

    async def put(self, row: AppSendersRow) -> None: ...

    async def delete(self, client_id: str) -> None:
        """Harmless where there is none."""

    async def all(self) -> list[AppSendersRow]:
        """By client id."""


class AllowedSenders:
    """Rows as a process sees them: what an administrator changes counts everywhere `CACHED_FOR` later."""

    def __init__(self, store: AppSendersStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._cached: dict[str, tuple[frozenset[str] | None, datetime]] = {}

    async def of(self, client_id: str) -> frozenset[str] | None:
        """None = any: the app is not limited. Raises StorageUnavailable, as nobody knows then."""
        now = self._clock()
        senders, read_at = self._cached.get(client_id, (None, None))
        if read_at is not None and timedelta(0) <= now - read_at < CACHED_FOR:
            return senders
        row = await self._store.get(client_id)
        if len(self._cached) >= MOST_CACHED:
            self._cached.clear()
        self._cached[client_id] = (None if row is None else frozenset(row.senders)), now
        return self._cached[client_id][0]


async def limits_of(store: AppSendersStore, client_id: str) -> AppSendersRow:
    """As they are kept at this moment. Raises UnknownApp where the app is not limited."""
    row = await store.get(client_id)
    if row is None:
        raise UnknownApp(client_id)
    return row
