"""The public keys that Microsoft Entra signs tokens with: fetched when first needed, kept, and fetched anew when they
are old or a token names one that is not among them. That is asked for rarely, whatever tokens come in: otherwise
anybody could make this app flood the key server."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

FRESH_SECONDS = 12 * 3600.0  # then they are fetched anew
LONGEST_SECONDS = 3 * 24 * 3600.0  # that old ones are used where no new ones can be had
UNKNOWN_KEY_SECONDS = 60.0  # between two fetches
NO_KEYS_SECONDS = 10.0  # the same, while there are none at all
FETCH_SECONDS = 5.0
MOST_OCTETS = 262_144
SHORTEST_KEY = 2_048  # bits

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives what stands at an address. Raises whatever it wants, which means that it cannot be had."""

logger = logging.getLogger(__name__)


class NoKeys(Exception):
    """No key can be had now: nobody can be signed in."""


async def fetched(address: str) -> bytes:
    import httpx  # 0.1 s: only who signs in with it waits for it

    async with httpx.AsyncClient(timeout=FETCH_SECONDS) as client, client.stream("GET", address) as answer:
        answer.raise_for_status()
        octets = b""
        async for piece in answer.aiter_bytes():
            octets += piece
            if len(octets) > MOST_OCTETS:
                raise ValueError("the keys are too long")
        return octets


class SigningKeys:
    def __init__(self, address: str, fetch: Fetch = fetched, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched_at = 0.0
        self._asked_at: float | None = None
        self._one_asker = asyncio.Lock()

    async def key(self, kid: str) -> Any | None:
        """The key of that name, or None where there is none. Raises NoKeys."""
        if not self._keys or self._age() >= FRESH_SECONDS:
            await self._renew()
        if kid not in self._keys:
            await self._renew()
        if not self._keys or self._age() >= LONGEST_SECONDS:
            raise NoKeys
        return self._keys.get(kid)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _may_ask(self) -> bool:
        pause = UNKNOWN_KEY_SECONDS if self._keys else NO_KEYS_SECONDS
        return self._asked_at is None or self._clock() >= self._asked_at + pause

    async def _renew(self) -> None:
        """Whoever waits for the one that asks finds that it need not ask any more."""
        if not self._may_ask():
            return
        async with self._one_asker:
            if not self._may_ask():
                return
            try:
                self._keys = _keys_of(await asyncio.wait_for(self._fetch(self._address), 2 * FETCH_SECONDS))
                self._fetched_at = self._clock()
            except Exception as error:  # noqa: BLE001 - of the network, TLS, a proxy or the answer come errors of any kind
                logger.warning("the keys that tokens are signed with cannot be had: %s", type(error).__name__)
            self._asked_at = self._clock()


def _keys_of(octets: bytes) -> dict[str, Any]:
    """Those that sign with RS256. Raises ValueError where there is none: no answer of the real server."""
    found = {entry["kid"]: key for entry in json.loads(octets)["keys"] if (key := _key_of(entry)) is not None}
    if not found:
        raise ValueError("there is no key")
    return found


def _key_of(entry: dict[str, Any]) -> Any | None:
    from jwt import PyJWK, PyJWTError

    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
        return None
    try:
        key = PyJWK({name: entry[name] for name in ("kty", "n", "e")}, algorithm="RS256").key
    except (PyJWTError, KeyError, ValueError):
        return None
    return key if key.key_size >= SHORTEST_KEY else None
