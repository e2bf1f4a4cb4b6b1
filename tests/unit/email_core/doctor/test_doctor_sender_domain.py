"""What the DNS of a sender's domain should say, and what is made of what it says."""

import pytest

from email_core.doctor.finding import Verdict
from email_core.doctor.resolver import DnsUnavailable
from email_core.doctor.sender_domain import domain_checks
from email_core.providers.sender_dns import EXCHANGE_ONLINE, GMAIL, UNKNOWN
from tests.fakes.dns import name_server

OK, WARNING, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.SKIPPED
OUTLOOK = "spf.protection.outlook.com"
KEY = "v=DKIM1; k=rsa; p=MIIB"


class FakeResolver:
    """`texts`: records by name. `fails`: a name that no server answers for. `is_there`: whether the domain exists."""

    def __init__(self, texts=None, mail_servers=(), fails=None, is_there=True) -> None:
        self._is_there = is_there
        self._texts = {name: (one,) if isinstance(one, str) else one for name, one in (texts or {}).items()}
        self._mail_servers = mail_servers
        self._fails = fails
        self.asked = []

    async def exists(self, name):
        self.asked.append(name)
        if self._fails and name.endswith(self._fails):
            raise DnsUnavailable("LifetimeTimeout")
        return self._is_there

    async def texts(self, name):
        self.asked.append(name)
        if self._fails and name.endswith(self._fails):
            raise DnsUnavailable("LifetimeTimeout")
        return self._texts.get(name, ())

    async def mail_servers(self, name):
        self.asked.append(name)
        if self._fails and name.endswith(self._fails):
            raise DnsUnavailable("LifetimeTimeout")
        return self._mail_servers


async def all_found(resolver, domain="contoso.com", service=EXCHANGE_ONLINE):
    found = [await check for check in domain_checks(resolver, domain, service)]
    return [finding for some in found for finding in (some if isinstance(some, list) else [some])]


async def found(what, resolver, domain="contoso.com", service=EXCHANGE_ONLINE):
    findings = await all_found(resolver, domain, service)
    return next(finding for finding in findings if finding.what == what)


async def test_domain_that_does_not_exist_is_told_once():
    (finding,) = await all_found(FakeResolver(is_there=False))
    assert finding.verdict is WARNING
    assert finding.detail == "the domain does not exist in this DNS"


@pytest.mark.parametrize(("servers", "verdict"), [(("mx.contoso.com",), OK), ((), WARNING), (("",), WARNING)])
async def test_domain_should_take_answers_and_bounces(servers, verdict):
    assert (await found("MX", FakeResolver(mail_servers=servers))).verdict is verdict


SPF = [
    ("none", (), WARNING),
    ("other texts", ("google-site-verification=1", "v=spf10 -all"), WARNING),
    ("the service's", f"v=spf1 include:{OUTLOOK} -all", OK),
    ("in any case, with a qualifier", f"V=SPF1 ?include:{OUTLOOK.upper()} ~all", OK),
    ("without the service's", "v=spf1 ip4:203.0.113.7 -all", WARNING),
    ("by an include", "v=spf1 include:spf.contoso.net -all", OK),
    ("by a redirect", "v=spf1 redirect=spf.contoso.net", OK),
    ("by an include that leads nowhere", "v=spf1 include:nobody.contoso.net -all", WARNING),
    ("by a macro that nobody can follow", "v=spf1 include:%{i}.contoso.net -all", WARNING),
    ("an include of itself", "v=spf1 include:contoso.com -all", WARNING),
    ("two", (f"v=spf1 include:{OUTLOOK} -all", "v=spf1 -all"), WARNING),
]


@pytest.mark.parametrize(("records", "verdict"), [row[1:] for row in SPF], ids=[row[0] for row in SPF])
async def test_spf_should_lead_to_the_mail_service(records, verdict):
    resolver = FakeResolver({"contoso.com": records, "spf.contoso.net": f"v=spf1 include:{OUTLOOK} -all"})
    finding = await found("SPF", resolver)
    assert finding.verdict is verdict
    assert (f"include:{OUTLOOK}" in finding.fix) == (verdict is WARNING)


