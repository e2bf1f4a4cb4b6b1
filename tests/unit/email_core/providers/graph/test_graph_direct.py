"""The Graph provider against the stand-in: small mail, in one request."""

import asyncio
import base64
import logging
import re
import ssl
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from email_core.content import InlineContent
from email_core.message import Address, Attachment, Importance, Message
from email_core.mime import build_mime
from email_core.provider_pause import is_refusal
from email_core.providers.base import OutcomeKind, Proof
from email_core.providers.graph.client import MOST_ANSWER, Trace
from email_core.providers.graph.json_message import json_message
from email_core.providers.graph.outcome import Refused
from email_core.providers.graph.sent_item import is_the_sent_one
from email_core.record import Mode
from email_core.stores.memory import MemoryMailboxStore
from tests.fakes.graph import AFTER, BEFORE, HANG, SEND, fault, throttled
from tests.fakes.https import Response
from tests.support.emails import NOON
from tests.support.graph import MIME, SUBMISSION, graph_provider, graph_server
from tests.support.shared_tools import needs_checker

KINDS = OutcomeKind


async def submit(server, submission=SUBMISSION, **parameters):
    async with graph_provider(server, **parameters) as provider:
        return await provider.submit(submission)


@needs_checker("check_graph_json")
def test_checker_of_graph_s_metadata_is_here():
    """Where it is not, what goes over the wire in these tests is not checked by it."""


async def test_message_is_delivered_as_mime_with_its_bcc():
    async with graph_server() as server:
        outcome = await submit(server)
    (sent,) = server.sent
    assert (outcome.kind, outcome.code, outcome.stage) == (KINDS.DELIVERED, 202, "request")
    assert sent.mime == b"Bcc: eve@example.com\r\n" + MIME
    assert sent.recipients == {"bob@example.com", "eve@example.com"}


async def test_both_ids_of_the_call_are_traced():
    async with graph_server() as server:
        outcome = await submit(server)
    client_id = server.requests[-1].headers["client-request-id"]
    assert outcome.trace == f"sendMail {client_id}/r{len(server.requests)}"


async def test_each_call_has_an_id_of_its_own():
    async with graph_server() as server, graph_provider(server) as provider:
        for _ in range(2):
            await provider.submit(SUBMISSION)
    ids = [one.headers["client-request-id"] for one in server.requests if "authorization" in one.headers]
    assert len(set(ids)) == 2


async def test_connection_and_token_are_used_again():
    async with graph_server() as server, graph_provider(server) as provider:
        for _ in range(3):
            await provider.submit(SUBMISSION)
    assert (server.calls("token"), server.calls("sendMail")) == (1, 3)
    assert server.connections == 2  # the login server's and Graph's


