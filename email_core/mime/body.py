"""Writes a message's body: mixed(alternative(text, related(html, inline files)), files), each level only where it is
needed.

Plain lines of ASCII travel as they are, text with some other octets as quoted-printable, the rest and every file but
an attached message as base64: any server takes that, without 8BITMIME.
"""

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator

from email_core.message import Attachment, Message
from email_core.mime.headers import LINE_LENGTH, field, parameter, parameter_for_old_programs
from email_core.mime.wire import crlf

LONG_TEXT = 100_000  # octets: quoted-printable takes many times that in memory
_OCTETS_A_PIECE = 57 * 256  # of base64: 57 make a line, and what fits the processor's cache is twice as fast
_PLAIN_LINES = re.compile(rb"(?:(?!From )[\t -~]{0,76}(?<![\t ])\r\n)*+")  # no server or mailbox changes such a line
_MESSAGE_LINES = re.compile(rb"(?:[\x01-\x09\x0b-\x7f]{0,999}\n)*+[\x01-\x09\x0b-\x7f]{0,998}")  # at most 998 and CRLF
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_TO_BE_QUOTED = re.compile(rb"[^\t\r\n -<>-~]|[\t ](?=\r\n)|F(?=rom )")
_QUOTED = {bytes([octet]): b"=%02X" % octet for octet in range(256)}
_PARAMETER = re.compile(r';\s*([\w-]+)=(?:"([^"]*)"|([\w.+-]+))', re.ASCII)

Part = Iterable[bytes]  # the header fields, an empty line, the content


def body(message: Message, email_id: str) -> Part:
    """The part that is the whole message. `=_` is in no base64 and no quoted-printable, and lines that have the id
    after it do not travel as they are: so no boundary stands in the content."""
    boundary = f"=_{email_id}"
    shown = [file for file in message.attachments if file.inline and message.html is not None]
    others = [file for file in message.attachments if not (file.inline and message.html is not None)]
    texts: list[Part] = []
    if message.text is not None or message.html is None:
        texts.append(_text("plain", message.text or "", boundary))
    if message.html is not None:
        html = _text("html", message.html, boundary)
        texts.append(_whole("related", boundary, [html, *(_file(file, boundary) for file in shown)]))
    text = _whole("alternative", boundary, texts)
    return _whole("mixed", boundary, [text, *(_file(file, boundary) for file in others)])


def _whole(kind: str, boundary: str, parts: list[Part]) -> Part:
    """One part alone is the whole already."""
    return _multipart(kind, f"{boundary}-{kind}", parts) if len(parts) > 1 else parts[0]


def _multipart(kind: str, boundary: str, parts: Iterable[Part]) -> Part:
    yield _head(("Content-Type", f'multipart/{kind}; boundary="{boundary}"'))
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _head(*fields: tuple[str, str]) -> bytes:
    return "".join([*(field(name, value) for name, value in fields), "\r\n"]).encode()


# ---- text


def _text(kind: str, text: str, boundary: str) -> Part:
    octets = crlf(text.encode())
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    encoding, content = _encoded(octets, boundary)
    yield _head(("Content-Type", f'text/{kind}; charset="utf-8"'), ("Content-Transfer-Encoding", encoding))
    yield from content


def _encoded(octets: bytes, boundary: str) -> tuple[str, Iterable[bytes]]:
    """As it is where it can be, else in the shorter of the two encodings."""
    if _PLAIN_LINES.fullmatch(octets) and boundary.encode() not in octets:
        return "7bit", (octets,)
    if len(octets) > LONG_TEXT or len(octets.translate(None, _PRINTABLE)) > len(octets) / 6:
        return "base64", _base64(octets)
    return "quoted-printable", (_quoted_printable(octets),)


def _base64(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), _OCTETS_A_PIECE):
        encoded = b2a_base64(octets[start : start + _OCTETS_A_PIECE], newline=False)
        lines = [encoded[line : line + LINE_LENGTH] for line in range(0, len(encoded), LINE_LENGTH)]
        yield b"\r\n".join([*lines, b""])


def _quoted_printable(octets: bytes) -> bytes:
    """RFC 2045, 6.7. `From ` is quoted wherever it stands, for a soft line break may put it at a line's beginning."""
    quoted = _TO_BE_QUOTED.sub(lambda found: _QUOTED[found[0]], octets)
    return b"\r\n".join(map(_with_soft_breaks, quoted.split(b"\r\n")))


def _with_soft_breaks(line: bytes) -> bytes:
    pieces, start = [], 0
    while len(line) - start > LINE_LENGTH:
        end = start + LINE_LENGTH - 1
        cut = line.find(b"=", end - 2, end)  # an octet that would be torn
        end = end if cut < 0 else cut
        pieces.append(line[start:end])
        start = end
    return b"=\r\n".join([*pieces, line[start:]])


# ---- files


def _file(file: Attachment, boundary: str) -> Part:
    kind = file.content_type.partition(";")[0].strip().lower()
    if kind == "message/rfc822":
        yield from _message(file, boundary)
    else:
        yield from _encoded_file(file, kind + _parameters(file))


def _message(file: Attachment, boundary: str) -> Part:
    """The one type that may not be base64 (RFC 2046, 5.2.1). What cannot travel as it is goes as a plain file: written
    anew, a message loses its signature."""
    lines = crlf(file.content)
    if _MESSAGE_LINES.fullmatch(lines) and boundary.encode() not in lines:
        yield _file_head(file, "message/rfc822", "7bit")
        yield lines
    else:
        yield from _encoded_file(file, "application/octet-stream")


def _encoded_file(file: Attachment, content_type: str) -> Part:
    yield _file_head(file, content_type, "base64")
    yield from _base64(file.content)


def _file_head(file: Attachment, content_type: str, encoding: str) -> bytes:
    disposition = "inline" if file.inline else "attachment"
    return _head(
        ("Content-Type", content_type + parameter_for_old_programs("name", file.name)),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Disposition", disposition + parameter("filename", file.name)),
        *([("Content-ID", f"<{file.content_id}>")] if file.content_id else []),
    )


def _parameters(file: Attachment) -> str:
    """As declared, but for a name: the disposition has it."""
    found = _PARAMETER.findall(file.content_type)
    return "".join(parameter(name, quoted or bare) for name, quoted, bare in found if name.lower() != "name")
