"""Idempotency keys: the same request sent twice is one email (the rules of facts/peers: kept 24 hours; the same key and
body are answered as the first time, the same key with another body is refused).

A key's row names the email that its first request made. Whether that request came to its end is not a state of the
row: it did if the email is there.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

KEPT = timedelta(hours=24)
IN_FLIGHT = timedelta(minutes=10)  # a first request that took longer than host.json's functionTimeout died
LONGEST_KEY = 256  # characters


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key (as a hash: it may be anything) as used by one request. `etag` is None for one that is not stored."""

    key: str
    body: str
    email_id: str
    at: datetime
    etag: str | None = None

    def is_over(self, now: datetime) -> bool:
        return now - self.at >= KEPT

    def may_be_in_flight(self, now: datetime) -> bool:
        return now - self.at < IN_FLIGHT


class IdempotencyStore(Protocol):
    async def claim(self, use: KeyUse) -> KeyUse | None:
        """Stores the use of a key, or returns the use that stands already."""

    async def take_over(self, standing: KeyUse, use: KeyUse) -> None:
        """Puts `use` in the place of a use that is over. Raises LostRace where somebody else did first."""

    async def release(self, use: KeyUse) -> None:
        """Forgets a use whose request failed before it stored anything. One that took its place stays."""

    async def purge(self, before: datetime, until: datetime) -> int:
        """Forgets uses older than `before`, for as long as `until`. Returns how many."""


def hashed(*octets: bytes) -> str:
    digest = hashlib.sha256()
    for piece in octets:
        digest.update(piece)
    return digest.hexdigest()
