"""A large message in two, whatever pieces its content comes in."""

import base64
import email
import random
import time
from email.policy import default
from itertools import groupby

import pytest

from email_core.message import Address, Attachment, Message
from email_core.mime import build_mime
from email_core.providers.graph import large
from email_core.providers.graph.large import contents, divided
from email_core.providers.graph.scanner import CannotBeDivided
from tests.support.emails import NOON

CHANCE = random.Random(1)
BIG = CHANCE.randbytes(100_001)
LARGER = CHANCE.randbytes(150_000)


class Pieces:
    """Content that comes in pieces of some size."""

    def __init__(self, octets: bytes, size: int) -> None:
        self.octets, self.piece, self.size = octets, size, len(octets)
        self.readings = 0

    async def chunks(self):
        self.readings += 1
        for start in range(0, len(self.octets), self.piece):
            yield self.octets[start : start + self.piece]


def built(**parts) -> bytes:
    message = Message(
        sender=Address("ann@contoso.com", "Ann"), to=(Address("bob@example.com"),), subject="März", **parts
    )
    return build_mime(message, "1", NOON).mime


async def taken_apart(mime: bytes, piece: int):
    """What stays inside, parsed, and the files with their octets."""
    content = Pieces(mime, piece)
    inside, files = await divided(content)
    pieces = [(file, octets) async for file, octets in contents(content, files)]
    found = {file.name: b"".join(part for _, part in group) for file, group in groupby(pieces, lambda one: one[0])}
    assert [file.size for file in files] == [len(octets) for octets in found.values()]
    assert content.readings == 2
    return email.message_from_bytes(inside, policy=default), files, found


def leaves(message):
    return [part for part in message.walk() if part.get_content_maintype() != "multipart"]


SIZES = [61, 1000, 65_537, 10**9]


@pytest.mark.parametrize("piece", SIZES)
async def test_large_files_are_taken_out_and_all_else_stays(piece):
    mime = built(
        text="plain",
        html='<img src="cid:logo"><img src="cid:photo">',
        attachments=(
            Attachment("logo.png", "image/png", b"small", inline=True, content_id="logo"),
            Attachment("photo.jpg", "image/jpeg", BIG, inline=True, content_id="photo"),
            Attachment("März.pdf", "application/pdf", LARGER),
            Attachment("note.txt", "text/plain", b"short"),
        ),
    )
    inside, files, found = await taken_apart(mime, piece)
    assert found == {"photo.jpg": BIG, "März.pdf": LARGER}
    assert [(one.content_type, one.content_id, one.inline) for one in files] == [
        ("image/jpeg", "photo", True),
        ("application/pdf", None, False),
    ]
    assert inside["Subject"] == "März"
    assert [part.get_content_type() for part in leaves(inside)] == [
        "text/plain",
        "text/html",
        "image/png",
        "text/plain",
    ]
    assert inside.defects == []


@pytest.mark.parametrize("piece", SIZES)
async def test_message_without_files_stays_as_it_is(piece):
    mime = built(text="one\r\n--\r\n--two", html="<p>--</p>")
    inside, files = await divided(Pieces(mime, piece))
    assert (inside, files) == (mime, ())


