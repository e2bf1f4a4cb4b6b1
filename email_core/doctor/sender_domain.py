"""Hints on the DNS of a domain that mail is sent from: without these, receivers refuse mail or take it for spam.

MX: RFC 5321, 5.1, and RFC 7505; SPF: RFC 7208; DKIM: RFC 6376; DMARC: RFC 7489. Nothing here is a failure: the mail
is sent all the same, and where the DNS cannot be asked nobody knows.
"""

import asyncio
from collections.abc import Awaitable

from email_core.doctor.finding import Finding, bounded, ok, skipped, told, warning
from email_core.doctor.resolver import DnsUnavailable, Resolver
from email_core.providers.sender_dns import SenderDns

SECONDS = 25.0
MOST_SPF_RECORDS = 10  # that one record may lead to (RFC 7208, 4.6.4)
_PRIVATE = ("local", "localhost", "test", "invalid", "example", "internal", "lan", "corp", "home.arpa")


def domain_checks(resolver: Resolver, domain: str, service: SenderDns) -> list[Awaitable[Finding | list[Finding]]]:
    """`service` is the mail service that mail of this domain goes through."""
    if "." not in domain or domain.endswith(tuple(f".{one}" for one in _PRIVATE)):
        return [told(skipped(domain, "a name of a private network: the DNS does not know it"))]
    if service.owns(domain):
        return [told(skipped(domain, "its DNS is the mail service's own"))]
    return [bounded(domain, _hints(resolver, domain, service), 4 * SECONDS)]


async def _hints(resolver: Resolver, domain: str, service: SenderDns) -> list[Finding]:
    if not await _may_exist(resolver, domain):
        fix = (
            "Receivers refuse mail from it, and answers are lost: correct the sender's address, or register the domain."
        )
        return [warning(domain, "the domain does not exist in this DNS", fix)]
    hints = (
        _hint("MX", _mx(resolver, domain)),
        _hint("SPF", _spf(resolver, domain, service.spf_include)),
        _hint("DKIM", _dkim(resolver, domain, service.dkim_selectors)),
        _hint("DMARC", _dmarc(resolver, domain)),
    )
    return list(await asyncio.gather(*hints))


async def _may_exist(resolver: Resolver, domain: str) -> bool:
    """Where the DNS does not answer, each hint says so."""
    try:
        async with asyncio.timeout(SECONDS):
            return await resolver.exists(domain)
    except (DnsUnavailable, TimeoutError):
        return True


async def _hint(what: str, check: Awaitable[Finding]) -> Finding:
    async def found() -> Finding:
        try:
            async with asyncio.timeout(SECONDS):
                return await check
        except (DnsUnavailable, TimeoutError) as error:
            return skipped(what, f"the DNS does not answer here ({error or 'time-out'})", "Look from another network.")

    return await bounded(what, found(), 2 * SECONDS)


async def _mx(resolver: Resolver, domain: str) -> Finding:
    servers = await resolver.mail_servers(domain)
    if not any(servers):  # one of no name means that no mail is taken
        return warning("MX", f"{domain} takes no mail", "Answers and bounces are lost: give the domain an MX record.")
    return ok("MX", ", ".join(servers))


async def _spf(resolver: Resolver, domain: str, wanted: str) -> Finding:
    records = _spf_records(await resolver.texts(domain))
    mend = f"TXT record of {domain}: v=spf1 include:{wanted or 'YOUR-MAIL-SERVICE'} -all"
    if not records:
        return warning("SPF", f"{domain} has no SPF record", mend)
    if len(records) > 1:
        return warning("SPF", f"{domain} has {len(records)} SPF records: none of them counts", f"Keep one. {mend}")
    if wanted and not await _leads_to(resolver, records[0], wanted):
        return warning("SPF", f"does not include {wanted}: {records[0]}", f"Add include:{wanted} to the record.")
    return ok("SPF", records[0])


async def _leads_to(resolver: Resolver, record: str, wanted: str) -> bool:
    """Whether the record, or one that it includes or redirects to, has the wanted name."""
    waiting, seen = _led_to(record), set[str]()
    while waiting and len(seen) < MOST_SPF_RECORDS:
        name = waiting.pop(0)
        if name == wanted:
            return True
        if name not in seen:
            seen.add(name)
            for included in _spf_records(await resolver.texts(name)):
                waiting += _led_to(included)
    return False


def _led_to(record: str) -> list[str]:
    names = []
    for term in record.lower().split():
        kind, _, name = term.lstrip("+-~?").replace("=", ":", 1).partition(":")
        if kind in ("include", "redirect") and "%" not in name:  # a macro is the sender's, whom nobody knows here
            names.append(name.rstrip("."))
    return names


def _spf_records(texts: tuple[str, ...]) -> list[str]:
    return [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]


async def _dkim(resolver: Resolver, domain: str, selectors: tuple[str, ...]) -> Finding:
    if not selectors:
        return skipped("DKIM", "the selectors of this mail service are not known")
    found = await asyncio.gather(*(_has_key(resolver, f"{selector}._domainkey.{domain}") for selector in selectors))
    with_key = [selector for selector, has_key in zip(selectors, found, strict=True) if has_key]
    if with_key:
        return ok("DKIM", f"key of {', '.join(with_key)}")
    return warning(
        "DKIM",
        f"no key under {', '.join(f'{selector}._domainkey.{domain}' for selector in selectors)}",
        "Switch DKIM on for the domain at the mail service, and enter the records that it shows.",
    )


async def _has_key(resolver: Resolver, name: str) -> bool:
    """An empty `p` is a key that was withdrawn."""
    return any(_tags(text).get("p") for text in await resolver.texts(name))


async def _dmarc(resolver: Resolver, domain: str) -> Finding:
    """Of the domain, or else of one above it, which holds for it as well (`sp` before `p`)."""
    labels = domain.split(".")
    for above in range(len(labels) - 1):
        name = ".".join(labels[above:])
        records = [text for text in await resolver.texts(f"_dmarc.{name}") if text.upper().startswith("V=DMARC1")]
        if len(records) == 1:
            return _policy(name, _tags(records[0]), is_own=above == 0)
        if records:
            return warning("DMARC", f"{name} has {len(records)} DMARC records: none of them counts", "Keep one.")
    return warning(
        "DMARC",
        f"{domain} has no DMARC record",
        f"TXT record of _dmarc.{domain}: v=DMARC1; p=none to begin with; many receivers want one from large senders.",
    )


def _policy(name: str, tags: dict[str, str], *, is_own: bool) -> Finding:
    policy = tags.get("p", "none") if is_own else tags.get("sp") or tags.get("p", "none")
    return ok("DMARC", f"policy {policy}, from {name}")


def _tags(text: str) -> dict[str, str]:
    """`v=DMARC1; p=none` (RFC 6376, 3.2)."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}
