"""A name server on loopback, over UDP, for dnspython's own resolver.

    async with name_server({("contoso.com", "MX"): ["10 mail.contoso.com."]}) as resolver:
        await resolver.mail_servers("contoso.com")

A name of which nothing is said does not exist; one of which another kind is said has no such record.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from email_core.doctor.resolver import DnsResolver

Zone = Mapping[tuple[str, str], Sequence[str]]
REFUSED = "refuse every question"


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone | str) -> None:
        self._zone = zone

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        self._transport.sendto(self._answer(dns.message.from_wire(data)).to_wire(), address)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self._zone == REFUSED:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        if not any(known == name for known, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif records := self._zone.get((name, kind)):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        return response


@asynccontextmanager
async def name_server(zone: Zone | str) -> AsyncIterator[DnsResolver]:
    """A resolver that asks this server and no other."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(zone), local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield DnsResolver(resolver)
    finally:
        transport.close()