def finished(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    head = b"From: a@b.example\r\nContent-Type: multipart/" + kind + b'; boundary="b"\r\n\r\npreamble\r\n'
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\nepilogue\r\n"


PDF = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
LONG = base64.encodebytes(BIG).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("piece", SIZES)
async def test_multipart_that_loses_all_its_parts_keeps_an_empty_one(piece):
    inside, _, found = await taken_apart(finished(PDF + LONG), piece)
    assert found == {"a.pdf": BIG}
    assert [(part.get_content_type(), part.get_content().strip()) for part in leaves(inside)] == [("text/plain", "")]
    assert inside.defects == []


@pytest.mark.parametrize("piece", SIZES)
@pytest.mark.parametrize(
    ("encoding", "body", "octets"),
    [
        (b"7bit", b"line\r\n" * 20_000, b"line\r\n" * 20_000),
        (b"quoted-printable", b"a=C3=A4 b=\r\n\r\n" * 20_000, "aä b\r\n".encode() * 20_000),
        (b"BASE64", LONG.rstrip() + b"\r\n", BIG),
        (b"base64", LONG.replace(b"\r\n", b" \t\r\n\r\n"), BIG),
        (b"base64", LONG.rstrip().rstrip(b"="), BIG),  # its padding is missing
        (b"base64", LONG.rstrip() + b"!!\r\nbehind its padding\r\n", BIG),
    ],
)
async def test_file_in_any_encoding_is_decoded(encoding, body, octets, piece):
    part = b"Content-Type: application/x; name=f\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    _, _, found = await taken_apart(finished(b"\r\ntext", part), piece)
    assert found == {"f": octets}


@pytest.mark.parametrize("piece", SIZES)
async def test_forwarded_message_is_one_file_with_its_own_boundaries(piece):
    inner = finished(PDF + LONG).replace(b'"b"', b'"c"').replace(b"--b", b"--c")
    part = b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + inner
    _, files, found = await taken_apart(finished(b"\r\ntext", part), piece)
    assert (found, files[0].content_type) == ({"message.eml": inner}, "message/rfc822")


@pytest.mark.parametrize("piece", SIZES)
async def test_inner_multipart_without_its_end_ends_with_the_outer_one(piece):
    nested = b'Content-Type: multipart/mixed; boundary="c"\r\n\r\n--c\r\n\r\ntext\r\n--c\r\n' + PDF + LONG
    inside, _, found = await taken_apart(finished(nested, b"\r\nlast"), piece)
    assert found == {"a.pdf": BIG}
    assert [part.get_content().strip() for part in leaves(inside)] == ["text", "last"]


@pytest.mark.parametrize("piece", SIZES)
async def test_message_that_is_cut_off_loses_nothing(piece):
    mime = finished(b"\r\ntext", PDF + LONG)
    cut = mime[: mime.index(b"--b--")].rstrip()
    _, _, found = await taken_apart(cut, piece)
    assert found == {"a.pdf": BIG}


async def test_line_that_only_begins_like_a_boundary_is_none():
    part = b"\r\n--bb\r\n--b x\r\n--b----\r\n" + b"--b" * 1000 + b"\r\ntext"
    mime = finished(part)
    assert (await divided(Pieces(mime, 50))).inside == mime


async def test_lines_that_look_like_boundaries_cost_little():
    """Each alone cost a tenth of a millisecond once, and a large email may have millions of them."""
    mime = finished(b"Content-Type: application/pdf; name=a.pdf\r\n\r\nx" + b"\r\n--" * 50_000)
    before = time.process_time()
    _, _, found = await taken_apart(mime, large.PIECE)
    assert (len(found["a.pdf"]), time.process_time() - before < 2) == (200_001, True)


@pytest.mark.parametrize(
    "mime",
    [
        b"Content-Type: application/pdf\r\n\r\n" + b"x" * 3_000_000,  # no part of anything
        finished(b"\r\n" + b"x" * 3_000_000),  # a text
        finished(PDF + LONG * 30, kind=b"signed"),
        finished(PDF + LONG * 30, kind=b"alternative"),
        finished(PDF + LONG * 30, kind=b"related"),  # the root
        finished(b"\r\n--b\r\n".join([b"\r\nx"] * 3_000)),  # each would be a part
    ],
)
async def test_what_cannot_be_taken_out_is_told(mime):
    with pytest.raises(CannotBeDivided):
        await divided(Pieces(mime, 65_536))


async def test_head_without_an_end_is_not_read_to_the_end_of_the_content():
    read = []

    class Endless(Pieces):
        async def chunks(self):
            async for piece in super().chunks():
                read.append(len(piece))
                yield piece

    with pytest.raises(CannotBeDivided):
        await divided(Endless(finished(b"X: " + b"x" * 10_000_000), large.PIECE))
    assert sum(read) <= large.MOST_INSIDE + 2 * large.PIECE


async def test_many_small_files_stay_inside_while_there_is_room(monkeypatch):
    monkeypatch.setattr(large, "MOST_INSIDE", 200_000)
    files = tuple(Attachment(f"{number}.bin", "application/x", b"x" * 20_000) for number in range(10))
    inside, taken, found = await taken_apart(built(text="text", attachments=files), 4096)
    assert (len(leaves(inside)), len(taken)) == (4, 7)
    assert set(found.values()) == {b"x" * 20_000}
