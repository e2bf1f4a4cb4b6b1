"""What is asked of the DNS, and dnspython's way to ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.resolver

SECONDS = 5.0  # for one question, all name servers and repetitions together


class DnsUnavailable(Exception):
    """No name server gave an answer that says yes or no."""


class Resolver(Protocol):
    """Records are none where the name has none of their kind. All raise DnsUnavailable."""

    async def exists(self, name: str) -> bool: ...

    async def texts(self, name: str) -> tuple[str, ...]: ...

    async def mail_servers(self, name: str) -> tuple[str, ...]: ...


class DnsResolver:
    """Over a resolver of dnspython: without one, that of this machine's configuration."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver

    async def exists(self, name: str) -> bool:
        """A name without a record of this kind is one too (RFC 2308)."""
        return await self._asked(name, "MX") is not None

    async def texts(self, name: str) -> tuple[str, ...]:
        """A record is one or several strings that belong together (RFC 7208, 3.3)."""
        answer = await self._asked(name, "TXT") or []
        texts = (record for record in answer if isinstance(record, dns.rdtypes.ANY.TXT.TXT))
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in texts)

    async def mail_servers(self, name: str) -> tuple[str, ...]:
        answer = await self._asked(name, "MX") or []
        servers = (record for record in answer if isinstance(record, dns.rdtypes.ANY.MX.MX))
        return tuple(str(one.exchange).rstrip(".") for one in sorted(servers, key=lambda one: one.preference))

    async def _asked(self, name: str, kind: str) -> list[object] | None:
        """None where there is no such name."""
        with _translated():
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            try:
                return list(await self._resolver.resolve(name, kind, lifetime=SECONDS, search=False))
            except dns.resolver.NXDOMAIN:
                return None
            except dns.resolver.NoAnswer:
                return []


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors end here."""
    try:
        yield
    except (dns.exception.DNSException, OSError) as error:
        raise DnsUnavailable(type(error).__name__) from error
