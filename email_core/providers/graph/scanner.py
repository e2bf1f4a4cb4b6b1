"""Finished MIME, read piece by piece: its parts, and what stands between them. A part is only recognised by the
boundaries around it (RFC 2046). CRLF line ends are the content's own promise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from email_core.providers.graph.transfer_encodings import AsItIs, Base64, Decoder, QuotedPrintable

MOST_PARTS = 2_000  # of a message: each takes time, and a file besides the small ones a request of its own
LONGEST_BOUNDARY_LINE = 200  # octets; a boundary has at most 70

_TAKES_FILES = frozenset({"multipart/mixed", "multipart/related"})
_TRANSPARENT = _TAKES_FILES | {"multipart/alternative"}
_DELIMITER = b"\r\n--"


class CannotBeDivided(Exception):
    """What cannot be taken out as a file is too large for a draft. Its text says why."""


@dataclass(slots=True)
class Level:
    """A multipart that is open. `takes_files`: its parts can be taken out one by one."""

    boundary: bytes
    kind: str
    takes_files: bool
    parts: int = 0
    kept: int = 0


@dataclass(slots=True)
class Part:
    """The head of a part that is no multipart, with the boundary before it."""

    number: int
    raw: bytes
    head: EmailMessage
    level: Level | None
    is_file: bool = field(init=False)  # worked out once: a part may come in millions of pieces

    def __post_init__(self) -> None:
        self.is_file = self._can_be_taken_out()

    def _can_be_taken_out(self) -> bool:
        level = self.level
        if level is None or not level.takes_files or (level.kind == "multipart/related" and level.parts == 1):
            return False
        is_text = self.head.get_content_maintype() == "text"
        return not is_text or bool(self.head.get_filename()) or self.head.get_content_disposition() == "attachment"

    def decoder(self) -> Decoder:
        match str(self.head.get("Content-Transfer-Encoding", "")).strip().lower():
            case "base64":
                return Base64()
            case "quoted-printable":
                return QuotedPrintable()
        return AsItIs()


@dataclass(slots=True)
class Body:
    octets: bytes


@dataclass(slots=True)
class End:
    """The end of a part that is no multipart."""


@dataclass(slots=True)
class Between:
    """Everything else: heads and boundaries of multiparts, what stands before and after their parts. `closes`: the
    level that ends with it."""

    octets: bytes
    closes: Level | None = None


Event = Part | Body | End | Between


class Scanner:
    """Cuts MIME at its boundaries, whatever the pieces are that it comes in. `longest_head` is in octets: a part has no
    longer one before its body."""

    def __init__(self, longest_head: int) -> None:
        self._longest_head = longest_head
        self._buffer = b""
        self._is_head = True
        self._lead = b""  # the boundary before a head
        self._levels: list[Level] = []
        self._boundaries: dict[bytes, tuple[Level | None, bool]] = {}  # of the levels that are open
        self._in_part = False
        self._parts = 0
        self._heads = 0
        self._added = 0  # octets at the buffer's begin that are not of the content

    def feed(self, piece: bytes) -> Iterator[Event]:
        self._buffer += piece
        yield from self._scan(is_last=False)

    def end(self) -> Iterator[Event]:
        yield from self._scan(is_last=True)
        if self._buffer[self._added :]:
            yield self._rest(self._buffer[self._added :])
        if self._in_part:
            yield End()

    def _scan(self, *, is_last: bool) -> Iterator[Event]:
        at = seek = 0  # what is between them is known to be no boundary
        while True:
            if self._is_head:
                end = _end_of_head(self._buffer, at)
                if end < 0 and not is_last:
                    if len(self._buffer) > self._longest_head:
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

    def _body(self, start: int, stop: int) -> Iterator[Event]:
        octets = self._buffer[start + self._fake(start) : stop]
        if octets:
            yield self._rest(octets)

    def _rest(self, octets: bytes) -> Event:
        return Body(octets) if self._in_part else Between(octets)

    def _boundary(self, line: bytes) -> tuple[Level | None, bool]:
        """The innermost level that the line is a boundary of, and whether it is the last one."""
        return self._boundaries.get(line.rstrip(b" \t"), (None, False))

    def _levels_changed(self) -> None:
        """A large message may have a million lines that only look like boundaries: each is looked up, not compared."""
        self._boundaries = {}
        for level in self._levels:
            self._boundaries |= {level.boundary: (level, False), level.boundary + b"--": (level, True)}

    def _close(self, level: Level, closes: bool, raw: bytes) -> Iterator[Event]:
        if self._in_part:
            self._in_part = False
            yield End()
        while self._levels[-1] is not level:
            yield Between(b"", closes=self._levels.pop())
        if closes:
            self._levels.pop()
            self._levels_changed()
            yield Between(raw, closes=level)
        else:
            self._levels_changed()
            level.parts += 1
            self._lead = raw
            self._is_head = True

    def _head(self, raw: bytes) -> Event:
        self._heads += 1
        if self._heads > MOST_PARTS:
            raise CannotBeDivided(f"with more than {MOST_PARTS} parts it is too large for a draft")
        head = BytesParser(policy=default).parsebytes(raw, headersonly=True)
        raw, self._lead, self._is_head = self._lead + raw, b"", False
        parent = self._levels[-1] if self._levels else None
        boundary, kind = head.get_boundary(), head.get_content_type()
        if boundary and kind.startswith("multipart/"):
            takes_files = kind in _TAKES_FILES and all(level.kind in _TRANSPARENT for level in self._levels)
            self._levels.append(Level(boundary.encode("utf-8", "surrogateescape"), kind, takes_files))
            self._levels_changed()
            if parent:
                parent.kept += 1
            return Between(raw)
        self._in_part = True
        self._parts += 1
        return Part(self._parts, raw, head, parent)


def _end_of_head(buffer: bytes, at: int) -> int:
    """Behind the empty line, -1 where it is not there yet."""
    if buffer.startswith(b"\r\n", at):
        return at + 2
    found = buffer.find(b"\r\n\r\n", at)
    return found + 4 if found >= 0 else -1
