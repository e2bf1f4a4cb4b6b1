"""What a reply, a failure, or several transactions together mean."""

import socket
import ssl
from datetime import timedelta

import pytest

from email_core.diagnosis import Category, diagnose
from email_core.providers import entra
from email_core.providers.base import BEFORE_MAIL, Outcome, OutcomeKind, RecipientReply, RecipientVerdict
from email_core.providers.smtp import authentication, connection, pool, transaction
from email_core.providers.smtp.outcome import (
    Reply,
    combined,
    nobody_accepted,
    outcome_of_failure,
    outcome_of_network,
    outcome_of_reply,
    refusal_of_recipient,
    soonest,
)
from email_core.providers.verdict import LATER

ACCEPTED, REFUSED, WAITS = RecipientVerdict
CONFIGURATION, PERMANENT, TRANSIENT = OutcomeKind.CONFIGURATION, OutcomeKind.PERMANENT, OutcomeKind.TRANSIENT


# The catalogue decides; the class of the code decides where it knows nothing.
@pytest.mark.parametrize(
    ("stage", "reply", "kind", "wait"),
    [
        ("auth", "535 5.7.3 Authentication unsuccessful", CONFIGURATION, None),
        ("auth", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", CONFIGURATION, None),
        ("auth", "454 4.7.0 Temporary authentication failure", TRANSIENT, None),
        ("mail", "530 5.7.57 Client not authenticated to send mail", CONFIGURATION, None),
        ("mail", "550 5.7.60 Client does not have permissions to send as this sender", CONFIGURATION, None),
        ("data", "554 5.2.0 STOREDRV; SendAsDeniedException.MapiExceptionSendAsDenied", CONFIGURATION, None),
        ("data", "554 5.2.0 STOREDRV; SubmissionQuotaExceededException", TRANSIENT, LATER),
        ("mail", "550 5.1.90 Your message can't be sent: you've reached your daily limit", TRANSIENT, LATER),
        ("rcpt", "550 5.7.232 tenant exceeded its daily limit for external recipients", TRANSIENT, LATER),
        ("rcpt", "550 5.2.121 recipient's per hour message receive limit exceeded", TRANSIENT, LATER),
        ("rcpt", "554 5.2.2 mailbox full", TRANSIENT, LATER),
        ("rcpt", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", PERMANENT, None),
        ("rcpt", "550 5.1.6 Recipient addresses in single label domains not accepted", PERMANENT, None),
        ("rcpt", "450 4.2.0 greylisted", TRANSIENT, None),
        ("data", "552 5.3.4 message too large", PERMANENT, None),
        ("data", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", TRANSIENT, None),
        ("data", "599 unheard of", PERMANENT, None),
        ("data", "499 unheard of", TRANSIENT, None),
        ("connect", "599 unheard of", TRANSIENT, None),
        ("ehlo", "599 unheard of", TRANSIENT, None),
        ("tls", "599 unheard of", CONFIGURATION, None),
        ("auth", "599 unheard of", CONFIGURATION, None),
    ],
)
def test_reply_becomes(stage, reply, kind, wait):
    outcome = outcome_of_reply(stage, Reply(int(reply[:3]), reply))
    assert (outcome.kind, outcome.retry_after) == (kind, wait)
    assert (outcome.stage, outcome.code, outcome.reply) == (stage, int(reply[:3]), reply)


@pytest.mark.parametrize("stage", sorted(BEFORE_MAIL))
@pytest.mark.parametrize("code", [421, 499, 500, 535, 554, 599])
def test_no_email_fails_for_good_by_what_is_said_before_one_is_named(stage, code):
    assert outcome_of_reply(stage, Reply(code, f"{code} 5.1.1 no")).kind is not PERMANENT


OURS = [
    ("auth", authentication.NO_AUTHENTICATION),
    ("auth", authentication.NO_AUTHENTICATION_YET),
    ("credential", f"no token to sign in with: {entra.UNREACHABLE}: ConnectionError"),
    ("connect", pool.BUSY),
    ("tls", connection._EXPOSED),
    ("mail", transaction.UTF_8),
    ("mail", transaction.EIGHT_BIT),
    ("connect", "timed out: no connection in the time that was left"),
    ("rcpt", "lost before the content was sent: timed out: there was no time left"),
    ("mail", "the server takes 10 octets (SIZE); the message has 11"),
    ("mail", "lost before the content was sent: timed out: no answer within 60 s"),
    ("data", "lost before the content was sent: timed out: the server did not take the content"),
    ("data", "lost before the content was sent: 250 is no answer to DATA"),
    ("data", "the answer to the content was lost: 334 says nothing of it"),
    ("data", "the content could not be read from the storage"),
]


@pytest.mark.parametrize(("stage", "words"), OURS)
def test_our_own_words_are_in_the_catalogue(stage, words):
    assert diagnose(provider="smtp", stage=stage, reply=words).category is not Category.UNKNOWN


@pytest.mark.parametrize(
    ("error", "kind", "stage"),
    [
        (ssl.SSLError(1, "wrong version number"), CONFIGURATION, "tls"),
        (ssl.SSLCertVerificationError("certificate has expired"), CONFIGURATION, "tls"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), TRANSIENT, "tls"),
        (ConnectionResetError("reset by peer"), TRANSIENT, "connect"),
        (TimeoutError(), TRANSIENT, "connect"),
    ],
)
def test_failure_of_the_network_is_found_behind_the_client_s_own(error, kind, stage):
    wrapped = ConnectionError("Error connecting")
    wrapped.__cause__ = error
    outcome = outcome_of_network("connect", wrapped)
    assert (outcome.kind, outcome.stage) == (kind, stage)


@pytest.mark.parametrize(
    ("error", "plain", "id"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "the name smtp.contoso.com cannot be found: gaierror: ",
            "network-name-unknown",
        ),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "no name server says where smtp.contoso.com is: gaierror: ",
            "network-name-lookup-failed",
        ),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 587), [Errno 111] Connect call failed"
            ),
            "nobody listens on smtp.contoso.com:587: OSError: ",
            "network-refused",
        ),
        (TimeoutError(), "smtp.contoso.com:587 does not answer: TimeoutError", "network-timeout"),
        (OSError(113, "No route to host"), "there is no way through the network to smtp", "network-unreachable"),
        (ConnectionResetError("reset by peer"), "no connection to the server: Conn", "network-connection-lost"),
    ],
)
def test_failure_of_the_network_is_told_in_plain_words_with_its_own_behind(error, plain, id):
    outcome = outcome_of_network("connect", error, "smtp.contoso.com", 587)
    assert outcome.reply.startswith(plain)
    assert diagnose(provider="smtp", stage="connect", reply=outcome.reply).id == id


