"""Who a user is, asked at each accept and each sign-in, and read at most once in some seconds."""

from collections.abc import Callable
from datetime import datetime, timedelta

from email_core.users import KnownUser, User, UserStore, is_user_id, user_key

CACHED_FOR = timedelta(seconds=5)
MOST_CACHED = 10_000  # users


class KnownUsers:
    """A change by another instance counts after some seconds. Raises StorageUnavailable."""

    def __init__(self, store: UserStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._cached: dict[str, tuple[KnownUser | None, datetime]] = {}

    async def find(self, user_id: str) -> KnownUser | None:
        """One user, disabled or not."""
        if not is_user_id(user_id):
            return None
        known, read_at = self._cached.get(user_key(user_id), (None, None))
        if read_at is not None and timedelta(0) <= self._clock() - read_at < CACHED_FOR:
            return known
        found = await self._store.get(user_id)
        if len(self._cached) >= MOST_CACHED:
            self._cached.clear()
        self._cached[user_key(user_id)] = found, self._clock()
        return found

    async def person(self, user_id: str) -> User | None:
        """The same, for a sign-in."""
        known = await self.find(user_id)
        return known.user if known is not None else None

    def keep(self, known: KnownUser) -> KnownUser:
        self._cached[user_key(known.user.id)] = known, self._clock()
        return known

    def forget(self, user_id: str) -> None:
        self._cached.pop(user_key(user_id), None)

    def forget_all(self) -> None:
        self._cached.clear()
