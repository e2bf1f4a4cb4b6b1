"""A large message in two: what a draft is made of (headers, texts, small files), and its other files, one by one.

The content is never in memory as a whole: it is read twice, piece by piece, and a part is only recognised by the
boundaries around it (RFC 2046). CRLF line ends are the content's own promise.
"""

import asyncio
import binascii
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import NamedTuple, Protocol, cast

from email_core.content import Content

MOST_INSIDE = 2_200_000  # octets of MIME that Graph takes in one request: as base64 they are less than 3 MB
SMALL = 65_536  # octets, encoded: a file up to this size stays inside while there is room
PIECE = 262_144  # octets
MOST_PARTS = 2_000  # of a message: each takes time, and a file besides the small ones a request of its own
LONGEST_BOUNDARY_LINE = 200  # octets; a boundary has at most 70

_TAKES_FILES = frozenset({"multipart/mixed", "multipart/related"})
_TRANSPARENT = _TAKES_FILES | {"multipart/alternative"}
_DELIMITER = b"\r\n--"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64))


class CannotBeDivided(Exception):
    """What cannot be taken out as a file is too large for a draft. Its text says why."""


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
        scanner = _Scanner()
        async for piece in pieces:
            for event in scanner.feed(piece):
                divider.take(event)
        for event in scanner.end():
            divider.take(event)
    return divider.result()


async def contents(content: Content, files: tuple[File, ...]) -> AsyncGenerator[tuple[File, bytes], None]:
    """The files' octets, in order, piece by piece; the last piece of each is empty, and no other."""
    reader = _Reader(files)
    scanner = _Scanner()
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
        self._decoder: _Decoder = _AsItIs()

    def take(self, event: "_Event") -> Iterator[tuple[File, bytes]]:
        match event:
            case _Part():
                self._file, self._decoder = self._wanted.get(event.number), event.decoder()
            case _Body() if self._file:
                yield from self._found(self._decoder.feed(event.octets))
            case _End() if self._file:
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


# ---- what the scanner sees


@dataclass(slots=True)
class _Level:
    """A multipart that is open. `takes_files`: its parts can be taken out one by one."""

    boundary: bytes
    kind: str
    takes_files: bool
    parts: int = 0
    kept: int = 0


@dataclass(slots=True)
class _Part:
    """The head of a part that is no multipart, with the boundary before it."""

    number: int
    raw: bytes
    head: EmailMessage
    level: _Level | None
    is_file: bool = field(init=False)  # worked out once: a part may come in millions of pieces

    def __post_init__(self) -> None:
        self.is_file = self._can_be_taken_out()

    def _can_be_taken_out(self) -> bool:
        level = self.level
        if level is None or not level.takes_files or (level.kind == "multipart/related" and level.parts == 1):
            return False
        is_text = self.head.get_content_maintype() == "text"
        return not is_text or bool(self.head.get_filename()) or self.head.get_content_disposition() == "attachment"

    def file(self, size: int) -> File:
        content_id = str(self.head.get("Content-ID", "")).strip().strip("<>") or None
        return File(
            number=self.number,
            name=self.head.get_filename() or _name_for(self.head.get_content_type()),
            content_type=self.head.get_content_type(),
            content_id=content_id,
            inline=content_id is not None and self.head.get_content_disposition() != "attachment",
            size=size,
        )

    def decoder(self) -> "_Decoder":
        match str(self.head.get("Content-Transfer-Encoding", "")).strip().lower():
            case "base64":
                return _Base64()
            case "quoted-printable":
                return _QuotedPrintable()
        return _AsItIs()


@dataclass(slots=True)
class _Body:
    octets: bytes


@dataclass(slots=True)
class _End:
    """The end of a part that is no multipart."""


@dataclass(slots=True)
class _Between:
    """Everything else: heads and boundaries of multiparts, what stands before and after their parts. `closes`: the
    level that ends with it."""

    octets: bytes
    closes: _Level | None = None


_Event = _Part | _Body | _End | _Between


