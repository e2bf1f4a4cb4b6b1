"""A large message in two: what a draft is made of (headers, texts, small files), and its other files, one by one.

The content is never in memory as a whole: it is read twice, piece by piece.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from email_core.content import Content
from email_core.providers.graph.scanner import Between, Body, CannotBeDivided, End, Event, Part, Scanner
from email_core.providers.graph.transfer_encodings import AsItIs, Decoder

MOST_INSIDE = 2_200_000  # octets of MIME that Graph takes in one request: as base64 they are less than 3 MB
SMALL = 65_536  # octets, encoded: a file up to this size stays inside while there is room
PIECE = 262_144  # octets


@dataclass(frozen=True, slots=True)
class File:
    """`number` is its place among the message's parts, `size` in octets as it is attached, decoded."""

    number: int
    name: str = field(repr=False)
    content_type: str
    content_id: str | None
    inline: bool
    size: int


class Divided(NamedTuple):
    inside: bytes
    files: tuple[File, ...]


async def divided(content: Content) -> Divided:
    """Raises CannotBeDivided, or what the content raises."""
    divider = _Divider()
    async with aclosing(_pieces(content)) as pieces:
        scanner = Scanner(longest_head=MOST_INSIDE)
        async for piece in pieces:
            for event in scanner.feed(piece):
                divider.take(event)
        for event in scanner.end():
            divider.take(event)
    return divider.result()


async def contents(content: Content, files: tuple[File, ...]) -> AsyncGenerator[tuple[File, bytes], None]:
    """The files' octets, in order, piece by piece; the last piece of each is empty, and no other."""
    reader = _Reader(files)
    scanner = Scanner(longest_head=MOST_INSIDE)
    async with aclosing(_pieces(content)) as pieces:
        async for piece in pieces:
            for event in scanner.feed(piece):
                for found in reader.take(event):
                    yield found
    for event in scanner.end():
        for found in reader.take(event):
            yield found


class _Reader:
    def __init__(self, files: tuple[File, ...]) -> None:
        self._wanted = {file.number: file for file in files}
        self._file: File | None = None
        self._decoder: Decoder = AsItIs()

    def take(self, event: Event) -> Iterator[tuple[File, bytes]]:
        match event:
            case Part():
                self._file, self._decoder = self._wanted.get(event.number), event.decoder()
            case Body() if self._file:
                yield from self._found(self._decoder.feed(event.octets))
            case End() if self._file:
                yield from self._found(self._decoder.end())
                yield self._file, b""
                self._file = None

    def _found(self, octets: bytes) -> Iterator[tuple[File, bytes]]:
        if octets and self._file:
            yield self._file, octets


async def _pieces(content: Content) -> AsyncGenerator[bytes, None]:
    """Smaller than those of a blob, as each is copied several times on its way; and others have a turn between."""
    async for piece in content.chunks():
        for start in range(0, len(piece), PIECE):
            await asyncio.sleep(0)
            yield piece[start : start + PIECE]


class _Divider:
    def __init__(self) -> None:
        self._inside = bytearray()
        self._files: list[File] = []
        self._part: Part | None = None
        self._held: bytearray | None = None  # a file that may stay inside
        self._decoder: Decoder = AsItIs()
        self._size = 0

    def take(self, event: Event) -> None:
        match event:
            case Between():
                self._take_between(event)
            case Part():
                self._begin(event)
            case Body():
                self._take_body(event.octets)
            case End():
                self._end()

    def result(self) -> Divided:
        return Divided(bytes(self._inside), tuple(self._files))

    def _take_between(self, between: Between) -> None:
        level = between.closes
        if level is not None and level.kept == 0:  # a multipart without a part is none
            self._keep(b"\r\n--" + level.boundary + b"\r\nContent-Type: text/plain\r\n\r\n")
        self._keep(between.octets)

    def _begin(self, part: Part) -> None:
        self._part, self._size, self._decoder = part, 0, part.decoder()
        self._held = bytearray(part.raw) if part.is_file else None
        if not part.is_file:
            self._keep_part(part.raw)

    def _take_body(self, octets: bytes) -> None:
        part = cast(Part, self._part)
        if not part.is_file:
            return self._keep(octets)
        self._size += len(self._decoder.feed(octets))
        if self._held is not None:
            self._held += octets
            if len(self._held) > SMALL:
                self._held = None
        return None

    def _end(self) -> None:
        part = cast(Part, self._part)
        if not part.is_file:
            return
        if self._held is not None and len(self._inside) + len(self._held) <= MOST_INSIDE // 2:
            self._keep_part(self._held)
        else:
            self._files.append(_file_of(part, self._size + len(self._decoder.end())))
        self._held = None

    def _keep_part(self, octets: bytes | bytearray) -> None:
        part = cast(Part, self._part)
        if part.level:
            part.level.kept += 1
        self._keep(octets)

    def _keep(self, octets: bytes | bytearray) -> None:
        self._inside += octets
        if len(self._inside) > MOST_INSIDE:
            raise CannotBeDivided("what it has besides its files is too large for a draft")


def _file_of(part: Part, size: int) -> File:
    head = part.head
    content_id = str(head.get("Content-ID", "")).strip().strip("<>") or None
    return File(
        number=part.number,
        name=head.get_filename() or _name_for(head.get_content_type()),
        content_type=head.get_content_type(),
        content_id=content_id,
        inline=content_id is not None and head.get_content_disposition() != "attachment",
        size=size,
    )


def _name_for(content_type: str) -> str:
    return "message.eml" if content_type == "message/rfc822" else "attachment"