ANSWERS = [  # answer, kind, seconds to wait
    (fault(200, body={}), KINDS.TRANSIENT, None),
    (fault(201, body={}), KINDS.TRANSIENT, None),
    (fault(403, "ErrorAccessDenied", "Access is denied."), KINDS.CONFIGURATION, None),
    (fault(403, "ErrorSendAsDenied", "no right to send as"), KINDS.CONFIGURATION, None),
    (fault(404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported"), KINDS.CONFIGURATION, None),
    (fault(404, "ResourceNotFound", "Resource could not be discovered."), KINDS.CONFIGURATION, None),
    (fault(404, "ErrorInvalidUser", "The requested user is invalid."), KINDS.CONFIGURATION, None),
    (fault(400, "ErrorInvalidRecipients", "At least one recipient is not valid."), KINDS.PERMANENT, None),
    (fault(413, "ErrorMessageSizeExceeded", "too large"), KINDS.PERMANENT, None),
    (fault(400, "ErrorMimeContentInvalidBase64String", "Invalid base64"), KINDS.PERMANENT, None),
    (fault(400, "BadRequest", "nobody knows this one"), KINDS.PERMANENT, None),
    (Response(400, b"<html>Bad Request</html>"), KINDS.TRANSIENT, None),  # a proxy's, not Graph's
    (Response(405), KINDS.TRANSIENT, None),
    (Response(307, headers={"location": "https://example.com/"}), KINDS.TRANSIENT, None),
    (fault(403, "ErrorAccountSuspend", "Account suspended."), KINDS.TRANSIENT, 3600.0),  # it may be released
    (fault(500, "ErrorInternalServerTransientError", "try later"), KINDS.TRANSIENT, None),
    (fault(503, "ErrorServerBusy", "busy"), KINDS.TRANSIENT, None),
    (fault(503, "ErrorServerBusy", "busy", retry_after="7"), KINDS.TRANSIENT, 7.0),
    (fault(503, body="not json"), KINDS.TRANSIENT, None),
    (fault(509, "ErrorMailboxMoveInProgress", "moving"), KINDS.TRANSIENT, None),
    (throttled("RequestRate", "2.128"), KINDS.TRANSIENT, 2.128),
    (throttled("RequestRate", format_datetime(NOON + timedelta(seconds=90), usegmt=True)), KINDS.TRANSIENT, 90.0),
    (throttled("RequestRate", format_datetime(NOON - timedelta(days=1), usegmt=True)), KINDS.TRANSIENT, 1.0),
    (throttled("RequestRate"), KINDS.TRANSIENT, None),
    (throttled("RequestRate", "soon"), KINDS.TRANSIENT, None),
    (throttled("RequestRate", "nan"), KINDS.TRANSIENT, None),
    (throttled("RequestRate", "-5"), KINDS.TRANSIENT, 1.0),
    (throttled("RequestRate", "9" * 30), KINDS.TRANSIENT, 86400.0),
    (throttled("RequestRate", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"), KINDS.TRANSIENT, None),
    (throttled("MailboxConcurrency", "1"), KINDS.TRANSIENT, 1.0),
    (fault(502, body="<html>Bad Gateway</html>"), KINDS.UNCONFIRMED, None),  # it may have been sent behind the gateway
    (fault(504, body=""), KINDS.UNCONFIRMED, None),
    (fault(504, "UnknownError", ""), KINDS.UNCONFIRMED, None),  # Graph's own gateway
    (fault(504, "ErrorTimeoutExpired", "the mailbox's server says so"), KINDS.TRANSIENT, None),
    (Response(202, b"[" * 100_000), KINDS.DELIVERED, None),
    (Response(400, b'{"error":' + b"[" * 60_000), KINDS.TRANSIENT, None),
    (BEFORE, KINDS.UNCONFIRMED, None),  # who can tell that it never came to an end there
    (AFTER, KINDS.UNCONFIRMED, None),
]


@pytest.mark.parametrize(("answer", "kind", "seconds"), ANSWERS)
async def test_answer_means(answer, kind, seconds):
    async with graph_server() as server:
        server.faults["sendMail"] = [answer]
        outcome = await submit(server)
    wait = outcome.retry_after and outcome.retry_after.total_seconds()
    assert (outcome.kind, wait) == (kind, seconds)


async def test_lost_answer_is_in_doubt_though_it_was_sent():
    async with graph_server() as server:
        server.faults["sendMail"] = [AFTER]
        outcome = await submit(server)
    assert (outcome.kind, len(server.sent)) == (KINDS.UNCONFIRMED, 1)


class BrokenOff(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"x"
        raise httpx.ReadError("broken off")


async def test_success_is_one_though_the_rest_of_the_answer_is_lost():
    async with graph_server() as server, graph_provider(server) as provider:
        transport = httpx.MockTransport(lambda request: httpx.Response(202, stream=BrokenOff()))
        provider._client._http = httpx.AsyncClient(transport=transport)
        assert (await provider.submit(SUBMISSION)).kind is KINDS.DELIVERED


async def test_no_more_of_an_answer_is_read_than_is_looked_at():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["sendMail"] = [Response(400, b"x" * 5_000_000)]
        answer = await provider._client.call(
            "sendMail", "POST", "/users/ann@contoso.com/sendMail", trace=Trace(), wanted={400}, content=b""
        )
    assert len(answer.body) == MOST_ANSWER


async def test_ids_of_any_length_can_be_stored():
    async with graph_server() as server:
        server.faults["sendMail"] = [Response(202, headers={"request-id": "r" * 30_000})]
        outcome = await submit(server)
    assert len(outcome.trace) < 200


async def test_cookies_of_one_mailbox_are_not_shown_for_another():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["sendMail"] = [Response(202, headers={"set-cookie": "session=1; Path=/"})]
        for _ in range(2):
            await provider.submit(SUBMISSION)
    assert "cookie" not in server.requests[-1].headers


async def test_no_log_names_a_mailbox(caplog):
    with caplog.at_level(logging.INFO):
        async with graph_server() as server:
            await submit(server)
    assert "ann@" not in caplog.text


async def test_no_span_names_a_mailbox():
    spans = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=tracers)
    try:
        async with graph_server() as server:
            await submit(server)
    finally:
        instrumentor.uninstrument()
    assert (len(server.sent), spans.get_finished_spans()) == (1, ())


async def test_slot_is_kept_before_each_request_of_an_attempt():
    told = []

    async def still_in_use():
        told.append(list(server.steps))

    async with graph_server() as server, graph_provider(server) as provider:
        await provider._client.sign_in()
        server.revoke_tokens()
        path = "/users/ann@contoso.com/sendMail"
        with pytest.raises(Refused):
            await provider._client.call(
                "sendMail", "POST", path, trace=Trace(still_in_use), wanted={200}, content=base64.b64encode(MIME)
            )
    assert [steps[-1] for steps in told] == ["token", "sendMail", "token"]  # before, at the 401, before


async def test_server_that_cannot_be_reached_sent_nothing():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(SUBMISSION)
        await server.stop()
        await provider.aclose()
        outcome = await provider.submit(SUBMISSION)
    assert (outcome.kind, outcome.stage) == (KINDS.TRANSIENT, "connect")
    assert re.match(r"nobody listens on (127\.0\.0\.1|localhost):\d+: ", outcome.reply)


async def test_certificate_that_is_not_trusted_is_a_matter_of_configuration():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider._tokens.token()
        provider._client._tls_context = ssl.create_default_context()
        outcome = await provider.submit(SUBMISSION)
    assert (outcome.kind, outcome.stage, server.calls("sendMail")) == (KINDS.CONFIGURATION, "tls", 0)


# ---- whose mailbox


@pytest.mark.parametrize(
    ("mode", "mailbox"), [(Mode.BATCH, "batch@contoso.com"), (Mode.INTERACTIVE, "ann@contoso.com")]
)
async def test_mailbox_is_the_batch_account_s_or_the_user_s_own(mode, mailbox):
    async with graph_server(send_as={("batch@contoso.com", "ann@contoso.com")}) as server:
        await submit(server, replace(SUBMISSION, mode=mode), graph_batch_mailbox="batch@contoso.com")
    assert [one.mailbox for one in server.sent] == [mailbox]


@pytest.mark.parametrize(
    ("mode", "mailbox"), [(Mode.BATCH, "batch@contoso.com"), (Mode.INTERACTIVE, "own@contoso.com")]
)
async def test_mailbox_of_a_user_who_is_from_elsewhere_is_their_own(mode, mailbox):
    mailboxes = {"batch@contoso.com", "own@contoso.com"}
    async with graph_server(mailboxes=mailboxes, send_as={(mailbox, "ann@contoso.com")}) as server:
        submission = replace(SUBMISSION, mode=mode, mailbox="own@contoso.com")
        await submit(server, submission, graph_batch_mailbox="batch@contoso.com")
    assert [one.mailbox for one in server.sent] == [mailbox]


async def test_from_address_that_may_not_be_used_is_for_the_administrator_to_mend():
    async with graph_server() as server:
        outcome = await submit(server, graph_batch_mailbox="batch@contoso.com")
    assert (outcome.kind, server.sent) == (KINDS.CONFIGURATION, [])
    assert "ErrorSendAsDenied" in outcome.reply


# ---- not to be kept in Sent Items


RICH = Message(
    sender=Address("ann@contoso.com", "Änn"),
    to=(Address("bob@example.com", "Bob, Jr."),),
    cc=(Address("cay@example.com"),),
    reply_to=(Address("office@contoso.com"),),
    subject="Kontoauszug für März",
    text="plain",
    html='<p>für <img src="cid:logo"></p>',
    attachments=(
        Attachment("logo.png", "image/png", b"\x89PNG", inline=True, content_id="logo"),
        Attachment("März.pdf", "application/pdf", b"%PDF"),
    ),
    headers={"X-Order": "42", "References": "<a@b> <c@d>", "In-Reply-To": "<c@d>"},
    importance=Importance.HIGH,
)


def submission_of(message, **changes):
    finished = build_mime(message, "1", NOON)
    return replace(SUBMISSION, content=InlineContent(finished.mime), message_id=finished.message_id, **changes)


async def test_message_that_is_not_to_be_kept_goes_as_json_with_all_it_has():
    async with graph_server() as server:
        outcome = await submit(server, submission_of(RICH), graph_save_to_sent_items=False)
    (sent,) = server.sent
    message = sent.message
    assert (outcome.kind, sent.kept) == (KINDS.DELIVERED, False)
    assert message["from"] == {"emailAddress": {"name": "Änn", "address": "ann@contoso.com"}}
    assert message["toRecipients"] == [{"emailAddress": {"name": "Bob, Jr.", "address": "bob@example.com"}}]
    assert message["bccRecipients"] == [{"emailAddress": {"address": "eve@example.com"}}]
    assert message["replyTo"] == [{"emailAddress": {"address": "office@contoso.com"}}]
    assert (message["subject"], message["importance"]) == ("Kontoauszug für März", "high")
    assert message["body"]["contentType"] == "html"
    assert "für" in message["body"]["content"]
    assert message["internetMessageId"] == "<1@contoso.com>"
    assert message["internetMessageHeaders"] == [{"name": "X-Order", "value": "42"}]
    assert {one["id"]: one["value"] for one in message["singleValueExtendedProperties"]} == {
        "String 0x1042": "<c@d>",
        "String 0x1039": "<a@b> <c@d>",
    }
    assert sent.files == {"logo.png": b"\x89PNG", "März.pdf": b"%PDF"}
    assert [(one["isInline"], one.get("contentId")) for one in message["attachments"]] == [
        (True, "logo"),
        (False, None),
    ]


@pytest.mark.parametrize("headers", [{"List-Unsubscribe": "<mailto:a@b>"}, {f"X-{number}": "1" for number in range(6)}])
async def test_what_json_cannot_say_goes_as_mime_with_nothing_dropped(headers):
    async with graph_server() as server:
        await submit(server, submission_of(replace(RICH, headers=headers)), graph_save_to_sent_items=False)
    (sent,) = server.sent
    assert all(sent.parsed[name] == value for name, value in headers.items())


HEAD = b"From: ann@contoso.com\r\nTo: bob@example.com\r\nMessage-ID: <1@contoso.com>\r\n"
TWO_TEXTS = (
    b"Content-Type: multipart/%s; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
    b"--b\r\nContent-Type: text/%s\r\n\r\ntwo\r\n--b--\r\n"
)
NOT_SAID = [
    HEAD + b"Content-Type: text/plain; charset=nobody-knows\r\n\r\nHello",
    HEAD.replace(b"<1@contoso.com>", b"<") + b"\r\nHello",  # the parser fails on it
    HEAD + TWO_TEXTS % (b"mixed", b"html"),  # neither stands for the other
    HEAD + TWO_TEXTS % (b"alternative", b"calendar"),
    HEAD + b"Content-Type: message/partial; id=x; number=1\r\n\r\nHello",
    HEAD + b"Content-Type: application/x-pkcs7-mime; smime-type=signed-data\r\n\r\nHello",
]


@pytest.mark.parametrize("mime", NOT_SAID)
async def test_odd_message_goes_as_mime_as_it_is(mime):
    async with graph_server() as server:
        submission = replace(SUBMISSION, content=InlineContent(mime), bcc=())
        outcome = await submit(server, submission, graph_save_to_sent_items=False)
    assert (outcome.kind, server.sent[0].mime) == (KINDS.DELIVERED, mime)


def test_message_that_no_parser_gets_through_is_left_to_mime():
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(1500))
    assert json_message(HEAD + deep, ()) is None


async def test_json_names_the_recipients_that_were_read_when_the_email_was_accepted():
    mime = HEAD.replace(b"To: bob@example.com", b"To: Bob [X] <bob@example.com>, c@d.example") + b"\r\nHello"
    async with graph_server() as server:
        await submit(server, replace(SUBMISSION, content=InlineContent(mime), bcc=()), graph_save_to_sent_items=False)
    assert server.sent[0].message
    assert server.sent[0].recipients == {"bob@example.com", "c@d.example"}


async def test_signed_message_is_never_taken_apart():
    signed = MIME.replace(b"text/plain", b'multipart/signed; boundary="b"')
    async with graph_server() as server:
        submission = replace(SUBMISSION, content=InlineContent(signed), bcc=())
        await submit(server, submission, graph_save_to_sent_items=False)
    assert server.sent[0].mime == signed


# ---- concurrency and rate


async def test_no_more_than_four_requests_at_once_for_a_mailbox_over_two_instances():
    store = MemoryMailboxStore()
    async with (
        graph_server(answers_after=0.01) as server,
        graph_provider(server, store=store) as one,
        graph_provider(server, store=store) as two,
    ):
        outcomes = await asyncio.gather(*(provider.submit(SUBMISSION) for provider in (one, two) * 8))
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds <= {KINDS.DELIVERED, KINDS.DEFERRED}
    assert KINDS.DELIVERED in kinds
    assert server.most_at_once <= 4


async def test_rate_limit_leaves_the_whole_mailbox_alone_on_all_instances():
    store = MemoryMailboxStore()
    async with (
        graph_server() as server,
        graph_provider(server, store=store) as one,
        graph_provider(server, store=store) as two,
    ):
        server.faults["sendMail"] = [throttled("RequestRate", "30")]
        assert (await one.submit(SUBMISSION)).kind is KINDS.TRANSIENT
        outcomes = [await provider.submit(SUBMISSION) for provider in (one, two)]
    assert [(one.kind, one.retry_after) for one in outcomes] == [(KINDS.DEFERRED, timedelta(seconds=30))] * 2
    assert server.calls("sendMail") == 1


async def test_concurrency_limit_keeps_only_the_one_email_waiting():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["sendMail"] = [throttled("MailboxConcurrency", "1")]
        assert (await provider.submit(SUBMISSION)).kind is KINDS.TRANSIENT
        assert (await provider.submit(SUBMISSION)).kind is KINDS.DELIVERED


# ---- proof


async def test_sent_items_prove_that_it_was_sent():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["sendMail"] = [AFTER]
        await provider.submit(SUBMISSION)
        assert await provider.was_sent(SUBMISSION) is Proof.SENT


BOB, EVE, ANN = "bob@example.com", "eve@example.com", "ann@contoso.com"
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("since", "recipients", "proof"),
    [
        (-4 * MINUTE, (BOB, EVE), Proof.SENT),  # clocks differ
        (-6 * MINUTE, (BOB, EVE), Proof.NONE),  # before it was handed over: another email
        (MINUTE, (BOB.upper(), EVE), Proof.SENT),
        (MINUTE, ("alias@contoso.com", EVE), Proof.SENT),  # Exchange names a colleague by another address
        (MINUTE, (ANN, "dan@example.com"), Proof.NONE),
        (MINUTE, (BOB,), Proof.NONE),
        (MINUTE, (BOB, EVE, ANN), Proof.NONE),
    ],
)
async def test_another_email_with_the_same_message_id_proves_nothing(since, recipients, proof):
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(SUBMISSION)
        envelope = replace(SUBMISSION, recipients=recipients, since=server.sent[0].at - since)
        assert await provider.was_sent(envelope) is proof


@pytest.mark.parametrize(
    "item", [{"id": "1"}, {"sentDateTime": "soon"}, {"sentDateTime": None, "toRecipients": [7]}, 7]
)
def test_item_that_says_too_little_proves_nothing(item):
    assert not is_the_sent_one(item, SUBMISSION)


PROOFS = [
    ({}, {}, [], Proof.NONE),  # it is not there: it may be on its way
    ({"permissions": {SEND}}, {}, [], Proof.NONE),
    ({}, {"graph_save_to_sent_items": False}, [], Proof.NONE),
    ({}, {}, [fault(503, "ErrorServerBusy", "busy")], Proof.LATER),
    ({}, {}, [AFTER], Proof.LATER),
]


@pytest.mark.parametrize(("properties", "parameters", "faults", "proof"), PROOFS)
async def test_proof_where_it_was_not_sent(properties, parameters, faults, proof):
    async with graph_server(**properties) as server, graph_provider(server, **parameters) as provider:
        server.faults["proof"] = list(faults)
        assert await provider.was_sent(SUBMISSION) is proof


async def test_message_id_with_a_quotation_mark_is_looked_for_as_it_is():
    odd = replace(SUBMISSION, message_id="<o'1@contoso.com>")
    odd = replace(odd, content=InlineContent(MIME.replace(b"<1@", b"<o'1@")))
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(odd)
        assert await provider.was_sent(odd) is Proof.SENT


# ---- the test email


async def test_rehearsal_tells_the_token_and_the_request_apart():
    async with graph_server() as server, graph_provider(server) as provider:
        rehearsal = await provider.rehearse(SUBMISSION)
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("credential", True), ("request", True)]
    assert rehearsal.outcome.kind is KINDS.DELIVERED


async def test_rehearsal_takes_a_new_token_as_a_permission_may_have_been_granted():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(SUBMISSION)
        await provider.rehearse(SUBMISSION)
    assert server.calls("token") == 2


async def test_signing_in_anew_takes_a_new_token():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(SUBMISSION)
        provider.sign_in_anew()
        await provider.submit(SUBMISSION)
    assert server.calls("token") == 2


async def test_rehearsal_without_an_email_ends_with_the_sign_in():
    async with graph_server() as server, graph_provider(server) as provider:
        rehearsal = await provider.rehearse(None)
    assert ([step.name for step in rehearsal.steps], rehearsal.outcome, server.sent) == (["credential"], None, [])


async def test_rehearsal_that_gets_no_token_ends_there():
    async with graph_server(secret="another") as server, graph_provider(server) as provider:
        rehearsal = await provider.rehearse(SUBMISSION)
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("credential", False)]
    assert rehearsal.outcome.kind is KINDS.CONFIGURATION