class _Scanner:
    """Cuts MIME at its boundaries, whatever the pieces are that it comes in."""

    def __init__(self) -> None:
        self._buffer = b""
        self._is_head = True
        self._lead = b""  # the boundary before a head
        self._levels: list[_Level] = []
        self._boundaries: dict[bytes, tuple[_Level | None, bool]] = {}  # of the levels that are open
        self._in_part = False
        self._parts = 0
        self._heads = 0
        self._added = 0  # octets at the buffer's begin that are not of the content

    def feed(self, piece: bytes) -> Iterator[_Event]:
        self._buffer += piece
        yield from self._scan(is_last=False)

    def end(self) -> Iterator[_Event]:
        yield from self._scan(is_last=True)
        if self._buffer[self._added :]:
            yield self._rest(self._buffer[self._added :])
        if self._in_part:
            yield _End()

    def _scan(self, *, is_last: bool) -> Iterator[_Event]:
        at = seek = 0  # what is between them is known to be no boundary
        while True:
            if self._is_head:
                end = _end_of_head(self._buffer, at)
                if end < 0 and not is_last:
                    if len(self._buffer) > MOST_INSIDE:
                        raise CannotBeDivided("the head of one of its parts is too large for a draft")
                    break
                end = len(self._buffer) if end < 0 else end
                yield self._head(self._buffer[at:end])
                # A boundary may follow at once: the line end before it is then the head's own.
                self._buffer, at, self._added = b"\r\n" + self._buffer[end:], 0, 2
                seek = 0
                continue
            found = self._buffer.find(_DELIMITER, seek)
            if found < 0:
                stop = len(self._buffer) if is_last else max(len(self._buffer) - len(_DELIMITER) + 1, seek)
                yield from self._body(at, stop)
                at = max(stop, at)
                break
            line_end = self._buffer.find(b"\r\n", found + 2)
            if line_end < 0 and not is_last and len(self._buffer) - found < LONGEST_BOUNDARY_LINE:
                yield from self._body(at, found)
                at = found
                break
            after = len(self._buffer) if line_end < 0 else line_end
            level, closes = self._boundary(self._buffer[found + 4 : min(after, found + LONGEST_BOUNDARY_LINE)])
            if level is None:
                seek = found + len(_DELIMITER)
                continue
            yield from self._body(at, found)
            # The line end stays where the level is over: it may be that of the next boundary.
            stop = after if closes else min(after + 2, len(self._buffer))
            raw = self._buffer[found + self._fake(found) : stop]
            yield from self._close(level, closes, raw)
            at = seek = stop
        self._buffer = self._buffer[at:]
        if at:
            self._added = max(self._added - at, 0)

    def _fake(self, at: int) -> int:
        return max(self._added - at, 0)

    def _body(self, start: int, stop: int) -> Iterator[_Event]:
        octets = self._buffer[start + self._fake(start) : stop]
        if octets:
            yield self._rest(octets)

    def _rest(self, octets: bytes) -> _Event:
        return _Body(octets) if self._in_part else _Between(octets)

    def _boundary(self, line: bytes) -> tuple[_Level | None, bool]:
        """The innermost level that the line is a boundary of, and whether it is the last one."""
        return self._boundaries.get(line.rstrip(b" \t"), (None, False))

    def _levels_changed(self) -> None:
        """A large message may have a million lines that only look like boundaries: each is looked up, not compared."""
        self._boundaries = {}
        for level in self._levels:
            self._boundaries |= {level.boundary: (level, False), level.boundary + b"--": (level, True)}

    def _close(self, level: _Level, closes: bool, raw: bytes) -> Iterator[_Event]:
        if self._in_part:
            self._in_part = False
            yield _End()
        while self._levels[-1] is not level:
            yield _Between(b"", closes=self._levels.pop())
        if closes:
            self._levels.pop()
            self._levels_changed()
            yield _Between(raw, closes=level)
        else:
            self._levels_changed()
            level.parts += 1
            self._lead = raw
            self._is_head = True

    def _head(self, raw: bytes) -> _Event:
        self._heads += 1
        if self._heads > MOST_PARTS:
            raise CannotBeDivided(f"with more than {MOST_PARTS} parts it is too large for a draft")
        head = BytesParser(policy=default).parsebytes(raw, headersonly=True)
        raw, self._lead, self._is_head = self._lead + raw, b"", False
        parent = self._levels[-1] if self._levels else None
        boundary, kind = head.get_boundary(), head.get_content_type()
        if boundary and kind.startswith("multipart/"):
            takes_files = kind in _TAKES_FILES and all(level.kind in _TRANSPARENT for level in self._levels)
            self._levels.append(_Level(boundary.encode("utf-8", "surrogateescape"), kind, takes_files))
            self._levels_changed()
            if parent:
                parent.kept += 1
            return _Between(raw)
        self._in_part = True
        self._parts += 1
        return _Part(self._parts, raw, head, parent)


