"""The Exchange provider against the stand-in of Exchange Web Services, through exchangelib itself."""

import asyncio
import logging
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from exchangelib.protocol import Protocol

from email_core.content import InlineContent
from email_core.diagnosis import diagnose
from email_core.errors import StorageUnavailable
from email_core.providers.base import OutcomeKind, Proof
from email_core.providers.exchange import provider as provider_module
from email_core.providers.exchange.provider import MOST_OCTETS
from email_core.record import Mode
from email_core.secret_store.base import SecretName
from tests.fakes.ews import AFTER, BEFORE, HANG, PASSWORD, TOKEN, _response, busy, refusal
from tests.fakes.https import Response
from tests.support.azurite import ROOT
from tests.support.ews import ews_server, exchange_provider
from tests.support.graph import MIME, SUBMISSION
from tests.support.shared_tools import needs_checker

KINDS = OutcomeKind


async def submit(server, submission=SUBMISSION, **parameters):
    async with exchange_provider(server, **parameters) as provider:
        return await provider.submit(submission)


@needs_checker("check_ews_xml")
def test_checker_of_exchange_s_schema_is_here():
    """Where it is not, what goes over the wire in these tests is not checked by it."""


async def test_message_is_sent_as_it_is_with_its_bcc_and_message_id():
    async with ews_server() as server:
        outcome = await submit(server)
    (sent,) = server.sent
    assert (outcome.kind, outcome.stage) == (KINDS.DELIVERED, "request")
    assert (sent.mime, sent.bcc, sent.message_id, sent.kept) == (MIME, ("eve@example.com",), "<1@contoso.com>", True)


async def test_one_request_sends_an_email():
    async with ews_server() as server:
        await submit(server)
    assert server.operations == ["CreateItem"]


async def test_mail_need_not_be_kept():
    async with ews_server() as server:
        await submit(server, exchange_save_to_sent_items=False)
    assert not server.sent[0].kept


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ("2010_sp2", "Exchange2010_SP2"),
        ("2013", "Exchange2013"),
        ("2013_sp1", "Exchange2013_SP1"),
        ("2016", "Exchange2016"),
        ("2019", "Exchange2016"),
    ],
)
async def test_server_is_spoken_to_in_its_own_version(version, spoken):
    async with ews_server() as server:
        outcome = await submit(server, exchange_version=version)
    assert (outcome.kind, server.versions) == (KINDS.DELIVERED, [spoken])


@pytest.mark.parametrize(
    ("mode", "mailbox"), [(Mode.BATCH, "batch@contoso.com"), (Mode.INTERACTIVE, "ann@contoso.com")]
)
async def test_account_acts_for_the_batch_mailbox_or_the_user_s_own(mode, mailbox):
    async with ews_server() as server:
        await submit(server, replace(SUBMISSION, mode=mode), exchange_batch_mailbox="batch@contoso.com")
    assert server.impersonated == [mailbox]


async def test_account_acts_for_the_own_mailbox_of_a_user_who_is_from_elsewhere():
    async with ews_server() as server:
        await submit(server, replace(SUBMISSION, mode=Mode.INTERACTIVE, mailbox="own@contoso.com"))
    assert server.impersonated == ["own@contoso.com"]


async def test_account_with_full_access_impersonates_nobody():
    async with ews_server() as server:
        await submit(server, exchange_impersonation=False)
    assert (len(server.sent), server.impersonated) == (1, [])


# ---- signing in


