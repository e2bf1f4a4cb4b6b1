"""TLS with the SMTP server: whom the provider trusts, and what it never says in clear text."""

import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.smtp import connection
from tests.support.smtp_server import SUBMISSION, SmtpServer, provider, smtp_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    return tls_of(authority.issue_cert("127.0.0.1"))


def serving(security: str, context: ssl.SSLContext) -> dict[str, ssl.SSLContext]:
    return {"none": {}, "starttls": {"tls": context}, "tls": {"implicit_tls": context}}[security]


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def submit(server: SmtpServer, security: str, **settings: Any) -> Outcome:
    with provider(server, security=security, **settings) as one:
        return await one.submit(SUBMISSION)


async def test_starttls_is_used_before_anything_is_said(server_tls, trusted):
    async with smtp_server(tls=server_tls) as server:
        assert (await submit(server, "starttls", certificate_authority=trusted)).kind is OutcomeKind.DELIVERED
    assert server.steps == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "RCPT", "DATA"]


async def test_what_is_said_in_clear_text_behind_starttls_offers_nothing(server_tls, trusted):
    """Whoever is in between may say it (RFC 3207, 4.2)."""
    forged = "220 go on\r\n250-forged\r\n250 SIZE 1"
    async with smtp_server({"starttls": forged}, tls=server_tls) as server:
        assert (await submit(server, "starttls", certificate_authority=trusted)).kind is OutcomeKind.DELIVERED


async def test_implicit_tls_delivers(server_tls, trusted):
    async with smtp_server(implicit_tls=server_tls) as server:
        assert (await submit(server, "tls", certificate_authority=trusted)).kind is OutcomeKind.DELIVERED


async def test_server_without_starttls_is_a_matter_of_configuration_and_gets_no_mail(trusted):
    async with smtp_server() as server:
        outcome = await submit(server, "starttls", certificate_authority=trusted)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")
    assert server.steps == ["EHLO"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_certificate_that_nobody_vouches_for_is_a_matter_of_configuration(security, server_tls):
    async with smtp_server(**serving(security, server_tls)) as server:
        outcome = await submit(server, security)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")
    assert "certificate" in outcome.reply
    assert server.contents == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_certificate_of_another_name_is_a_matter_of_configuration(security, authority, trusted):
    elsewhere = tls_of(authority.issue_cert("mail.example.com"))
    async with smtp_server(**serving(security, elsewhere)) as server:
        outcome = await submit(server, security, certificate_authority=trusted)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")
    assert server.contents == []


async def test_expired_certificate_is_a_matter_of_configuration(authority, trusted):
    expired = tls_of(authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC)))
    async with smtp_server(tls=expired) as server:
        outcome = await submit(server, "starttls", certificate_authority=trusted)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")
    assert "expired" in outcome.reply


async def test_server_that_speaks_no_tls_is_a_matter_of_configuration():
    async with smtp_server() as server:
        outcome = await submit(server, "tls")
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_unchecked_certificate_delivers_on_a_private_address(security, server_tls):
    async with smtp_server(**serving(security, server_tls)) as server:
        assert (await submit(server, security, verify_certificate=False)).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(
    ("security", "settings"),
    [
        ("starttls", {"verify_certificate": False}),
        ("tls", {"verify_certificate": False}),
        ("none", {"authentication": "password", "user_name": "ann"}),
    ],
)
async def test_public_address_gets_nothing_without_a_checked_certificate(security, settings, server_tls, monkeypatch):
    monkeypatch.setattr(connection, "is_private", lambda address: address != "127.0.0.1")  # as if it were public
    async with smtp_server(**serving(security, server_tls)) as server:
        outcome = await submit(server, security, **settings)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")
    assert server.commands == []


async def test_broken_off_handshake_is_transient():
    async with smtp_server(extensions=("STARTTLS",)) as server:
        outcome = await submit(server, "starttls")
    assert (outcome.kind, outcome.stage) == (OutcomeKind.TRANSIENT, "tls")