def test_failure_that_does_not_mend_itself_waits_for_an_administrator():
    assert outcome_of_failure("auth", "unheard of", mends_itself=False).kind is CONFIGURATION
    assert outcome_of_failure("auth", "unheard of").kind is TRANSIENT


@pytest.mark.parametrize(
    ("text", "too_many"),
    [
        ("452 4.5.3 Too many recipients", True),
        ("550 5.5.3 no more", True),
        ("452 Error: TOO MANY RECIPIENTS", True),
        ("452 4.5.3: no more", True),
        ("452 4.3.1 Insufficient system storage", False),
        ("554 5.7.1 Client host [10.14.5.3] blocked", False),
        ("554 5.7.1 Client host [4.5.3.10] blocked", False),
        ("250 2.1.5 not too many recipients", False),
    ],
)
def test_too_many_recipients_is_seen(text, too_many):
    assert Reply(int(text[:3]), text).says_too_many is too_many


def said(text: str) -> tuple[RecipientReply, Outcome]:
    return refusal_of_recipient(Reply(int(text[:3]), text))


@pytest.mark.parametrize(
    ("replies", "kind", "words", "wait"),
    [
        (["550 5.1.1 unknown", "550 5.1.1 too"], PERMANENT, "550 5.1.1 unknown", None),
        (["550 5.1.1 unknown", "450 4.2.0 later"], TRANSIENT, "450 4.2.0 later", None),
        (["554 5.2.2 mailbox full", "550 5.1.1 unknown"], TRANSIENT, "554 5.2.2 mailbox full", LATER),
        (["554 5.2.2 mailbox full", "450 4.2.0 later"], TRANSIENT, "554 5.2.2 mailbox full", None),
        (["450 4.2.0 later", "530 5.7.57 not authenticated"], CONFIGURATION, "530 5.7.57 not authenticated", None),
    ],
)
def test_nobody_accepted_means(replies, kind, words, wait):
    outcome = nobody_accepted({str(number): said(text) for number, text in enumerate(replies)})
    assert (outcome.kind, outcome.reply, outcome.retry_after) == (kind, words, wait)


@pytest.mark.parametrize(("hours", "soon"), [([], None), ([None], None), ([1, None], None), ([3, 1], 1)])
def test_soonest_wait_is_the_usual_one_as_soon_as_one_has_no_other(hours, soon):
    waits = [None if hour is None else timedelta(hours=hour) for hour in hours]
    outcomes = [Outcome(kind=TRANSIENT, reply="", retry_after=wait) for wait in waits]
    assert soonest(outcomes) == (None if soon is None else timedelta(hours=soon))


def test_one_transaction_is_its_own_outcome():
    outcome = Outcome(kind=TRANSIENT, reply="451 later")
    assert combined([(("bob@example.com",), outcome)]) is outcome


def test_refusal_of_some_is_not_the_end_of_those_who_had_no_turn():
    parts = [(("a", "b"), Outcome(kind=PERMANENT, reply="554 no"))]
    outcome = combined(parts, left=("c",))
    assert (outcome.kind, verdicts(outcome)) == (TRANSIENT, {"a": REFUSED, "b": REFUSED, "c": WAITS})


def test_only_those_whose_answer_was_lost_are_in_doubt():
    refused = {"c": RecipientReply(REFUSED, "550 no"), "d": RecipientReply(WAITS, "450 later")}
    parts = [
        (("a",), Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK")),
        (("b", "c", "d"), Outcome(kind=OutcomeKind.UNCONFIRMED, reply="lost", recipients=refused)),
    ]
    outcome = combined(parts, left=("e",))
    assert (outcome.kind, outcome.reply) == (OutcomeKind.UNCONFIRMED, "lost")
    assert verdicts(outcome) == {"a": ACCEPTED, "c": REFUSED, "d": WAITS, "e": WAITS}  # and none for b


def test_whoever_had_no_turn_waits():
    parts = [
        (("a", "b"), Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK")),
        (("c",), Outcome(kind=TRANSIENT, reply="451 later")),
    ]
    outcome = combined(parts, left=("d",))
    assert outcome.kind is OutcomeKind.PARTLY_DELIVERED
    assert verdicts(outcome) == {"a": ACCEPTED, "b": ACCEPTED, "c": WAITS, "d": WAITS}


def verdicts(outcome: Outcome) -> dict[str, RecipientVerdict]:
    return {address: one.verdict for address, one in outcome.recipients.items()}
