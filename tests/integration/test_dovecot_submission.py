"""The SMTP provider signs in by token: msal asks a token endpoint, and a real Dovecot asks whose the token is."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import trustme

from email_core.content import InlineContent
from email_core.providers.base import Outcome, OutcomeKind, Submission
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.providers.smtp.settings import OAuthSettings
from tests.support.dovecot import TOKEN, running_sign_in, running_submission
from tests.support.eventually import eventually
from tests.support.inbox import Inbox, running_inbox
from tests.support.postfix import running_postfix
from tests.support.smtp_server import secrets
from tests.support.token_endpoint import running_token_endpoint

SECRET = "of the app registration"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with running_inbox() as one:
        yield one


@pytest.fixture(scope="module")
def dovecot(authority: trustme.CA, inbox: Inbox) -> Iterator[int]:
    """Its port. Behind it stands a Postfix that asks for no sign-in."""
    with (
        running_sign_in() as socket,
        running_postfix(authority, socket, inbox.port) as postfix,
        running_submission(authority, postfix.plain) as port,
    ):
        yield port


@pytest.fixture(autouse=True)
def trusted(authority: trustme.CA, tmp_path, monkeypatch) -> str:
    """By msal as well, which finds it in the environment."""
    pem = authority.cert_pem.bytes()
    (tmp_path / "authority.pem").write_bytes(pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return pem.decode()


def submission(recipient: str) -> Submission:
    content = InlineContent(b"From: ann@contoso.com\r\nSubject: By token\r\n\r\n.\r\nend\r\n")
    return Submission(sender="ann@contoso.com", recipients=(recipient,), message_id="<1@x>", content=content)


async def submit(port: int, endpoint: Any, trusted: str, *, recipient: str, secret: str = SECRET) -> Outcome:
    oauth = OAuthSettings(
        tenant_id="contoso.com",
        client_id="4711",
        credential="secret",
        authority=endpoint.authority,
        scope="https://outlook.office365.com/.default",
    )
    settings = SmtpSettings(
        server="127.0.0.1",
        port=port,
        security="starttls",
        authentication="oauth",
        user_name="ann@contoso.com",
        oauth=oauth,
        certificate_authority=trusted,
        local_hostname="app.test",
    )
    with closing(SmtpProvider(settings, secrets(smtp_client_secret=secret))) as one:
        return await one.submit(submission(recipient))


async def test_email_of_a_mailbox_that_signed_in_by_token_arrives(dovecot, authority, inbox, trusted):
    with running_token_endpoint(authority, TOKEN, SECRET) as endpoint:
        outcome = await submit(dovecot, endpoint, trusted, recipient="bob@example.com")
    assert outcome.kind is OutcomeKind.DELIVERED
    assert [form["scope"] for form in endpoint.asked] == [["https://outlook.office365.com/.default"]]
    eventually(lambda: inbox.emails, "the email")
    assert inbox.one_to("bob@example.com").sender == "ann@contoso.com"


async def test_token_that_is_not_taken_is_a_matter_of_configuration(dovecot, authority, inbox, trusted):
    with running_token_endpoint(authority, "of-somebody-else", SECRET) as endpoint:
        outcome = await submit(dovecot, endpoint, trusted, recipient="eve@example.com")
    assert (outcome.kind, outcome.stage, outcome.code) == (OutcomeKind.CONFIGURATION, "auth", 535)


async def test_secret_that_the_token_endpoint_refuses_is_a_matter_of_configuration(dovecot, authority, trusted):
    with running_token_endpoint(authority, TOKEN, SECRET) as endpoint:
        outcome = await submit(dovecot, endpoint, trusted, recipient="eve@example.com", secret="old")
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "credential")
    assert "AADSTS7000215" in outcome.reply
