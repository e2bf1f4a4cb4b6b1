"""What is made of a server's octets, in whatever pieces they come."""

import asyncio

import pytest

from email_core.providers.smtp import dialogue
from email_core.providers.smtp.connection import AnsweredEarly, Connection
from email_core.providers.smtp.dialogue import ConnectionLost, Dialogue, OutOfStep

THREE = b"250-one\r\n250 two\r\n550 5.1.1 unknown\r\n354\r\n"
HEARD = [(250, "250 one two"), (550, "550 5.1.1 unknown"), (354, "354")]


class Wire:
    """The transport's part: what was written, and whether it was broken off."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def set_protocol(self, _: asyncio.BaseProtocol) -> None:
        pass

    def write(self, octets: bytes) -> None:
        self.written += octets

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def talking(replies: int = 0) -> Dialogue:
    one = Dialogue(Wire())
    one.say(b"", replies)
    return one


async def heard(one: Dialogue) -> list[tuple[int, str]]:
    return [tuple(await one.reply()) for _ in range(one.awaited)]


@pytest.mark.parametrize("size", range(1, len(THREE) + 1))
async def test_replies_are_heard_in_order_wherever_they_are_cut(size):
    one = talking(3)
    for start in range(0, len(THREE), size):
        one.data_received(THREE[start : start + size])
    assert await heard(one) == HEARD
    assert (one.awaited, one.is_open) == (0, True)


async def test_reply_that_comes_later_is_waited_for():
    one = talking(3)
    listening = asyncio.create_task(heard(one))
    for line in THREE.splitlines(keepends=True):
        await asyncio.sleep(0)
        one.data_received(line)
    assert await listening == HEARD


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"garbage\r\n", "Malformed SMTP response line: garbage"),
        (b"25\r\n", "Malformed"),
        (b"\r\n", "Malformed"),
        (b"\xb2\xb2\xb2 OK\r\n", "Malformed"),
        (b"099 OK\r\n", "the server answered 99"),
        (b"600 OK\r\n", "the server answered 600"),
    ],
)
async def test_what_is_no_reply_ends_it_and_those_before_it_are_heard(octets, words):
    one = talking(3)
    one.data_received(b"250 first\r\n" + octets + b"250 third\r\n")
    assert await one.reply() == (250, "250 first")
    with pytest.raises(ConnectionLost, match=words):
        await one.reply()
    assert not one.is_open


@pytest.mark.parametrize("octets", [b"x" * 100, b"250-x\r\n" * 100, b"250-\r\n" * 100])
async def test_reply_without_an_end_ends_it(octets, monkeypatch):
    monkeypatch.setattr(dialogue, "LONGEST_REPLY", 99)
    one = talking(1)
    one.data_received(octets)
    with pytest.raises(ConnectionLost, match="too long"):
        await one.reply()


async def test_word_that_nobody_asked_for_answers_nothing_that_is_asked_later():
    one = talking()
    one.data_received(b"250 forged\r\n")
    assert not one.is_open
    one.say(b"MAIL\r\n", replies=1)
    with pytest.raises(ConnectionLost, match="unasked"):
        await one.reply()


@pytest.mark.parametrize(("asked", "more", "trusted"), [(1, b"250 OK", 1), (2, b"250 OK", 0), (2, b"421 bye", 2)])
async def test_one_reply_too_many_makes_those_to_several_commands_worthless(asked, more, trusted):
    one = talking(asked)
    one.data_received(b"250 OK\r\n" * asked + more + b"\r\n")
    for _ in range(trusted):
        assert await one.reply() == (250, "250 OK")
    with pytest.raises(ConnectionLost, match="unasked"):
        await one.reply()


@pytest.mark.parametrize("begun", [b"250 twi", b"250-twice\r\n"])
@pytest.mark.parametrize("asked", [0, 1])
async def test_beginning_of_a_reply_that_nobody_asked_for_is_not_what_is_asked_next(begun, asked):
    one = talking(asked)
    one.data_received(b"250 OK\r\n" * asked + begun)
    assert await heard(one) == [(250, "250 OK")] * asked
    one.say(b"MAIL\r\n", replies=1)
    with pytest.raises(ConnectionLost, match="unasked"):
        await asyncio.wait_for(one.reply(), 1)


@pytest.mark.parametrize(("more", "reason"), [(b"250 OK", OutOfStep), (b"421 bye", ConnectionLost)])
async def test_who_hears_a_reply_too_many_is_told_that_those_before_may_be_others_too(more, reason):
    one = talking(3)
    one.data_received(b"250 OK\r\n")
    await one.reply()
    one.data_received(b"250 OK\r\n" * 2 + more + b"\r\n")
    one.say(b"RSET\r\n", replies=1)
    with pytest.raises(ConnectionLost) as end:
        await heard(one)
    assert type(end.value) is reason


async def test_answer_that_has_begun_before_the_content_s_end_is_waited_for():
    connection = Connection(Wire(), {}, opened_at=0.0)
    connection.begin_content()
    connection._dialogue.data_received(b"552 5.3.4 too la")
    heeding = asyncio.create_task(connection.heed_early_answer())
    await asyncio.sleep(0)
    connection._dialogue.data_received(b"rge\r\n")
    with pytest.raises(AnsweredEarly) as early:
        await heeding
    assert early.value.reply == (552, "552 5.3.4 too large")


async def test_transport_that_closed_before_it_was_taken_over_is_waited_for_by_nobody():
    wire = Wire()
    wire.abort()
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(Dialogue(wire).reply(), 1)


@pytest.mark.parametrize("ends", [Dialogue.eof_received, lambda one: one.connection_lost(OSError("reset by peer"))])
async def test_replies_before_the_end_are_heard(ends):
    one = talking(2)
    one.data_received(b"552 too large\r\n")
    ends(one)
    assert await one.reply() == (552, "552 too large")
    with pytest.raises(ConnectionLost, match="Connection lost"):
        await one.reply()


async def test_broken_transport_is_news_before_it_says_so():
    one = talking(1)
    one._transport.abort()
    assert one.has_news


@pytest.mark.parametrize(
    "news", [Dialogue.resume_writing, Dialogue.eof_received, lambda one: one.data_received(b"552 no\r\n")]
)
async def test_who_waits_for_room_is_told_of_any_news(news):
    one = talking(1)
    one.pause_writing()
    writing = asyncio.create_task(one.room())
    await asyncio.sleep(0)
    assert not writing.done()
    news(one)
    await writing
