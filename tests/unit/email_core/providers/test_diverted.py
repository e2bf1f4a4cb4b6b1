"""Where mail goes in test environments, whatever the provider."""

from dataclasses import replace

import pytest

from email_core.content import InlineContent, whole
from email_core.errors import StorageUnavailable
from email_core.parameters import Parameters
from email_core.providers.base import Outcome, OutcomeKind, RecipientReply, RecipientVerdict, Submission
from email_core.providers.diverted import Redirected, Withheld, in_delivery_mode
from tests.support.doors import IdleProvider

MIME = b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSubject: Statement\r\n\r\nHello\r\n"
EMAIL = Submission(
    sender="ann@contoso.com",
    recipients=("bob@example.com", "eve@example.com"),
    bcc=("eve@example.com",),
    message_id="<1@contoso.com>",
    content=InlineContent(MIME),
)


class Pieces:
    """Content that comes in several pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.size = sum(map(len, pieces))

    async def chunks(self):
        for piece in self._pieces:
            yield piece


class Unreadable(Pieces):
    async def chunks(self):
        raise StorageUnavailable("read an email's content")
        yield b""


@pytest.mark.parametrize(("mode", "kind"), [("redirect", Redirected), ("hold", Withheld), ("live", IdleProvider)])
def test_each_mode_has_its_way(mode, kind):
    parameters = Parameters(delivery_mode=mode, redirect_address="test@contoso.com")
    assert type(in_delivery_mode(parameters, {"smtp": IdleProvider()})["smtp"]) is kind


def test_mode_that_nobody_knows_lets_nothing_out():
    assert type(in_delivery_mode(Parameters(delivery_mode="x"), {"smtp": IdleProvider()})["smtp"]) is Withheld


def test_address_is_the_one_that_servers_know():
    parameters = Parameters(delivery_mode="redirect", redirect_address="test@bücher.example")
    assert in_delivery_mode(parameters, {"smtp": IdleProvider()})["smtp"]._address == "test@xn--bcher-kva.example"


@pytest.mark.parametrize("size", [1, 2, 3, 30, 60, 72, 74])
async def test_header_in_several_pieces_is_redirected_as_a_whole(size):
    inner = IdleProvider()
    pieces = [MIME[start : start + size] for start in range(0, len(MIME), size)]
    await Redirected(inner, "test@contoso.com").submit(replace(EMAIL, content=Pieces(*pieces)))
    (sent,) = inner.submissions
    octets = await whole(sent.content)
    assert b"\r\nTo: bob" not in octets
    assert octets.endswith(b"\r\n\r\nHello\r\n")
    assert sent.content.size == len(octets)


@pytest.mark.parametrize("pieces", [(MIME,), (MIME[:-3], MIME[-3:]), (MIME[:-7], b"Hello\r\n"), (MIME, b"x" * 9)])
async def test_redirected_mail_goes_to_one_address_with_its_size_and_the_same_body(pieces):
    inner = IdleProvider()
    await Redirected(inner, "test@contoso.com").submit(replace(EMAIL, content=Pieces(*pieces)))
    (sent,) = inner.submissions
    octets = await whole(sent.content)
    assert (sent.recipients, sent.bcc, sent.sender) == (("test@contoso.com",), (), "ann@contoso.com")
    assert octets.partition(b"\r\n\r\n")[2] == b"".join(pieces).partition(b"\r\n\r\n")[2]
    assert sent.content.size == len(octets)
    assert octets.startswith(b"To: test@contoso.com\r\n")
    assert await whole(sent.content) == octets, "it can be read again"


async def test_what_was_redirected_says_so():
    outcome = await Redirected(IdleProvider(), "test@contoso.com").submit(EMAIL)
    assert outcome.reply == "250 OK (redirected to test@contoso.com: delivery_mode is redirect)"


async def test_reply_to_the_one_address_is_every_recipient_s_and_its_words_stay():
    inner = IdleProvider()
    reply = RecipientReply(RecipientVerdict.REFUSED, "550 no")
    inner.outcome = Outcome(kind=OutcomeKind.PERMANENT, reply="550 no", recipients={"test@contoso.com": reply})
    outcome = await Redirected(inner, "test@contoso.com").submit(EMAIL)
    assert (outcome.reply, outcome.recipients) == ("550 no", dict.fromkeys(EMAIL.recipients, reply))


async def test_content_that_cannot_be_read_is_tried_again():
    outcome = await Redirected(IdleProvider(), "test@contoso.com").submit(replace(EMAIL, content=Unreadable()))
    assert outcome.kind is OutcomeKind.TRANSIENT


async def test_held_mail_goes_nowhere():
    inner = IdleProvider()
    provider = Withheld(inner)
    assert (await provider.submit(EMAIL)).kind is OutcomeKind.DEFERRED
    rehearsal = await provider.rehearse(EMAIL)
    assert rehearsal.outcome.kind is OutcomeKind.HELD
    assert inner.submissions == []
