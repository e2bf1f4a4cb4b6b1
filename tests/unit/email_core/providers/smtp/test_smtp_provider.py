"""What the SMTP provider makes of everything a server can say or do, on a real connection."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from email_core.content import InlineContent
from email_core.providers.base import Outcome, OutcomeKind, RecipientVerdict, Submission
from email_core.providers.smtp import connection, transaction
from email_core.providers.smtp.outcome import outcome_of_failure, outcome_of_network
from email_core.providers.smtp.transaction import needs_smtputf8
from tests.support.azurite import free_port
from tests.support.smtp_server import DROP, HANG, SUBMISSION, SmtpServer, provider, smtp_server

pytestmark = pytest.mark.usefixtures("pipelined")


async def submit(server: SmtpServer, submission: Submission = SUBMISSION) -> Outcome:
    with provider(server) as one:
        return await one.submit(submission)


async def test_accepted_content_is_delivered_with_the_server_s_words():
    async with smtp_server() as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.DELIVERED, "250 2.0.0 queued as 4711")
    assert (outcome.stage, outcome.code, outcome.recipients) == ("data", 250, {})
    assert server.commands == [
        "EHLO client.test",
        f"MAIL FROM:<ann@contoso.com> SIZE={SUBMISSION.content.size}",
        "RCPT TO:<bob@example.com>",
        "RCPT TO:<eve@example.com>",
        "DATA",
    ]


async def test_lines_of_dots_arrive_as_they_were_written():
    async with smtp_server() as server:
        await submit(server)
    assert server.contents == [b"Subject: Dots\r\n\r\n..\r\n...two\r\nend\r\n.\r\n"]


# step, what the server says there -> what it means
REPLIES = [
    ("connect", "421 4.3.2 try later", OutcomeKind.TRANSIENT),
    ("connect", "554 5.7.1 no", OutcomeKind.TRANSIENT),
    ("connect", DROP, OutcomeKind.TRANSIENT),
    ("connect", "garbage", OutcomeKind.CONFIGURATION),
    ("ehlo", DROP, OutcomeKind.TRANSIENT),
    ("mail", "451 4.3.0 later", OutcomeKind.TRANSIENT),
    ("mail", "550 5.7.60 not as this sender", OutcomeKind.CONFIGURATION),
    ("mail", "552 5.3.4 too large", OutcomeKind.PERMANENT),
    ("mail", DROP, OutcomeKind.TRANSIENT),
    ("rcpt", "450 4.2.0 later", OutcomeKind.TRANSIENT),
    ("rcpt", "550 5.1.1 unknown", OutcomeKind.PERMANENT),
    ("rcpt", "421 4.3.0 closing", OutcomeKind.TRANSIENT),
    ("rcpt", DROP, OutcomeKind.TRANSIENT),
    ("data", "451 4.3.0 later", OutcomeKind.TRANSIENT),
    ("data", "554 5.6.0 no", OutcomeKind.PERMANENT),
    ("content", "451 4.3.0 later", OutcomeKind.TRANSIENT),
    ("content", "554 5.6.0 spam", OutcomeKind.PERMANENT),
    ("content", DROP, OutcomeKind.UNCONFIRMED),
    ("content", "garbage", OutcomeKind.UNCONFIRMED),
    ("content", "334 go on", OutcomeKind.UNCONFIRMED),
    ("mail", "garbage", OutcomeKind.TRANSIENT),
    ("rcpt", "99", OutcomeKind.TRANSIENT),
    ("data", "garbage", OutcomeKind.TRANSIENT),
    ("data", "421 4.3.0 closing", OutcomeKind.TRANSIENT),
    ("data", DROP, OutcomeKind.TRANSIENT),
]


@pytest.mark.parametrize(("step", "reply", "kind"), REPLIES)
async def test_reply_means(step, reply, kind):
    async with smtp_server({step: reply}) as server:
        outcome = await submit(server)
    assert outcome.kind is kind
    assert outcome.stage == ("data" if step == "content" else step)
    if reply[0] in "45" and reply[:3] != "421":
        assert (outcome.reply, outcome.code) == (reply, int(reply[:3]))


def texts(outcome: Outcome) -> list[str]:
    return [outcome.reply, *(one.reply for one in outcome.recipients.values())]


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ({"content": "250 2.0.0 Nachricht \udcfcbernommen"}, "250 2.0.0 Nachricht \ufffdbernommen"),
        ({"content": "250 2.0.0 Nachricht übernommen"}, "250 2.0.0 Nachricht übernommen"),
        ({"rcpt to:<eve@example.com>": "550 5.1.1 Empf\udce4nger unbekannt"}, "550 5.1.1 Empf\ufffdnger unbekannt"),
        ({"connect": "554 5.7.1 g\udce4sperrt\x1b[31m"}, "554 5.7.1 g\ufffdsperrt [31m"),
        ({"content": "250-one\x00\r\n250 two\x07"}, "250 one  two"),
    ],
)
async def test_reply_in_any_octets_becomes_text_that_can_be_stored(replies, told):
    async with smtp_server(replies) as server:
        assert told in texts(await submit(server))


@pytest.mark.parametrize("words", ["\udcfc\x00", "what?\n\x1b"])
def test_words_of_a_failure_are_text_that_can_be_stored(words):
    for outcome in (
        outcome_of_failure("auth", words),
        outcome_of_network("connect", OSError(words)),
        outcome_of_network("tls", ssl.SSLError(words)),
    ):
        assert outcome.reply.isprintable()
        assert outcome.reply.encode()


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("connect", OutcomeKind.TRANSIENT),
        ("mail", OutcomeKind.TRANSIENT),
        ("rcpt", OutcomeKind.TRANSIENT),
        ("content", OutcomeKind.UNCONFIRMED),
    ],
)
async def test_server_that_says_nothing_is_given_up(step, kind, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(connection, "COMMAND_SECONDS", 0.05)
    monkeypatch.setattr(transaction, "ANSWER_SECONDS", 0.05)
    async with smtp_server({step: HANG}) as server:
        assert (await submit(server)).kind is kind


@pytest.mark.parametrize("name", ["smtp..contoso.com", "x" * 64 + ".contoso.com"])
async def test_name_that_dns_cannot_ask_for_is_an_outcome(name):
    async with smtp_server() as server:
        with provider(server, server=name) as one:
            outcome, rehearsal = await one.submit(SUBMISSION), await one.rehearse(None)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.TRANSIENT, "connect")
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("resolve", False)]


async def test_no_server_is_transient():
    async with smtp_server() as server:
        server.port = free_port()
        assert (await submit(server)).kind is OutcomeKind.TRANSIENT


async def test_some_recipients_refused_is_partly_delivered_and_says_which():
    async with smtp_server({"rcpt to:<eve@example.com>": "550 5.1.1 unknown"}) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.PARTLY_DELIVERED, "250 2.0.0 queued as 4711")
    assert {address: (one.verdict, one.reply) for address, one in outcome.recipients.items()} == {
        "bob@example.com": (RecipientVerdict.ACCEPTED, "250 2.1.5 OK"),
        "eve@example.com": (RecipientVerdict.REFUSED, "550 5.1.1 unknown"),
    }


async def test_recipient_refused_beside_one_accepted_is_not_kept_waiting_for_an_administrator():
    async with smtp_server({"rcpt to:<eve@example.com>": "554 5.7.1 <eve@example.com>: Relay access denied"}) as server:
        outcome = await submit(server)
    assert outcome.kind is OutcomeKind.PARTLY_DELIVERED
    assert outcome.recipients["eve@example.com"].verdict is RecipientVerdict.REFUSED


async def test_every_recipient_refused_for_what_an_administrator_can_mend_keeps_the_email():
    async with smtp_server({"rcpt": "554 5.7.1 Relay access denied"}) as server:
        outcome = await submit(server)
    assert outcome.kind is OutcomeKind.CONFIGURATION
    assert {one.verdict for one in outcome.recipients.values()} == {RecipientVerdict.LATER}


async def test_one_refused_and_one_deferred_is_transient_and_says_which():
    replies = {"rcpt to:<eve@example.com>": "550 5.1.1 unknown", "rcpt to:<bob@example.com>": "450 4.2.0 greylisted"}
    async with smtp_server(replies) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.TRANSIENT, "450 4.2.0 greylisted")
    assert [one.verdict for one in outcome.recipients.values()] == [RecipientVerdict.LATER, RecipientVerdict.REFUSED]
    assert server.contents == []


async def test_content_refused_for_those_accepted_leaves_the_deferred_one_waiting():
    replies = {"rcpt to:<eve@example.com>": "450 4.2.0 greylisted", "content": "550 5.7.1 not from you"}
    async with smtp_server(replies) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.TRANSIENT, "550 5.7.1 not from you")
    assert {address: (one.verdict, one.reply) for address, one in outcome.recipients.items()} == {
        "bob@example.com": (RecipientVerdict.REFUSED, "550 5.7.1 not from you"),
        "eve@example.com": (RecipientVerdict.LATER, "450 4.2.0 greylisted"),
    }


async def test_message_over_the_server_s_size_is_refused_before_it_is_sent():
    async with smtp_server(extensions=("SIZE 10",)) as server:
        outcome = await submit(server)
    assert outcome.kind is OutcomeKind.PERMANENT
    assert "10 octets" in outcome.reply
    assert len(server.commands) == 1


async def test_server_that_knows_only_helo_gets_the_mail():
    async with smtp_server({"ehlo": "502 5.5.1 what?", "helo": "250 test"}) as server:
        assert (await submit(server)).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize("extension", ["SIZE", "SIZE 0", "SIZE " + "9" * 5_000, "SIZE ²"])
async def test_server_without_a_size_limit_takes_any(extension):
    async with smtp_server(extensions=(extension,)) as server:
        assert (await submit(server)).kind is OutcomeKind.DELIVERED


async def test_non_ascii_mailbox_is_sent_where_the_server_takes_it():
    submission = Submission(
        sender="ann@contoso.com", recipients=("jörg@example.com",), message_id="<1@x>", content=InlineContent(b"\r\n")
    )
    async with smtp_server() as server:
        assert (await submit(server, submission)).kind is OutcomeKind.DELIVERED
    assert server.commands[1].endswith("SMTPUTF8")
    assert server.commands[2] == "RCPT TO:<jörg@example.com>"
    async with smtp_server(extensions=()) as server:
        outcome = await submit(server, submission)
    assert outcome.kind is OutcomeKind.PERMANENT
    assert "SMTPUTF8" in outcome.reply


# of bob and of jörg, whom no header names or one does -> what becomes of the email, and of jörg
@pytest.mark.parametrize(
    ("recipients", "head", "kind", "told"),
    [
        (("bob@example.com", "jörg@example.com"), "Subject: x", OutcomeKind.PARTLY_DELIVERED, RecipientVerdict.REFUSED),
        (
            ("bob@example.com", "jörg@example.com"),
            "To: jörg@example.com",
            OutcomeKind.PERMANENT,
            RecipientVerdict.REFUSED,
        ),
        (("jörg@example.com",), "Subject: x", OutcomeKind.PERMANENT, None),
    ],
)
async def test_address_that_the_server_cannot_be_told_is_refused_and_the_others_get_the_email(
    recipients, head, kind, told
):
    content = InlineContent(f"{head}\r\n\r\n".encode())
    async with smtp_server(extensions=()) as server:
        outcome = await submit(server, replace(SUBMISSION, recipients=recipients, content=content))
    verdict = outcome.recipients.get("jörg@example.com")
    assert (outcome.kind, verdict and verdict.verdict) == (kind, told)
    assert server.steps.count("RCPT") == (kind is OutcomeKind.PARTLY_DELIVERED)


@pytest.mark.parametrize(
    ("about", "mime", "needed"),
    [
        ({}, b"Subject: Dots\r\n\r\n", False),
        ({"sender": "jörg@contoso.com"}, b"Subject: Dots\r\n\r\n", True),
        ({"recipients": ("jörg@example.com",)}, b"Subject: Dots\r\n\r\n", True),
        ({}, "Reply-To: jörg@example.com\r\n\r\n".encode(), True),
        ({}, "Subject: 8 bit\r\n\r\nGrüße".encode(), False),
    ],
)
def test_utf8_in_the_envelope_or_a_header_needs_smtputf8(about, mime, needed):
    envelope = {"sender": "ann@contoso.com", "recipients": ("bob@example.com",)} | about
    assert needs_smtputf8(envelope["sender"], envelope["recipients"], mime) is needed


@pytest.mark.parametrize("step", ["mail", "content"])
async def test_canceled_submission_closes_its_connection(step):
    async with smtp_server({step: HANG}) as server:
        task = asyncio.create_task(submit(server))
        await server.hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert server.open_connections == 0
