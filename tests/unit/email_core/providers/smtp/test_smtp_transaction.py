"""How content goes over the wire, and how many recipients become several transactions."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from email_core.content import InlineContent
from email_core.errors import StorageUnavailable
from email_core.providers.base import HANDED_OVER, Outcome, OutcomeKind, RecipientVerdict, Submission
from email_core.providers.smtp import connection, pool, transaction
from email_core.providers.smtp.transaction import DotStuffing
from email_core.providers.verdict import LATER
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, SUBMISSION, SmtpServer, provider, secrets, smtp_server

pytestmark = pytest.mark.usefixtures("pipelined")

ACCEPTED, REFUSED, WAITS = RecipientVerdict.ACCEPTED, RecipientVerdict.REFUSED, RecipientVerdict.LATER


@dataclass
class StreamedContent:
    """Content that is not in memory. `fails_after`: so many pieces, and then the storage does not answer."""

    pieces: list[bytes]
    fails_after: int | None = None
    closed: int = 0

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for number, piece in enumerate(self.pieces):
                if number == self.fails_after:
                    raise StorageUnavailable("read an email's content")
                yield piece
        finally:
            self.closed += 1


def streamed(*pieces: bytes, **about) -> Submission:
    return replace(SUBMISSION, content=StreamedContent(list(pieces), **about))


async def submit(server: SmtpServer, submission: Submission = SUBMISSION, **settings):
    with provider(server, **settings) as one:
        return await one.submit(submission)


# ---- dots

MIME = b"Subject: Dots\r\n\r\n.\r\n..two\r\n.\r\nend\r\n."
STUFFED = b"Subject: Dots\r\n\r\n..\r\n...two\r\n..\r\nend\r\n.."


@pytest.mark.parametrize("size", range(1, len(MIME) + 1))
def test_dots_are_doubled_wherever_the_pieces_are_cut(size):
    stuffing = DotStuffing()
    pieces = [MIME[start : start + size] for start in range(0, len(MIME), size)]
    assert b"".join(map(stuffing.stuffed, pieces)) == STUFFED
    assert stuffing.end() == b"\r\n"


@pytest.mark.parametrize(
    ("mime", "stuffed", "end"),
    [
        (b".", b"..", b"\r\n"),
        (b"", b"", b""),
        (b"a.\r\n", b"a.\r\n", b""),
        (b"a\n.\n", b"a\n.\n", b"\r\n"),  # no line of its own: servers end content at CRLF only
        (b"a\r", b"a\r", b"\r\n"),
    ],
)
def test_content_on_the_wire(mime, stuffed, end):
    stuffing = DotStuffing()
    assert (stuffing.stuffed(mime), stuffing.end()) == (stuffed, end)


async def test_streamed_content_arrives_as_it_was_written():
    pieces = [MIME[:16], *(b"x" * 76 + b"\r\n." for _ in range(20_000)), MIME[16:]]
    async with smtp_server() as server:
        outcome = await submit(server, streamed(*pieces))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert server.contents[0].replace(b"\r\n..", b"\r\n.") == b"".join(pieces) + b"\r\n.\r\n"
    assert server.commands[1] == f"MAIL FROM:<ann@contoso.com> SIZE={len(b''.join(pieces))} BODY=8BITMIME"


async def test_storage_that_fails_in_the_middle_ends_the_connection_before_the_content_is_whole():
    submission = streamed(b"Subject: x\r\n\r\n", b"first\r\n", b"second\r\n", fails_after=2)
    async with smtp_server() as server, asyncio.timeout(2):
        with provider(server) as one:
            outcome = await one.submit(submission)
            assert one._pool._kept.idle == []
    assert (outcome.kind, outcome.stage) == (OutcomeKind.TRANSIENT, "data")
    assert server.contents == []
    assert submission.content.closed == 1


async def test_storage_that_fails_at_once_begins_no_transaction():
    async with smtp_server() as server:
        outcome = await submit(server, streamed(b"Subject: x\r\n\r\n", fails_after=0))
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "MAIL" not in server.steps


async def test_content_that_the_server_does_not_take_in_time_was_not_sent(monkeypatch):
    monkeypatch.setattr(transaction, "COMMAND_SECONDS", 0.05)
    monkeypatch.setattr(transaction, "SLOWEST_UPLOAD", 10**9)
    async with smtp_server({"data": "354 go on"}) as server:
        server.takes_content = False
        outcome = await submit(server, streamed(b"Subject: x\r\n\r\n", *[b"x" * 1_000_000] * 20))
    assert (outcome.kind, outcome.stage) == (OutcomeKind.TRANSIENT, "data")
    assert "timed out" in outcome.reply


TOO_LARGE = "552 5.3.4 message too large"
LARGE = [b"Subject: x\r\n\r\n", *[b"x" * 1_000_000 + b"\r\n"] * 20]


# what the server says in the middle of the content -> what it means
@pytest.mark.parametrize(
    ("said", "kind", "reply"),
    [
        ((TOO_LARGE, DROP), OutcomeKind.PERMANENT, TOO_LARGE),
        ((TOO_LARGE, HANG), OutcomeKind.PERMANENT, TOO_LARGE),
        (("451 4.3.0 later", DROP), OutcomeKind.TRANSIENT, "451 4.3.0 later"),
        (("250 2.0.0 queued", HANG), OutcomeKind.TRANSIENT, "lost before the content was sent"),
        ((DROP,), OutcomeKind.TRANSIENT, "lost before the content was sent"),
    ],
)
async def test_answer_in_the_middle_of_the_content_means(said, kind, reply):
    async with smtp_server({"upload": said}) as server, asyncio.timeout(5):
        outcome = await submit(server, streamed(*LARGE))
    assert (outcome.kind, outcome.stage) == (kind, "data")
    assert outcome.reply.startswith(reply)


async def test_answer_before_the_last_piece_is_seen():
    async def pieces():
        yield b"Subject: x\r\n\r\nfirst\r\n"
        yield b"second\r\n"
        await server.hanging.wait()
        await asyncio.sleep(0)
        yield b"last\r\n"

    content = StreamedContent([b"x" * 40])
    content.chunks = pieces
    async with smtp_server({"upload": (TOO_LARGE, HANG)}) as server, asyncio.timeout(5):
        outcome = await submit(server, replace(SUBMISSION, content=content))
    assert (outcome.kind, outcome.reply) == (OutcomeKind.PERMANENT, TOO_LARGE)


async def test_time_for_the_answer_grows_with_the_size(monkeypatch):
    monkeypatch.setattr(transaction, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(transaction, "SLOWEST_UPLOAD", 1)
    async with smtp_server({"content": HANG}) as server:
        with provider(server) as one, pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await one.submit(SUBMISSION)


@pytest.mark.slow
async def test_a_hundred_megabytes_pass_in_a_few():
    piece = (b"x" * 76 + b"\r\n") * 53_000  # 4 MB, as the storage client reads them
    submission = streamed(b"Subject: x\r\n\r\n", *[piece] * 25)
    async with smtp_server(extensions=()) as server:
        server.keeps_content = False
        tracemalloc.start()
        try:
            outcome = await submit(server, submission)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peak < 3 * 1024 * 1024


async def test_8_bit_is_declared_only_where_it_may_be_needed():
    async with smtp_server() as server:
        await submit(server)
        await submit(server, replace(SUBMISSION, content=InlineContent("Subject: x\r\n\r\nGrüße\r\n".encode())))
    mails = [command for command in server.commands if command.startswith("MAIL")]
    assert ["8BITMIME" in mail for mail in mails] == [False, True]


GRUESSE = "Grüße\r\n".encode()


# content in octets beyond ASCII, where the server did not say that it takes them (RFC 6152)
@pytest.mark.parametrize(
    ("content", "commands"),
    [
        (InlineContent(b"Subject: x\r\n\r\n" + GRUESSE), ["EHLO"]),
        (StreamedContent([b"Subject: x\r\n\r\n" + GRUESSE, b"end\r\n"]), ["EHLO"]),
        (StreamedContent([b"Subject: x\r\n\r\n", GRUESSE, b"end\r\n"]), ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]),
        (StreamedContent([b"Subject: x\r\n\r\n", GRUESSE]), ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]),
    ],
)
async def test_8_bit_is_refused_in_our_words_where_the_server_does_not_take_it(content, commands):
    async with smtp_server(extensions=("SIZE",)) as server:
        outcome = await submit(server, replace(SUBMISSION, content=content))
    assert (outcome.kind, server.steps, server.contents) == (OutcomeKind.PERMANENT, commands, [])
    assert "8BITMIME" in outcome.reply


async def test_envelope_sender_can_be_the_account_s():
    async with smtp_server() as server:
        await submit(server, envelope_sender="bounces@contoso.com")
    assert server.commands[1].startswith("MAIL FROM:<bounces@contoso.com>")


async def test_refused_recipients_wait_or_not_as_the_server_s_words_mean():
    replies = {"rcpt to:<bob@example.com>": "554 5.2.2 mailbox full", "rcpt to:<eve@example.com>": "550 5.1.1 unknown"}
    async with smtp_server(replies) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.retry_after) == (OutcomeKind.TRANSIENT, LATER)
    assert [one.verdict for one in outcome.recipients.values()] == [WAITS, REFUSED]


async def test_sign_in_that_the_server_misses_at_rcpt_is_no_fault_of_the_recipient():
    async with smtp_server({"rcpt": "530 5.7.57 Client not authenticated to send mail"}) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.CONFIGURATION, "rcpt")
    assert {one.verdict for one in outcome.recipients.values()} == {WAITS}


@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    [
        ("554 5.2.0 STOREDRV.Submission; SubmissionQuotaExceededException", OutcomeKind.TRANSIENT, LATER),
        ("554 5.2.0 MapiExceptionSendAsDenied", OutcomeKind.CONFIGURATION, None),
        ("554 5.6.0 unheard of", OutcomeKind.PERMANENT, None),
        ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", OutcomeKind.TRANSIENT, None),
    ],
)
async def test_refused_content_means(reply, kind, wait):
    async with smtp_server({"content": reply}) as server:
        outcome = await submit(server)
    assert (outcome.kind, outcome.retry_after, outcome.reply) == (kind, wait, reply)


# ---- many recipients

MANY = replace(SUBMISSION, recipients=tuple(f"r{number}@example.com" for number in range(7)))
TOO_MANY = "452 4.5.3 Error: too many recipients"


def envelopes(server: SmtpServer) -> list[list[str]]:
    """The recipients of each transaction, shortened: those that were named, whatever the server said."""
    found: list[list[str]] = []
    for command in server.commands:
        if command.startswith("MAIL"):
            found.append([])
        elif command.startswith("RCPT"):
            found[-1].append(command.removeprefix("RCPT TO:<").partition("@")[0])
    return found


async def test_recipients_beyond_what_a_service_takes_go_in_further_transactions():
    async with smtp_server() as server:
        outcome = await submit(server, MANY, most_recipients=3)
    assert (outcome.kind, outcome.recipients) == (OutcomeKind.DELIVERED, {})
    assert envelopes(server) == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]
    assert server.connections == 1


async def test_server_says_in_ehlo_how_many_it_takes():
    async with smtp_server(extensions=(*EXTENSIONS, "LIMITS MAILMAX=50 RCPTMAX=4")) as server:
        outcome = await submit(server, MANY)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert envelopes(server) == [["r0", "r1", "r2", "r3"], ["r4", "r5", "r6"]]


@pytest.mark.parametrize("reply", [TOO_MANY, "452 too many recipients", "552 5.5.3 no more"])
async def test_those_whom_the_server_takes_no_more_go_in_the_next_transaction(reply, pipelined):
    usual = "250 2.1.5 OK"
    async with smtp_server({"rcpt": [*[usual] * 5, reply]}) as server:
        outcome = await submit(server, MANY)
    assert outcome.kind is OutcomeKind.DELIVERED
    taken, left = (["r6"], ["r5"]) if pipelined else ([], ["r5", "r6"])
    assert envelopes(server) == [["r0", "r1", "r2", "r3", "r4", "r5", *taken], left]
    assert len(server.contents) == 2


# what becomes of the content for r0 and r1 -> kind, and what they are told
@pytest.mark.parametrize(
    ("replies", "kind", "told"),
    [
        ({"content": [DROP]}, OutcomeKind.UNCONFIRMED, None),
        ({"content": [HANG]}, OutcomeKind.UNCONFIRMED, None),
        ({"upload": ("552 5.3.4 too large", DROP)}, OutcomeKind.TRANSIENT, REFUSED),
    ],
)
async def test_those_whom_the_server_takes_no_more_wait_whatever_becomes_of_the_content(replies, kind, told):
    content = streamed(*LARGE).content if "upload" in replies else SUBMISSION.content
    three = replace(MANY, recipients=MANY.recipients[:3], content=content, seconds=0.5)
    refusal = {"rcpt to:<r2@example.com>": TOO_MANY, "connect": ["220 test", "421 busy"]}
    async with smtp_server(replies | refusal) as server:
        outcome = await submit(server, three)
    assert (outcome.kind, verdicts(outcome)[:3]) == (kind, [told, told, WAITS])


async def test_transaction_that_is_refused_for_its_recipients_is_halved():
    async with smtp_server({"content": ["554 5.5.3 too many recipients"]}) as server:
        outcome = await submit(server, MANY)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert [len(envelope) for envelope in envelopes(server)] == [7, 3, 3, 1]


async def test_server_that_takes_not_even_one_is_no_endless_loop():
    async with smtp_server({"rcpt": TOO_MANY}) as server:
        outcome = await submit(server, MANY)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert len(envelopes(server)) == 1


def verdicts(outcome: Outcome) -> list[RecipientVerdict | None]:
    """Of MANY. None: what all are told."""
    told = map(outcome.recipients.get, MANY.recipients)
    return [one.verdict if one else None for one in told]


# content's answers -> kind, and what each part's recipients (r0-r2, r3-r5, r6) are told: None = what all are told
@pytest.mark.parametrize(
    ("answers", "kind", "told"),
    [
        (["250 OK", "451 4.3.0 later"], OutcomeKind.PARTLY_DELIVERED, (ACCEPTED, WAITS, WAITS)),
        (["250 OK", "554 5.6.0 no"], OutcomeKind.PARTLY_DELIVERED, (ACCEPTED, REFUSED, ACCEPTED)),
        (["250 OK", DROP], OutcomeKind.UNCONFIRMED, (ACCEPTED, None, WAITS)),
        (["451 4.3.0 later"], OutcomeKind.TRANSIENT, (WAITS, WAITS, WAITS)),
        (["554 5.6.0 no", "250 OK"], OutcomeKind.PARTLY_DELIVERED, (REFUSED, ACCEPTED, ACCEPTED)),
        (["554 5.6.0 no", "554 5.6.0 no", "554 5.6.0 no"], OutcomeKind.PERMANENT, (REFUSED, REFUSED, REFUSED)),
        (["554 5.6.0 no", DROP], OutcomeKind.UNCONFIRMED, (REFUSED, None, WAITS)),
    ],
)
async def test_each_recipient_has_the_fate_of_its_transaction(answers, kind, told):
    async with smtp_server({"content": answers}) as server:
        outcome = await submit(server, MANY, most_recipients=3)
    assert (outcome.kind, tuple(verdicts(outcome)[::3])) == (kind, told)


# what the second part's server does -> kind, and what those of the second part are told
@pytest.mark.parametrize(
    ("replies", "kind", "verdict"),
    [
        ({"content": ["250 OK", HANG]}, OutcomeKind.UNCONFIRMED, None),
        ({"data": ["354 go on", HANG]}, OutcomeKind.PARTLY_DELIVERED, WAITS),
        ({"rcpt": [*["250 OK"] * 4, HANG]}, OutcomeKind.PARTLY_DELIVERED, WAITS),
        ({"mail": ["250 OK", "421 bye"], "connect": ["220 test", HANG]}, OutcomeKind.PARTLY_DELIVERED, WAITS),
    ],
)
async def test_time_that_is_over_in_a_later_part_leaves_the_earlier_ones_as_they_are(replies, kind, verdict):
    async with smtp_server(replies) as server:
        outcome = await submit(server, replace(MANY, seconds=0.3), most_recipients=4)
    assert (outcome.kind, verdicts(outcome)) == (kind, [ACCEPTED] * 4 + [verdict] * 3)
    assert "timed out" in outcome.reply
    assert server.open_connections == 0


@pytest.mark.parametrize(
    ("part", "method", "kind", "verdict"),
    [
        (connection.Connector, "_take_steps", OutcomeKind.PARTLY_DELIVERED, WAITS),
        (connection.Connection, "offers", OutcomeKind.PARTLY_DELIVERED, WAITS),
        (connection.Connection, "end_content", OutcomeKind.UNCONFIRMED, None),
    ],
)
async def test_error_that_nobody_expects_in_a_later_part_leaves_the_earlier_ones_as_they_are(
    part, method, kind, verdict, monkeypatch
):
    usual = getattr(part, method)

    def broken_after_one_content(*args):
        if server.contents:
            raise KeyError("secret")
        return usual(*args)

    monkeypatch.setattr(pool, "MOST_MESSAGES", 1)
    monkeypatch.setattr(part, method, broken_after_one_content)
    async with smtp_server() as server:
        outcome = await submit(server, MANY, most_recipients=4)
    assert (outcome.kind, verdicts(outcome)) == (kind, [ACCEPTED] * 4 + [verdict] * 3)
    assert outcome.reply == "internal error: KeyError"


async def never(*_) -> None:
    await asyncio.Event().wait()


async def broken(*_) -> None:
    raise KeyError("secret")


@pytest.mark.parametrize(("keep", "words"), [(never, "timed out: there was no time left"), (broken, "internal error")])
async def test_storage_that_keeps_no_progress_leaves_the_earlier_parts_as_they_are(keep, words):
    """Who was told that they have it is not sent to again."""

    async def keep_progress(*told):
        await (keep(*told) if server.contents else asyncio.sleep(0))

    async with smtp_server() as server, asyncio.timeout(5):
        outcome = await submit(server, replace(MANY, seconds=0.3, keep_progress=keep_progress), most_recipients=4)
    assert (outcome.kind, verdicts(outcome)) == (OutcomeKind.PARTLY_DELIVERED, [ACCEPTED] * 4 + [WAITS] * 3)
    assert words in outcome.reply


async def test_content_is_not_handed_over_where_no_time_is_left_for_its_answer():
    async with smtp_server() as server:
        with provider(server, clock=lambda: 100.0 * server.steps.count("DATA")) as one:
            outcome = await one.submit(replace(SUBMISSION, seconds=50))
    assert (outcome.kind, outcome.stage, server.contents) == (OutcomeKind.TRANSIENT, "data", [])


async def test_part_that_cannot_end_in_time_is_left_to_the_next_attempt():
    async with smtp_server() as server:
        with provider(server, clock=lambda: 10.0 * len(server.contents), most_recipients=2) as one:
            outcome = await one.submit(replace(MANY, seconds=25))
    assert envelopes(server) == [["r0", "r1"], ["r2", "r3"]]
    assert outcome.kind is OutcomeKind.PARTLY_DELIVERED
    assert verdicts(outcome) == [ACCEPTED] * 4 + [WAITS] * 3


async def test_server_that_is_slow_to_take_recipients_gets_the_content_for_those_it_took_in_half_of_the_time(
    pipelined, monkeypatch
):
    monkeypatch.setattr(transaction, "MOST_IN_ONE_GO", 3)  # MAIL and two recipients, then three of them
    async with smtp_server() as server:
        with provider(server, clock=lambda: 1.0 * server.steps.count("RCPT")) as one:
            outcome = await one.submit(replace(MANY, seconds=7))
    taken = ["r0", "r1", "r2", "r3", *["r4"] * pipelined]
    assert (outcome.kind, envelopes(server)) == (OutcomeKind.PARTLY_DELIVERED, [taken])
    assert len(server.contents) == 1


@pytest.mark.parametrize(
    ("step", "stage"), [("connect", "connect"), ("mail", "mail"), ("rcpt", "rcpt"), ("data", "data")]
)
async def test_time_that_is_over_before_the_content_is_transient(step, stage):
    async with smtp_server({step: HANG}) as server:
        outcome = await submit(server, replace(SUBMISSION, seconds=0.1))
    assert (outcome.kind, outcome.stage) == (OutcomeKind.TRANSIENT, stage)


async def test_recipient_refused_before_the_connection_was_lost_stays_refused():
    replies = {"rcpt": ["550 5.1.1 unknown", DROP]}
    async with smtp_server(replies) as server:
        outcome = await submit(server)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert {address: one.verdict for address, one in outcome.recipients.items()} == {"bob@example.com": REFUSED}


@pytest.mark.parametrize(
    "replies",
    [
        {"mail": ["250 of another email\r\n250 OK"], "rcpt": ["550 5.1.1 unknown"]},
        {"mail": ["354 go on"]},
        {"rcpt": ["550 5.1.1 unknown", "334 go on"]},
        {"rcpt": ["550 5.1.1 unknown"], "data": ["250 OK"]},
    ],
)
async def test_nobody_is_refused_by_a_server_that_is_out_of_step(replies):
    async with smtp_server(replies) as server:
        with provider(server) as one:
            outcome, then = await one.submit(SUBMISSION), await one.submit(SUBMISSION)
    assert (outcome.kind, outcome.recipients) == (OutcomeKind.TRANSIENT, {})
    assert (then.kind in HANDED_OVER, server.connections, len(server.contents)) == (True, 2, 1)


async def test_refusal_is_somebody_s_where_each_command_had_its_answer_before_one_came_too_many(pipelined):
    async with smtp_server({"rcpt": ["550 5.1.1 unknown", "250 OK\r\n250 OK"]}) as server:
        outcome = await submit(server)
    told = {} if pipelined else {"bob@example.com": REFUSED}
    assert (outcome.kind, server.contents) == (OutcomeKind.TRANSIENT, [])
    assert {address: one.verdict for address, one in outcome.recipients.items()} == told


async def test_sign_in_refused_in_a_later_part_is_what_the_outcome_tells():
    replies = {"auth": ["235 welcome", "535 5.7.8 wrong"], "mail": ["250 OK", "421 bye"]}
    async with smtp_server(replies, (*EXTENSIONS, "AUTH PLAIN")) as server:
        with provider(
            server, secrets(smtp_password="x"), authentication="password", user_name="ann", most_recipients=4
        ) as one:
            outcome = await one.submit(MANY)
    assert (outcome.stage, outcome.code, outcome.reply) == ("auth", 535, "535 5.7.8 wrong")
    assert outcome.recipients["r0@example.com"].verdict is ACCEPTED


async def test_server_that_goes_away_between_two_transactions_leaves_the_rest_waiting():
    async with smtp_server({"mail": ["250 OK", "421 bye"], "connect": ["220 test", "421 busy"]}) as server:
        outcome = await submit(server, MANY, most_recipients=4)
    assert (outcome.kind, outcome.stage) == (OutcomeKind.PARTLY_DELIVERED, "connect")
    assert verdicts(outcome) == [ACCEPTED] * 4 + [WAITS] * 3


async def test_wait_that_a_later_part_asks_for_is_kept():
    quota = "554 5.2.0 SubmissionQuotaExceededException"
    async with smtp_server({"content": ["250 OK", quota]}) as server:
        outcome = await submit(server, MANY, most_recipients=4)
    assert (outcome.kind, outcome.retry_after) == (OutcomeKind.PARTLY_DELIVERED, timedelta(hours=1))


# ---- the test email


async def test_rehearsal_tells_each_step():
    async with smtp_server(extensions=(*EXTENSIONS, "AUTH PLAIN")) as server:
        with provider(server) as one:
            rehearsal = await one.rehearse(SUBMISSION)
    assert rehearsal.outcome.kind is OutcomeKind.DELIVERED
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [
        (name, True) for name in ("resolve", "connect", "ehlo", "mail", "rcpt", "rcpt", "data")
    ]
    details = {step.name: step.detail for step in rehearsal.steps}
    assert (details["resolve"], details["connect"]) == ("127.0.0.1", "220 test ESMTP")
    assert details["data"] == "250 2.0.0 queued as 4711"


@pytest.mark.parametrize(
    ("replies", "steps", "failed"),
    [
        ({"connect": "554 5.7.1 no"}, 1, "connect"),
        ({"ehlo": DROP}, 2, "ehlo"),
        ({"mail": "550 5.7.60 no"}, 3, "mail"),
        ({"rcpt": "550 5.1.1 no"}, 4, "rcpt"),
        ({"content": "554 5.6.0 no"}, 6, "data"),
    ],
)
async def test_rehearsal_ends_with_the_step_that_failed(replies, steps, failed):
    async with smtp_server(replies) as server:
        with provider(server) as one:
            rehearsal = await one.rehearse(SUBMISSION)
    assert [step.succeeded for step in rehearsal.steps] == [True] * steps + [False]
    assert (rehearsal.steps[-1].name, rehearsal.steps[-1].detail) == (failed, rehearsal.outcome.reply)


async def test_rehearsal_names_a_server_that_nobody_knows(monkeypatch):
    def unknown(*_args, **_about):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # no question to a real name server
    async with smtp_server() as server:
        with provider(server, server="nobody.invalid") as one:
            rehearsal = await one.rehearse(SUBMISSION)
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("resolve", False)]


async def test_rehearsal_takes_a_new_connection_and_leaves_it_to_the_next_email():
    async with smtp_server() as server:
        with provider(server, max_connections=1) as one:
            await one.submit(SUBMISSION)
            await one.rehearse(SUBMISSION)
            await one.submit(SUBMISSION)
    assert server.connections == 2
    assert len(server.contents) == 3


async def test_connection_that_was_kept_after_a_rehearsal_may_have_been_left_by_the_server():
    async with smtp_server({"mail": ["421 bye", "250 OK"]}) as server:
        with provider(server) as one:
            await one.rehearse(None)
            assert (await one.submit(SUBMISSION)).kind is OutcomeKind.DELIVERED
    assert server.connections == 2
