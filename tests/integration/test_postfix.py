"""The SMTP provider at a real Postfix that asks Dovecot who may sign in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import pytest
import trustme

from email_core.content import InlineContent
from email_core.providers.base import Outcome, OutcomeKind, RecipientVerdict, Submission
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.providers.smtp.authentication import NO_AUTHENTICATION
from tests.support.dovecot import PASSWORDS, running_sign_in
from tests.support.eventually import eventually
from tests.support.inbox import Inbox, running_inbox
from tests.support.postfix import RECIPIENT_LIMIT, SIZE_LIMIT, Postfix, running_postfix
from tests.support.smtp_server import secrets

MIME = b"From: ann@contoso.com\r\nSubject: Dots\r\n\r\n.\r\n..two\r\n" + b"x" * 900 + b"\r\n.\r\nend\r\n"
SUBMISSION = Submission(
    sender="ann@contoso.com", recipients=("bob@example.com",), message_id="<1@contoso.com>", content=InlineContent(MIME)
)
ACCEPTED, REFUSED, WAITS = RecipientVerdict.ACCEPTED, RecipientVerdict.REFUSED, RecipientVerdict.LATER


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with running_inbox() as one:
        yield one


@pytest.fixture(scope="module")
def postfix(authority: trustme.CA, inbox: Inbox) -> Iterator[Postfix]:
    with running_sign_in() as socket, running_postfix(authority, socket, inbox.port) as server:
        yield server


@pytest.fixture
def encrypted(authority: trustme.CA) -> dict[str, Any]:
    return {"security": "starttls", "certificate_authority": authority.cert_pem.bytes().decode()}


def provider(port: int, password: str = PASSWORDS["ann"], **settings: Any) -> AbstractContextManager[SmtpProvider]:
    """Ann's, without encryption unless `settings` say so."""
    values = {"security": "none", "authentication": "password", "user_name": "ann", "local_hostname": "app.test"}
    smtp = SmtpSettings(server="127.0.0.1", port=port, **values | settings)
    return closing(SmtpProvider(smtp, secrets(smtp_password=password)))


async def submit(port: int, submission: Submission = SUBMISSION, **settings: Any) -> Outcome:
    with provider(port, **settings) as one:
        return await one.submit(submission)


def _body(mime: bytes) -> bytes:
    return mime.partition(b"\r\n\r\n")[2]


def to(*recipients: str) -> Submission:
    return replace(SUBMISSION, recipients=recipients)


async def test_email_arrives_octet_for_octet_with_its_blind_recipient_in_the_envelope_alone(postfix, inbox, encrypted):
    outcome = await submit(postfix.starttls, to("cc1@example.com", "blind@example.com"), **encrypted)
    assert (outcome.kind, outcome.code) == (OutcomeKind.DELIVERED, 250)
    eventually(lambda: [one for one in inbox.emails if "blind@example.com" in one.recipients], "the email")
    arrived = inbox.one_to("blind@example.com")
    assert arrived.sender == "ann@contoso.com"
    assert _body(arrived.content) == _body(MIME)
    assert b"blind@" not in arrived.content


@pytest.mark.parametrize(
    ("port", "security", "method"),
    [("starttls", "starttls", "PLAIN"), ("tls", "tls", "PLAIN"), ("login", "starttls", "LOGIN")],
)
async def test_rehearsal_tells_how_it_signed_in_and_with_whom_it_spoke(postfix, encrypted, port, security, method):
    with provider(getattr(postfix, port), **encrypted | {"security": security}) as one:
        rehearsal = await one.rehearse(SUBMISSION)
    details = {step.name: step.detail for step in rehearsal.steps if step.succeeded}
    assert list(details) == ["resolve", "connect", "tls", "ehlo", "auth", "mail", "rcpt", "data"]
    assert details["auth"] == f"{method}: 235 2.7.0 Authentication successful"
    assert details["tls"].startswith("TLSv1.3, certificate of 127.0.0.1, valid until ")


async def test_password_does_not_go_in_clear_text_where_a_digest_is_taken(postfix):
    with provider(postfix.clear) as one:
        rehearsal = await one.rehearse(SUBMISSION)
    assert rehearsal.outcome.kind is OutcomeKind.DELIVERED
    assert [step.detail for step in rehearsal.steps if step.name == "auth"] == [
        "CRAM-MD5: 235 2.7.0 Authentication successful"
    ]