def _end_of_head(buffer: bytes, at: int) -> int:
    """Behind the empty line, -1 where it is not there yet."""
    if buffer.startswith(b"\r\n", at):
        return at + 2
    found = buffer.find(b"\r\n\r\n", at)
    return found + 4 if found >= 0 else -1


# ---- what becomes of it


class _Divider:
    def __init__(self) -> None:
        self._inside = bytearray()
        self._files: list[File] = []
        self._part: _Part | None = None
        self._held: bytearray | None = None  # a file that may stay inside
        self._decoder: _Decoder = _AsItIs()
        self._size = 0

    def take(self, event: _Event) -> None:
        match event:
            case _Between():
                self._take_between(event)
            case _Part():
                self._begin(event)
            case _Body():
                self._take_body(event.octets)
            case _End():
                self._end()

    def result(self) -> Divided:
        return Divided(bytes(self._inside), tuple(self._files))

    def _take_between(self, between: _Between) -> None:
        level = between.closes
        if level is not None and level.kept == 0:  # a multipart without a part is none
            self._keep(b"\r\n--" + level.boundary + b"\r\nContent-Type: text/plain\r\n\r\n")
        self._keep(between.octets)

    def _begin(self, part: _Part) -> None:
        self._part, self._size, self._decoder = part, 0, part.decoder()
        self._held = bytearray(part.raw) if part.is_file else None
        if not part.is_file:
            self._keep_part(part.raw)

    def _take_body(self, octets: bytes) -> None:
        part = cast(_Part, self._part)
        if not part.is_file:
            return self._keep(octets)
        self._size += len(self._decoder.feed(octets))
        if self._held is not None:
            self._held += octets
            if len(self._held) > SMALL:
                self._held = None
        return None

    def _end(self) -> None:
        part = cast(_Part, self._part)
        if not part.is_file:
            return
        if self._held is not None and len(self._inside) + len(self._held) <= MOST_INSIDE // 2:
            self._keep_part(self._held)
        else:
            self._files.append(part.file(self._size + len(self._decoder.end())))
        self._held = None

    def _keep_part(self, octets: bytes | bytearray) -> None:
        part = cast(_Part, self._part)
        if part.level:
            part.level.kept += 1
        self._keep(octets)

    def _keep(self, octets: bytes | bytearray) -> None:
        self._inside += octets
        if len(self._inside) > MOST_INSIDE:
            raise CannotBeDivided("what it has besides its files is too large for a draft")


def _name_for(content_type: str) -> str:
    return "message.eml" if content_type == "message/rfc822" else "attachment"


# ---- transfer encodings


class _Decoder(Protocol):
    def feed(self, octets: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class _AsItIs:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def end(self) -> bytes:
        return b""


class _Base64:
    """What is none of its characters is passed over (RFC 2045, 6.8), and so is all after its padding."""

    def __init__(self) -> None:
        self._left = b""
        self._is_over = False

    def feed(self, octets: bytes) -> bytes:
        if self._is_over:
            return b""
        characters = self._left + octets.translate(None, _NO_BASE64)
        padding = characters.find(b"=")
        if padding >= 0:
            self._left, self._is_over = characters[:padding], True
            return self._rest()
        whole = len(characters) // 4 * 4
        self._left = characters[whole:]
        return binascii.a2b_base64(characters[:whole])

    def end(self) -> bytes:
        return b"" if self._is_over else self._rest()

    def _rest(self) -> bytes:
        left, self._left = self._left, b""
        if len(left) % 4 == 1:
            left = left[:-1]
        return binascii.a2b_base64(left + b"=" * (-len(left) % 4))


class _QuotedPrintable:
    def __init__(self) -> None:
        self._line = b""

    def feed(self, octets: bytes) -> bytes:
        lines = self._line + octets
        end = lines.rfind(b"\n") + 1
        self._line = lines[end:]
        return binascii.a2b_qp(lines[:end])

    def end(self) -> bytes:
        return binascii.a2b_qp(self._line)
