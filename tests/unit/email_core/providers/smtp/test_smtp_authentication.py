"""How the provider signs in: one method, one try, and what a refusal means."""

import base64
from contextlib import AbstractContextManager
from typing import Any

import pytest

from email_core.diagnosis import diagnose
from email_core.errors import SecretFault, SecretUnreadable
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.entra import UNREACHABLE, Tokens
from email_core.providers.smtp import SmtpProvider
from email_core.providers.smtp.authentication import NO_AUTHENTICATION, without_credential
from email_core.providers.smtp.connection import NotConnected
from email_core.providers.smtp.settings import OAuthSettings
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from tests.support.smtp_server import PASSWORD, SUBMISSION, SmtpServer, provider, secrets, smtp_server

AUTH = {"authentication": "password", "user_name": "ann@contoso.com"}
RIGHT = secrets(smtp_password=PASSWORD)
WRONG = secrets(smtp_password="wrong")


class RotatedSecrets(MemorySecrets):
    """The first value is an old one until it is refreshed."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.value = "old"

    async def get(self, name: SecretName) -> str:
        return self.value

    def refresh(self, name: SecretName) -> None:
        self.value = PASSWORD


class NoSecrets(MemorySecrets):
    def __init__(self, reason: SecretFault) -> None:
        self.reason = reason

    async def get(self, name: SecretName) -> str:
        raise SecretUnreadable(name, self.reason, "Enter it again.")


async def submit(server: SmtpServer, store: MemorySecrets, **settings: Any) -> Outcome:
    with provider(server, store, **AUTH | settings) as one:
        return await one.submit(SUBMISSION)


# what the server offers -> what the provider chooses in clear text; with TLS it is the password's own method
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("PLAIN", "PLAIN"), ("LOGIN", "LOGIN"), ("LOGIN PLAIN", "PLAIN"), ("XOAUTH2 LOGIN", "LOGIN")],
)
async def test_password_is_given_by_the_best_method_that_the_server_offers(offered, chosen):
    async with smtp_server(extensions=(f"AUTH {offered}",)) as server:
        assert (await submit(server, RIGHT)).kind is OutcomeKind.DELIVERED
    assert [command.split()[1] for command in server.commands if command.startswith("AUTH")] == [chosen]


async def test_password_is_not_said_in_clear_text_where_the_server_offers_better():
    async with smtp_server({"auth": "535 5.7.8 no"}, ("AUTH PLAIN LOGIN CRAM-MD5",)) as server:
        await submit(server, RIGHT)
    assert server.commands[1] == "AUTH CRAM-MD5"


async def test_wrong_password_is_tried_once_and_by_one_method():
    async with smtp_server(extensions=("AUTH PLAIN LOGIN",)) as server:
        outcome = await submit(server, WRONG)
    assert (outcome.kind, outcome.stage, outcome.code) == (OutcomeKind.CONFIGURATION, "auth", 535)
    assert outcome.reply == "535 5.7.8 …"  # its words are the password
    assert server.steps == ["EHLO", "AUTH"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("535 5.7.3 Authentication unsuccessful", OutcomeKind.CONFIGURATION),
        ("535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox", OutcomeKind.CONFIGURATION),
        ("599 no words for it", OutcomeKind.CONFIGURATION),
        ("454 4.7.0 Temporary authentication failure", OutcomeKind.TRANSIENT),
        ("421 4.3.2 closing", OutcomeKind.TRANSIENT),
    ],
)
async def test_refused_sign_in_means(reply, kind):
    async with smtp_server({"auth": reply}, ("AUTH PLAIN",)) as server:
        outcome = await submit(server, RIGHT)
    assert (outcome.kind, outcome.stage, outcome.reply) == (kind, "auth", reply)


PASSED = "S3cret-Passw0rd!"
PLAIN = base64.b64encode(f"\0ann@contoso.com\0{PASSED}".encode()).decode()
LOGIN = base64.b64encode(PASSED.encode()).decode()


# what the server says to AUTH -> what is handed out
@pytest.mark.parametrize(
    ("method", "reply", "told"),
    [
        (
            "PLAIN",
            f'500 5.5.1 Command unrecognized: "AUTH PLAIN {PLAIN}"',
            '500 5.5.1 Command unrecognized: "AUTH PLAIN …"',
        ),
        ("PLAIN", f"500 5.5.1 AUTH PLAIN {PLAIN[:40]}...", "500 5.5.1 AUTH PLAIN …..."),
        ("PLAIN", f"500 5.5.1 (auth plain {PLAIN.lower()})", "500 5.5.1 (auth plain …)"),
        ("PLAIN", f"535 5.7.8 {PASSED} is wrong", "535 5.7.8 … is wrong"),
        ("LOGIN", f"535-5.7.8 no:\r\n535 5.7.8 {LOGIN}", "535 5.7.8 no: 5.7.8 …"),
        (
            "PLAIN",
            f"AUTH PLAIN {PLAIN}",
            "no connection to the server: SMTPResponseException: "
            "(-1, 'Malformed SMTP response line: AUTH PLAIN …\\r\\n')",
        ),
        ("PLAIN", f"235 2.7.0 {PLAIN} is welcome", "PLAIN: 235 2.7.0 … is welcome"),
    ],
)
async def test_credential_that_the_server_repeats_is_handed_out_to_nobody(method, reply, told):
    async with smtp_server({"auth": reply}, (f"AUTH {method}",)) as server:
        with provider(server, secrets(smtp_password=PASSED), **AUTH) as one:
            rehearsal = await one.rehearse(None)
    assert rehearsal.steps[-1].detail == told
    assert rehearsal.outcome is None or rehearsal.outcome.reply == told


def test_token_that_the_server_repeats_is_handed_out_to_nobody():
    sent = base64.b64encode(b"user=ann@contoso.com\x01auth=Bearer eyJ0.e30.sig\x01\x01").decode()
    told = without_credential(f"500 what? AUTH XOAUTH2 {sent} (eyJ0.e30.sig)", "ann@contoso.com", "eyJ0.e30.sig")
    assert told == "500 what? AUTH XOAUTH2 … (…)"


async def test_refusal_carries_no_error_that_has_the_credential():
    async with smtp_server({"auth": f"500 {PLAIN}"}, ("AUTH PLAIN",)) as server:
        with provider(server, secrets(smtp_password=PASSED), **AUTH) as one, pytest.raises(NotConnected) as raised:
            await one._connector.open()
    links = [raised.value, raised.value.__cause__, raised.value.__cause__.__cause__]
    assert links[-1] is None
    assert not any(PLAIN in repr(link) for link in links)


async def test_user_name_where_the_server_offers_no_sign_in_before_encryption_is_told_to_encrypt():
    async with smtp_server(extensions=("STARTTLS",)) as server:
        outcome = await submit(server, RIGHT)
    found = diagnose(provider="smtp", stage=outcome.stage, reply=outcome.reply)
    assert (outcome.kind, found.id) == (OutcomeKind.CONFIGURATION, "smtp-encryption-required")
    assert found.fix.startswith("Set `smtp_security` to starttls")


async def test_user_name_where_the_server_offers_no_sign_in_is_a_matter_of_configuration():
    async with smtp_server() as server:
        outcome = await submit(server, RIGHT)
    assert (outcome.kind, outcome.stage, outcome.reply) == (OutcomeKind.CONFIGURATION, "auth", NO_AUTHENTICATION)
    assert server.steps == ["EHLO"]


async def test_server_that_offers_only_other_methods_is_a_matter_of_configuration():
    async with smtp_server(extensions=("AUTH GSSAPI NTLM",)) as server:
        outcome = await submit(server, RIGHT)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "auth")
    assert "GSSAPI, NTLM" in outcome.reply
    assert server.steps == ["EHLO"]


async def test_rotated_password_is_read_again_and_tried_once_more():
    async with smtp_server(extensions=("AUTH PLAIN",)) as server:
        assert (await submit(server, RotatedSecrets())).kind is OutcomeKind.DELIVERED
    assert server.steps.count("AUTH") == 2
    assert server.connections == 2


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (SecretFault.MISSING, OutcomeKind.CONFIGURATION),
        (SecretFault.FORBIDDEN, OutcomeKind.CONFIGURATION),
        (SecretFault.UNREACHABLE, OutcomeKind.TRANSIENT),
    ],
)
async def test_unreadable_password_means(reason, kind):
    async with smtp_server(extensions=("AUTH PLAIN",)) as server:
        outcome = await submit(server, NoSecrets(reason))
    assert (outcome.kind, outcome.stage) == (kind, "credential")
    assert "smtp-password" in outcome.reply
    assert "AUTH" not in server.steps


async def test_password_is_in_no_repr_and_no_outcome():
    store = secrets(smtp_password="Tr0ub4dor")
    async with smtp_server(extensions=("AUTH PLAIN",)) as server:
        with provider(server, store, **AUTH) as one:
            outcome = await one.submit(SUBMISSION)
    assert "Tr0ub4dor" not in repr((one, one.__dict__, outcome, outcome.reply))


# ---- tokens

OAUTH = OAuthSettings(
    tenant_id="contoso.onmicrosoft.com",
    client_id="4711",
    credential="secret",
    authority="https://login.microsoftonline.com",
    scope="https://outlook.office365.com/.default",
)


async def test_mailbox_signs_in_by_token(monkeypatch):
    monkeypatch.setattr(Tokens, "_ask", lambda self, credential: {"access_token": PASSWORD, "expires_in": 3600})
    async with smtp_server(extensions=("AUTH LOGIN XOAUTH2",)) as server:
        with signing_in_by_token(server) as one:
            assert (await one.submit(SUBMISSION)).kind is OutcomeKind.DELIVERED
    given = base64.b64decode(server.commands[1].split()[2])
    assert given == b"user=ann@contoso.com\x01auth=Bearer right\x01\x01"


async def test_refused_token_is_tried_once_and_the_next_one_is_new(monkeypatch):
    given = iter(["old", PASSWORD])
    monkeypatch.setattr(Tokens, "_ask", lambda self, credential: {"access_token": next(given), "expires_in": 3600})
    async with smtp_server(extensions=("AUTH XOAUTH2",)) as server:
        with signing_in_by_token(server) as one:
            outcome = await one.submit(SUBMISSION)
            assert (outcome.kind, outcome.code) == (OutcomeKind.CONFIGURATION, 535)
            assert server.steps == ["EHLO", "AUTH"]
            one._pool.forget_failure()
            assert (await one.submit(SUBMISSION)).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(
    ("error", "kind"), [("invalid_client", OutcomeKind.CONFIGURATION), (UNREACHABLE, OutcomeKind.TRANSIENT)]
)
async def test_token_that_cannot_be_had_ends_the_sign_in_without_a_try(monkeypatch, error, kind):
    monkeypatch.setattr(Tokens, "_ask", lambda self, credential: {"error": error})
    async with smtp_server(extensions=("AUTH XOAUTH2",)) as server:
        with signing_in_by_token(server) as one:
            outcome = await one.submit(SUBMISSION)
    assert (outcome.kind, outcome.stage, server.steps) == (kind, "credential", ["EHLO"])


async def test_signing_in_anew_asks_for_a_token_again_though_there_was_none(monkeypatch):
    answers = [{"error": "invalid_client"}, {"access_token": PASSWORD, "expires_in": 3600}]
    monkeypatch.setattr(Tokens, "_ask", lambda self, credential: answers.pop(0))
    async with smtp_server(extensions=("AUTH XOAUTH2",)) as server:
        with signing_in_by_token(server) as one:
            assert (await one.submit(SUBMISSION)).kind is OutcomeKind.CONFIGURATION
            one.sign_in_anew()
            assert (await one.submit(SUBMISSION)).kind is OutcomeKind.DELIVERED


async def test_server_that_takes_no_tokens_is_a_matter_of_configuration():
    async with smtp_server(extensions=("AUTH PLAIN LOGIN",)) as server:
        with signing_in_by_token(server) as one:
            outcome = await one.submit(SUBMISSION)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "auth")
    assert "XOAUTH2" in outcome.reply
    assert server.steps == ["EHLO"]


def signing_in_by_token(server: SmtpServer) -> AbstractContextManager[SmtpProvider]:
    settings = {"authentication": "oauth", "user_name": "ann@contoso.com", "oauth": OAUTH}
    return provider(server, secrets(smtp_client_secret="s3cret"), **settings)