@pytest.fixture
def ntlm_users(tmp_path, monkeypatch):
    """Whom the stand-in knows, as its NTLM library wants it."""
    (tmp_path / "users").write_text(f"CONTOSO:service:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))


async def test_account_signs_in_by_ntlm(ntlm_users):
    async with ews_server(authentication="ntlm") as server:
        outcome = await submit(server, exchange_authentication="ntlm")
    assert (outcome.kind, len(server.sent)) == (KINDS.DELIVERED, 1)


async def test_wrong_password_is_refused_by_ntlm(ntlm_users):
    async with ews_server(authentication="ntlm") as server:
        outcome = await submit(server, exchange_authentication="ntlm", password="wrong")
    assert (outcome.kind, outcome.stage) == (KINDS.CONFIGURATION, "auth")


class GivenTokens:
    """Tokens as Entra would give them."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def token(self, *, instead_of: str | None = None) -> str:
        if instead_of is not None and len(self.tokens) > 1:
            self.tokens.pop(0)
        return self.tokens[0]


OAUTH = {
    "exchange_authentication": "oauth",
    "exchange_tenant_id": "contoso.com",
    "exchange_client_id": "1",
    "exchange_token_scope": "https://mail.contoso.com/.default",
}


async def test_account_signs_in_by_token_which_is_renewed_where_it_is_refused():
    async with ews_server(authentication="oauth") as server:
        outcome = await submit(server, tokens=GivenTokens("too-old", TOKEN), **OAUTH)
    assert (outcome.kind, len(server.sent)) == (KINDS.DELIVERED, 1)


async def test_connections_of_an_old_token_are_not_kept():
    def kept():
        return [key for key in Protocol._protocol_cache if key[0] == server.address]

    async with ews_server(authentication="oauth") as server:
        tokens = GivenTokens("too-old", TOKEN)
        async with exchange_provider(server, tokens=tokens, **OAUTH) as provider:
            for _ in range(3):
                assert (await provider.submit(SUBMISSION)).kind is KINDS.DELIVERED
            assert len(kept()) == 1
    assert server._http.connections == 2  # one for each token


async def test_wrong_password_is_tried_once_and_pauses_the_provider():
    async with ews_server() as server:
        outcome = await submit(server, password="wrong")
    assert (outcome.kind, outcome.stage, server.sent) == (KINDS.CONFIGURATION, "auth", [])
    assert server._http.connections == 1


async def test_password_that_was_changed_meanwhile_is_tried_at_once():
    async with ews_server() as server, exchange_provider(server, password="old") as provider:

        def refresh(name):
            provider._secrets._kept[name] = (PASSWORD, None)

        provider._secrets.refresh = refresh
        assert (await provider.submit(SUBMISSION)).kind is KINDS.DELIVERED


async def test_password_that_is_missing_is_told_with_its_fix():
    async with ews_server() as server:
        outcome = await submit(server, password=None)
    assert (outcome.kind, outcome.stage, server.operations) == (KINDS.CONFIGURATION, "credential", [])
    assert f"PUT /api/secrets/{SecretName.EXCHANGE_PASSWORD}" in outcome.reply


# ---- what goes wrong

XML = {"content-type": "text/xml"}
TAKEN = _response("CreateItem", "<m:Items/>").body
BOMB = TAKEN.replace(b"NoError", b"&b;").replace(
    b"?>", b'?><!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>', 1
)
ERRORS = [  # answer, kind
    (refusal("ErrorSendAsDenied"), KINDS.CONFIGURATION),
    (refusal("ErrorImpersonateUserDenied"), KINDS.CONFIGURATION),
    (refusal("ErrorNonExistentMailbox"), KINDS.CONFIGURATION),
    (refusal("ErrorInvalidRecipients"), KINDS.PERMANENT),
    (refusal("ErrorMessageSizeExceeded"), KINDS.PERMANENT),
    (refusal("ErrorInternalServerTransientError"), KINDS.TRANSIENT),
    (refusal("ErrorMailboxStoreUnavailable"), KINDS.TRANSIENT),
    (refusal("ErrorQuotaExceeded"), KINDS.TRANSIENT),
    (Response(503), KINDS.TRANSIENT),
    (Response(413, b"too large"), KINDS.PERMANENT),
    (Response(502, b"Bad Gateway"), KINDS.UNCONFIRMED),
    (Response(504, b"Gateway Timeout"), KINDS.UNCONFIRMED),
    (Response(504, b"Gateway Timeout", {"connection": "close"}), KINDS.UNCONFIRMED),
    (Response(502, b"", {"X-CasErrorCode": "CAS error: x"}), KINDS.UNCONFIRMED),
    (Response(200, b"", XML), KINDS.UNCONFIRMED),  # it took the request, and nobody can read what it says
    (Response(200, b"<html>Sign in</html>", XML), KINDS.UNCONFIRMED),
    (Response(200, TAKEN[: len(TAKEN) // 2], XML), KINDS.UNCONFIRMED),
    (Response(200, TAKEN.replace(b"CreateItemResponseMessage", b"Nothing"), XML), KINDS.UNCONFIRMED),
    (Response(200, BOMB, XML), KINDS.UNCONFIRMED),
    (Response(500, b"<html>", {"connection": "close"}), KINDS.TRANSIENT),
    (Response(302, headers={"location": "https://example.com/EWS"}), KINDS.TRANSIENT),
    (Response(405, b"<html>"), KINDS.TRANSIENT),  # a proxy's, and none of the email's doing
    (BEFORE, KINDS.UNCONFIRMED),
    (AFTER, KINDS.UNCONFIRMED),
]


async def test_provider_in_another_one_s_place_has_connections_of_its_own():
    """With the same address and account, while the other still ends what it began."""
    async with ews_server() as server, exchange_provider(server, exchange_version="2013") as replaced:
        await replaced.submit(SUBMISSION)
        async with exchange_provider(server, exchange_version="2016") as provider:
            await provider.submit(SUBMISSION)
            replaced.close()
            await provider.submit(SUBMISSION)
    assert server.versions == ["Exchange2013", "Exchange2016", "Exchange2016"]


@pytest.mark.parametrize(("answer", "kind"), ERRORS)
async def test_answer_means(answer, kind):
    async with ews_server() as server:
        server.faults["CreateItem"] = [answer]
        outcome = await submit(server)
    assert (outcome.kind, server.operations) == (kind, ["CreateItem"])  # it never tries by itself


async def test_server_says_how_long_to_wait():
    async with ews_server() as server:
        server.faults["CreateItem"] = [busy(2500)]
        outcome = await submit(server)
    assert (outcome.kind, outcome.retry_after) == (KINDS.TRANSIENT, timedelta(seconds=2.5))
    assert "ErrorServerBusy" in outcome.reply


@pytest.mark.parametrize(("milliseconds", "seconds"), [(-5000, 1), (10**25, 86_400)])
async def test_wait_that_makes_no_sense_is_kept_within_reason(milliseconds, seconds):
    async with ews_server() as server:
        server.faults["CreateItem"] = [busy(milliseconds)]
        outcome = await submit(server)
    assert (outcome.kind, outcome.retry_after) == (KINDS.TRANSIENT, timedelta(seconds=seconds))


async def test_server_that_cannot_be_reached_sent_nothing():
    async with ews_server() as server:
        await server.stop()
        outcome = await submit(server)
    assert (outcome.kind, outcome.stage) == (KINDS.TRANSIENT, "connect")
    assert re.match(r"nobody listens on (127\.0\.0\.1|localhost):\d+: ", outcome.reply)


async def test_certificate_that_is_not_trusted_is_a_matter_of_configuration():
    async with ews_server() as server:
        outcome = await submit(server, exchange_certificate_authority="")
    assert (outcome.kind, outcome.stage, server.sent) == (KINDS.CONFIGURATION, "tls", [])


async def test_external_user_is_refused_without_asking_the_server():
    async with ews_server() as server:
        outcome = await submit(server, exchange_domains="fabrikam.com, example.com")
        assert (outcome.kind, server.operations) == (KINDS.PERMANENT, [])
        assert "external user" in outcome.reply
        assert (await submit(server, exchange_domains="fabrikam.com, Contoso.com")).kind is KINDS.DELIVERED


async def test_message_that_no_request_can_carry_is_refused_at_once():
    class Huge(InlineContent):
        size = MOST_OCTETS + 1

    async with ews_server() as server:
        outcome = await submit(server, replace(SUBMISSION, content=Huge(b"")))
    assert (outcome.kind, server.operations) == (KINDS.PERMANENT, [])


async def test_no_message_is_logged_whatever_fails(caplog):
    with caplog.at_level(logging.DEBUG):
        async with ews_server() as server:
            server.faults["CreateItem"] = [Response(200, b"<no"), refusal("ErrorSendAsDenied")]
            async with exchange_provider(server) as provider:
                for _ in range(2):
                    await provider.submit(SUBMISSION)
    assert not any(word in caplog.text for word in ("bob@", "eve@", "TWVzc2FnZS", PASSWORD))


# ---- proof


async def test_sent_items_prove_that_it_was_sent():
    async with ews_server() as server, exchange_provider(server) as provider:
        server.faults["CreateItem"] = [AFTER]
        assert (await provider.submit(SUBMISSION)).kind is KINDS.UNCONFIRMED
        assert await provider.was_sent(SUBMISSION) is Proof.SENT


@pytest.mark.parametrize(
    ("fault", "parameters", "proof"),
    [
        (None, {}, Proof.NONE),
        (None, {"exchange_save_to_sent_items": False}, Proof.NONE),
        (refusal("ErrorAccessDenied"), {}, Proof.NONE),
        (busy(1000), {}, Proof.LATER),
        (AFTER, {}, Proof.LATER),
    ],
)
async def test_proof_where_it_was_not_sent(fault, parameters, proof):
    async with ews_server() as server, exchange_provider(server, **parameters) as provider:
        server.faults["FindItem"] = [fault] if fault else []
        assert await provider.was_sent(SUBMISSION) is proof


async def test_rehearsal_sends_and_tells_each_step():
    async with ews_server() as server, exchange_provider(server) as provider:
        rehearsal = await provider.rehearse(SUBMISSION)
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("credential", True), ("request", True)]
    assert len(server.sent) == 1


async def test_rehearsal_without_a_password_ends_there():
    async with ews_server() as server, exchange_provider(server, password=None) as provider:
        rehearsal = await provider.rehearse(None)
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("credential", False)]
    assert rehearsal.outcome.kind is KINDS.CONFIGURATION


async def test_threads_send_side_by_side():
    async with ews_server() as server, exchange_provider(server) as provider:
        outcomes = await asyncio.gather(*(provider.submit(SUBMISSION) for _ in range(6)))
    assert [outcome.kind for outcome in outcomes] == [KINDS.DELIVERED] * 6


def test_exchangelib_is_imported_only_when_it_is_used():
    source = "import sys, email_core.assembly, email_core.providers.exchange; sys.exit('exchangelib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], cwd=ROOT).returncode == 0


# ---- a server that never comes to an end


async def test_server_that_never_comes_to_an_end_holds_its_own_threads_and_no_email(monkeypatch):
    monkeypatch.setattr(provider_module, "CALL_SECONDS", 0.3)
    async with ews_server() as server, exchange_provider(server, exchange_mailbox_concurrency=1) as provider:
        server.faults["CreateItem"] = [HANG]
        in_its_thread, without_one = [await provider.submit(SUBMISSION) for _ in range(2)]
        proof = await provider.was_sent(SUBMISSION)
    assert (in_its_thread.kind, without_one.kind, proof) == (KINDS.UNCONFIRMED, KINDS.TRANSIENT, Proof.LATER)
    assert server.operations == ["CreateItem"]


async def test_slot_is_kept_while_a_large_email_is_on_its_way(monkeypatch):
    monkeypatch.setattr(provider_module, "STILL_IN_USE_EVERY", 0.01)
    said = asyncio.Event()

    async def still_in_use():
        said.set()
        raise StorageUnavailable("test")

    async with provider_module._kept(still_in_use):
        await asyncio.wait_for(said.wait(), 5)


@pytest.mark.parametrize(("minutes", "proof"), [(-4, Proof.SENT), (4, Proof.SENT), (6, Proof.NONE)])
async def test_email_sent_before_this_one_was_handed_over_proves_nothing(minutes, proof):
    async with ews_server() as server, exchange_provider(server) as provider:
        await provider.submit(SUBMISSION)
        since = server.sent[0].at + timedelta(minutes=minutes)
        assert await provider.was_sent(replace(SUBMISSION, since=since)) is proof


SIGN_IN = b'<html><form action="/owa/auth.owa"><input name="password" TYPE=password></form></html>'
HTML = {"content-type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (Response(200, SIGN_IN, HTML), KINDS.CONFIGURATION),  # no server behind it has heard of the email
        (Response(200, b"<html>The request was rejected.</html>", HTML), KINDS.UNCONFIRMED),
        (Response(200, SIGN_IN + b"<s:Envelope>", HTML), KINDS.UNCONFIRMED),
        (Response(200, SIGN_IN, {"content-type": "text/xml"}), KINDS.UNCONFIRMED),
    ],
)
async def test_sign_in_page_in_front_of_the_server_leaves_no_doubt(page, kind):
    async with ews_server() as server:
        server.faults["CreateItem"] = [page]
        outcome = await submit(server)
    found = diagnose(provider="exchange", stage=outcome.stage, code=outcome.code, reply=outcome.reply)
    assert (outcome.kind, found.id == "exchange-sign-in-page") == (kind, kind is KINDS.CONFIGURATION)