async def test_spf_is_followed_through_ten_records_and_no_further():
    chain = {f"{number}.contoso.com": f"v=spf1 include:{number + 1}.contoso.com -all" for number in range(1, 50)}
    resolver = FakeResolver({"contoso.com": "v=spf1 include:1.contoso.com -all", **chain})
    assert (await found("SPF", resolver)).verdict is WARNING
    assert len([name for name in resolver.asked if name[0].isdigit()]) == 10


async def test_spf_of_a_service_that_nobody_knows_only_has_to_be_there():
    assert (await found("SPF", FakeResolver({"contoso.com": "v=spf1 mx -all"}), service=UNKNOWN)).verdict is OK


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        ({}, WARNING),
        ({"selector1._domainkey.contoso.com": KEY}, OK),
        ({"selector2._domainkey.contoso.com": KEY}, OK),
        ({"selector1._domainkey.contoso.com": "k=rsa; p=MIIB"}, OK),
        ({"selector1._domainkey.contoso.com": "v=DKIM1; p="}, WARNING),
        ({"google._domainkey.contoso.com": KEY}, WARNING),
    ],
)
async def test_one_of_the_service_s_selectors_should_have_a_key(texts, verdict):
    assert (await found("DKIM", FakeResolver(texts))).verdict is verdict


async def test_dkim_of_a_service_that_nobody_knows_is_left_alone():
    assert (await found("DKIM", FakeResolver(), service=UNKNOWN)).verdict is SKIPPED


@pytest.mark.parametrize(
    ("texts", "verdict", "detail"),
    [
        ({}, WARNING, "mail.contoso.com has no DMARC record"),
        ({"_dmarc.mail.contoso.com": "v=DMARC1; p=reject"}, OK, "policy reject, from mail.contoso.com"),
        ({"_dmarc.contoso.com": "v=DMARC1;p=quarantine"}, OK, "policy quarantine, from contoso.com"),
        ({"_dmarc.contoso.com": "v=DMARC1; p=reject; sp=none"}, OK, "policy none, from contoso.com"),
        ({"_dmarc.com": "v=DMARC1; p=reject"}, WARNING, "mail.contoso.com has no DMARC record"),
        (
            {"_dmarc.mail.contoso.com": ("v=DMARC1; p=none", "v=DMARC1; p=reject")},
            WARNING,
            "mail.contoso.com has 2 DMARC records: none of them counts",
        ),
    ],
)
async def test_dmarc_is_the_domain_s_own_or_one_s_above_it(texts, verdict, detail):
    finding = await found("DMARC", FakeResolver(texts), "mail.contoso.com")
    assert (finding.verdict, finding.detail) == (verdict, detail)


async def test_dns_that_does_not_answer_is_no_failure():
    resolver = FakeResolver(fails="contoso.com")
    findings = await all_found(resolver)
    assert [(finding.what, finding.verdict) for finding in findings] == [
        (what, SKIPPED) for what in ("MX", "SPF", "DKIM", "DMARC")
    ]
    assert "LifetimeTimeout" in findings[0].detail


@pytest.mark.parametrize(
    ("domain", "service"),
    [
        ("localhost", EXCHANGE_ONLINE),
        ("mail.test", EXCHANGE_ONLINE),
        ("relay.local", UNKNOWN),
        ("contoso.onmicrosoft.com", EXCHANGE_ONLINE),
        ("gmail.com", GMAIL),
    ],
)
async def test_domain_that_nobody_here_can_mend_is_not_asked_about(domain, service):
    resolver = FakeResolver()
    assert [finding.verdict for finding in await all_found(resolver, domain, service)] == [SKIPPED]
    assert resolver.asked == []


async def test_all_of_it_holds_with_a_real_resolver():
    zone = {
        ("contoso.com", "MX"): ["10 contoso-com.mail.protection.outlook.com."],
        ("contoso.com", "TXT"): [f'"v=spf1 include:{OUTLOOK} -all"'],
        ("selector1._domainkey.contoso.com", "TXT"): [f'"{KEY}"'],
        ("_dmarc.contoso.com", "TXT"): ['"v=DMARC1; p=reject"'],
    }
    async with name_server(zone) as resolver:
        findings = await all_found(resolver)
    assert [finding.verdict for finding in findings] == [OK] * 4