async def test_nothing_of_an_email_or_a_secret_is_in_a_repr():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.submit(SUBMISSION)
        told = repr([provider.__dict__, provider._tokens.__dict__, provider._client.__dict__, SUBMISSION])
    secret = next(iter(server.tokens))
    assert not any(word in told for word in (secret, "bob@", "eve@", base64.b64encode(MIME).decode()))


async def test_request_that_takes_too_long_ends_by_itself_and_is_in_doubt():
    async with graph_server() as server, graph_provider(server) as provider:
        await provider._tokens.token()
        server.faults["sendMail"] = [HANG]
        outcome = await provider.submit(replace(SUBMISSION, seconds=0.2))
    assert (outcome.kind, outcome.stage) == (KINDS.UNCONFIRMED, "request")


async def test_time_that_is_over_before_anything_was_sent_leaves_no_doubt():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["token"] = [HANG]
        outcome = await provider.submit(replace(SUBMISSION, seconds=0.2))
        server.let_go.set()
    assert outcome.kind is KINDS.TRANSIENT


async def test_token_endpoint_that_is_away_pauses_nobody():
    async with graph_server() as server:
        server.faults["token"] = [fault(503, body={})] * 3
        outcome = await submit(server)
    assert (outcome.kind, outcome.stage, is_refusal(outcome)) == (KINDS.TRANSIENT, "credential", False)


async def test_answer_of_any_octets_can_be_stored():
    odd = fault(400, body="x")
    async with graph_server() as server:
        server.faults["sendMail"] = [replace(odd, body=b'{"error": {"code": "A", "message": "\\ud800 \\u0000"}}')]
        outcome = await submit(server)
    assert outcome.reply.encode()
    assert outcome.reply.isprintable()


async def test_request_without_an_answer_ends_with_the_time_that_the_delivery_has():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["sendMail"] = [HANG]
        task = asyncio.create_task(provider.submit(SUBMISSION))
        await server.hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.let_go.set()
        assert (await provider.submit(SUBMISSION)).kind is KINDS.DELIVERED
