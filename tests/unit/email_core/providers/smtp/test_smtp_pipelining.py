"""Several commands in one go (RFC 2920): when, how many, and what is left to hear when something was refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from email_core.providers.base import OutcomeKind
from email_core.providers.smtp import connection, transaction
from email_core.providers.smtp.provider import ONE_AT_A_TIME_SECONDS
from tests.support.eventually import soon
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, SUBMISSION, SmtpServer, provider, smtp_server

PIPELINING = (*EXTENSIONS, "PIPELINING")
ALONE = replace(SUBMISSION, recipients=("bob@example.com",))
DELIVERED, PERMANENT, TRANSIENT = OutcomeKind.DELIVERED, OutcomeKind.PERMANENT, OutcomeKind.TRANSIENT
TRANSACTION = ["MAIL", "RCPT", "DATA"]


async def submit(server: SmtpServer, submission=ALONE, times: int = 1) -> list[OutcomeKind]:
    with provider(server) as one:
        return [(await one.submit(submission)).kind for _ in range(times)]


@asynccontextmanager
async def withholding_server(*goes: int) -> AsyncIterator[SmtpServer]:
    """Answers when so many commands have come, and not before. `commands` has what came in each go."""
    server = SmtpServer({}, ())

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(b"250-test\r\n250 PIPELINING\r\n")
        for go in goes:
            lines = [await reader.readline() for _ in range(go)]
            server.commands.append(f"{go} and {len(reader._buffer)} octets more")
            writer.writelines(b"354 go on\r\n" if line == b"DATA\r\n" else b"250 OK\r\n" for line in lines)
        server.contents.append(await reader.readuntil(b"\r\n.\r\n"))
        writer.write(b"250 OK\r\n")
        writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


# recipients -> commands in each go: MAIL, the recipients, DATA
@pytest.mark.parametrize(("recipients", "goes"), [(1, (3,)), (48, (50,)), (49, (50, 1)), (120, (50, 50, 22))])
async def test_commands_before_the_content_go_together_in_bounded_groups(recipients, goes):
    many = replace(SUBMISSION, recipients=tuple(f"r{number}@example.com" for number in range(recipients)))
    async with withholding_server(*goes) as server, asyncio.timeout(5):
        assert await submit(server, many) == [DELIVERED]
    assert server.commands == [f"{go} and 0 octets more" for go in goes]


async def test_server_that_does_not_offer_it_gets_one_command_at_a_time():
    async with smtp_server({"rcpt": ["550 5.1.1 unknown"]}) as server:
        assert await submit(server) == [PERMANENT]
    assert server.steps == ["EHLO", "MAIL", "RCPT"]


@pytest.mark.parametrize(
    ("answer", "contents"), [("554 5.5.1 no valid recipients", []), ("354 go on", [b".\r\n"])], ids=["554", "354"]
)
async def test_content_that_is_asked_for_with_every_recipient_refused_is_a_dot_and_nobody_s(answer, contents):
    replies = {"rcpt": ["550 5.1.1 unknown"], "data": [answer]}
    async with smtp_server(replies, PIPELINING) as server:
        assert await submit(server, times=2) == [PERMANENT, DELIVERED]
        assert server.contents[:-1] == contents
        assert server.steps == ["EHLO", *TRANSACTION, "RSET", *TRANSACTION]
    assert server.connections == 1


async def test_content_that_is_asked_for_with_the_sender_refused_is_not_ended_for_those_accepted():
    async with smtp_server({"mail": ["550 5.7.1 not you"]}, PIPELINING) as server:
        kinds = await submit(server, times=2)
    assert kinds[1] is DELIVERED
    assert kinds[0] is not DELIVERED
    assert (len(server.contents), server.connections) == (1, 2)


@pytest.mark.parametrize("then", [DROP, "garbage", "421 bye", HANG])
async def test_refusal_stands_whatever_the_server_answers_to_the_rest(then, monkeypatch):
    monkeypatch.setattr("email_core.providers.smtp.pool.CHECK_SECONDS", 0.05)
    async with smtp_server({"mail": ["550 5.1.8 bad sender"], "rcpt": [then]}, PIPELINING) as server:
        with provider(server) as one:
            refused, delivered = await one.submit(ALONE), await one.submit(ALONE)
    assert (refused.stage, refused.code, refused.reply) == ("mail", 550, "550 5.1.8 bad sender")
    assert delivered.kind is DELIVERED
    assert len(server.contents) == 1


@pytest.mark.parametrize("answer", [DROP, "garbage", "421 bye", HANG])
async def test_server_that_stumbles_over_several_gets_one_at_a_time_for_a_while(answer, monkeypatch):
    monkeypatch.setattr(connection, "COMMAND_SECONDS", 0.05)
    refused = "550 5.1.1 unknown"
    now = 0.0
    async with smtp_server({"rcpt": [answer, refused, refused]}, PIPELINING) as server:
        with provider(server, clock=lambda: now) as one:
            assert (await one.submit(ALONE)).kind is TRANSIENT
            assert (await one.submit(ALONE)).kind is PERMANENT
            assert server.steps[-2:] == ["MAIL", "RCPT"]
            now += ONE_AT_A_TIME_SECONDS
            assert (await one.submit(ALONE)).kind is PERMANENT
            await soon(lambda: server.steps[-3:] == TRANSACTION)


async def test_kept_connection_that_ends_before_an_answer_is_replaced_and_no_stumble():
    async with smtp_server({"mail": ["250 OK", DROP], "rcpt": ["250 OK", "550 5.1.1 unknown"]}, PIPELINING) as server:
        assert await submit(server, times=3) == [DELIVERED, PERMANENT, DELIVERED]
    assert server.steps[-7:] == [*TRANSACTION, "RSET", *TRANSACTION]


async def test_recipient_accepted_after_one_too_many_gets_the_content_and_the_other_the_next():
    three = replace(SUBMISSION, recipients=("a@example.com", "b@example.com", "c@example.com"))
    replies = {"rcpt to:<b@example.com>": ["452 4.5.3 too many recipients"], "content": ["250 OK", "554 5.6.0 no"]}
    async with smtp_server(replies, PIPELINING) as server:
        with provider(server) as one:
            outcome = await one.submit(three)
    assert outcome.kind is OutcomeKind.PARTLY_DELIVERED
    assert {address[0]: one.reply[:3] for address, one in outcome.recipients.items()} == {
        "a": "250",
        "b": "554",
        "c": "250",
    }


def test_a_group_is_no_larger_than_the_buffers_of_the_network():
    longest = len(b"RCPT TO:<>\r\n") + 254
    assert transaction.MOST_IN_ONE_GO * longest < 16 * 1024