@pytest.mark.parametrize("port", ["starttls", "login"])
async def test_wrong_password_is_a_matter_of_configuration(postfix, encrypted, port):
    outcome = await submit(getattr(postfix, port), password="wrong", **encrypted)
    assert (outcome.kind, outcome.stage, outcome.code) == (OutcomeKind.CONFIGURATION, "auth", 535)


async def test_user_name_where_postfix_offers_no_sign_in_is_a_matter_of_configuration(postfix):
    outcome = await submit(postfix.plain)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.CONFIGURATION, NO_AUTHENTICATION)


async def test_encryption_that_postfix_demands_and_the_parameters_leave_out_is_no_fault_of_the_email(postfix):
    outcome = await submit(postfix.starttls, authentication="none", user_name="")
    assert outcome.reply == "530 5.7.0 Must issue a STARTTLS command first"
    assert outcome.kind is OutcomeKind.CONFIGURATION


async def test_certificate_that_nobody_vouches_for_is_a_matter_of_configuration(postfix):
    outcome = await submit(postfix.starttls, security="starttls")
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "tls")


async def test_too_large_an_email_is_refused_before_it_is_sent(postfix, encrypted):
    large = replace(SUBMISSION, content=InlineContent(MIME + b"x" * SIZE_LIMIT))
    outcome = await submit(postfix.starttls, large, **encrypted)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.PERMANENT, "mail")
    assert f"{SIZE_LIMIT} octets" in outcome.reply


# who gets it, what Postfix says to that -> what it means
@pytest.mark.parametrize(
    ("recipient", "reply", "kind", "verdict"),
    [
        ("full@example.com", "550 5.2.2", OutcomeKind.TRANSIENT, WAITS),
        ("unknown@example.com", "550 5.1.1", OutcomeKind.PERMANENT, REFUSED),
        ("eve@single-label", "504 5.5.2", OutcomeKind.PERMANENT, REFUSED),
        ("grey@example.com", "450 4.2.0", OutcomeKind.TRANSIENT, WAITS),
    ],
)
async def test_recipient_that_postfix_refuses(postfix, encrypted, recipient, reply, kind, verdict):
    outcome = await submit(postfix.starttls, to(recipient), **encrypted)
    assert (outcome.kind, outcome.recipients[recipient].verdict) == (kind, verdict)
    assert outcome.reply.startswith(reply)
    both = await submit(postfix.starttls, to("bob@example.com", recipient), **encrypted)
    assert both.kind is OutcomeKind.PARTLY_DELIVERED
    assert [both.recipients[one].verdict for one in ("bob@example.com", recipient)] == [ACCEPTED, verdict]


async def test_sender_that_is_not_the_account_s_is_a_matter_of_configuration(postfix, encrypted):
    outcome = await submit(postfix.starttls, replace(SUBMISSION, sender="boss@contoso.com"), **encrypted)
    assert outcome.reply.startswith("553 5.7.1")
    assert outcome.kind is OutcomeKind.CONFIGURATION


async def test_postfix_that_closes_the_connection_is_transient_and_the_next_email_is_sent(postfix, encrypted):
    with provider(postfix.starttls, **encrypted) as one:
        closed = await one.submit(to("bob@example.com", "closing@example.com"))
        sent = await one.submit(SUBMISSION)
    assert (closed.kind, sent.kind) == (OutcomeKind.TRANSIENT, OutcomeKind.DELIVERED)


async def test_more_recipients_than_postfix_takes_each_get_it_once(postfix, inbox, encrypted):
    recipients = [f"many{number}@example.com" for number in range(2 * RECIPIENT_LIMIT + 2)]
    outcome = await submit(postfix.starttls, to(*recipients), **encrypted)
    assert (outcome.kind, outcome.recipients) == (OutcomeKind.DELIVERED, {})

    def arrived() -> list[str]:
        return sorted(one for email in inbox.emails for one in email.recipients if one.startswith("many"))

    eventually(lambda: len(arrived()) >= len(recipients), "all copies")
    assert arrived() == sorted(recipients)


async def test_connection_is_kept_over_many_emails(postfix, encrypted):
    with provider(postfix.starttls, max_connections=1, **encrypted) as one:
        replies = [(await one.submit(SUBMISSION)).kind for _ in range(20)]
        assert replies == [OutcomeKind.DELIVERED] * 20
        (kept,) = one._pool._kept.idle
        assert kept.messages == 20
