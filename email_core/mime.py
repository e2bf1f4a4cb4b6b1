"""Builds a message's MIME once, and takes finished MIME in.

The body's parts come from the standard library's `email` package. The header lines are written here: the library's
folding wraps long tokens of List-Unsubscribe and References into encoded words, which breaks them, and takes 0.2 s
for 500 recipients.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.header import Header
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, quote
from typing import Any, cast

from email_core.addresses import parse_address_list
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import Address, Attachment, FinishedMessage, Importance, Message
from email_core.text import decoded, has_control_character, without_control_characters

LONGEST_LINE = 998  # octets (RFC 5322, 2.1.1)
LONGEST_TOKEN = 900  # octets without a space in a header: its name fits on the same line
LONGEST_SUBJECT = 998  # characters
LONG_TEXT = 100_000  # characters
_LINE_LENGTH = 76
_WORD_LENGTH = 60  # an encoded word may have 75, but its line only 76, and the name of the header is on it
_SEVEN_BIT = SMTP.clone(cte_type="7bit", max_line_length=_LINE_LENGTH)  # any server takes it, without 8BITMIME
_UNFOLDED = _SEVEN_BIT.clone(max_line_length=LONGEST_LINE)  # folding cuts long file names and content ids
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_IMPORTANCE = {Importance.LOW: ("Low", "5 (Lowest)"), Importance.HIGH: ("High", "1 (Highest)")}


def build_mime(message: Message, email_id: str, date: datetime) -> FinishedMessage:
    """The message on the wire: CRLF line ends, 7 bit (but for non-ASCII local parts, RFC 6532), without Bcc."""
    if message.sender is None:
        raise ValueError("a message is built after its sender is settled")
    message_id = _message_id(email_id, message.sender)
    headers = "".join(_header_lines(message, message.sender, message_id, date))
    return FinishedMessage(
        sender=message.sender,
        to=message.to,
        cc=message.cc,
        bcc=message.bcc,
        subject=message.subject,
        message_id=message_id,
        mime=headers.encode() + _body(message).as_bytes(policy=_UNFOLDED),
    )


def _message_id(email_id: str, sender: Address) -> str:
    """The same for every attempt, so that a second copy can be recognised as one (RFC 5322, 3.6.4)."""
    return f"<{email_id}@{sender.address.rpartition('@')[2]}>"


# ---- headers


def _header_lines(message: Message, sender: Address, message_id: str, date: datetime) -> Iterable[str]:
    yield _line("Date", format_datetime(date))
    yield _line("Message-ID", message_id)
    yield _line("From", _address(sender))
    for name, addresses in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if addresses:
            yield _line(name, ", ".join(map(_address, addresses)))
    yield _line("Subject", _text(message.subject))
    if message.importance in _IMPORTANCE:
        importance, priority = _IMPORTANCE[message.importance]
        yield _line("Importance", importance)
        yield _line("X-Priority", priority)
    for name, value in message.headers.items():
        yield _line(name, _text(value) if name.lower().startswith("x-") else _tokens(value))


def _line(name: str, value: str) -> str:
    """One header field, folded at its spaces only: a token is never cut, however long."""
    if has_control_character(value):
        raise ValueError(f"a control character in the header {name}")  # the doors refuse it first
    lines, current = [], f"{name}:"
    for word in value.split(" "):
        if len(current) + 1 + len(word) > _LINE_LENGTH and current.strip() and not current.endswith(":"):
            lines.append(current)
            current = ""
        current = f"{current} {word}"
    return "\r\n".join([*lines, current]) + "\r\n"


def _text(value: str) -> str:
    """Unstructured text: as it is where nothing can happen to it on the way, else as encoded words (RFC 2047)."""
    return value if _is_plain(value) else _encoded_words(value)


def _is_plain(value: str) -> bool:
    """ASCII that is no encoded word, and has only such spaces as folding keeps."""
    words = value.split(" ") if value else ()
    return value.isascii() and "=?" not in value and all(0 < len(word) <= LONGEST_TOKEN for word in words)


def _tokens(value: str) -> str:
    """Addresses and message ids: no program decodes encoded words there (RFC 2047, 5)."""
    return " ".join(value.split())


def _encoded_words(value: str) -> str:
    return Header(value, "utf-8", maxlinelen=_WORD_LENGTH).encode(linesep="")


def _address(address: Address) -> str:
    if not address.name:
        return address.address
    return f"{_display_name(address.name)} <{address.address}>"


def _display_name(name: str) -> str:
    if not _is_plain(name):
        return _encoded_words(name)
    return name if _ATOM.fullmatch(name) else f'"{quote(name)}"'


# ---- body


def _body(message: Message) -> MIMEPart:
    """mixed(alternative(text, related(html, inline files)), files), each level only where it is needed."""
    body = EmailMessage(policy=_SEVEN_BIT)
    if message.html is None:
        body.set_content(message.text or "", cte=_encoding(message.text))
    elif message.text is None:
        body.set_content(message.html, subtype="html", cte=_encoding(message.html))
    else:
        body.set_content(message.text, cte=_encoding(message.text))
        body.add_alternative(message.html, subtype="html", cte=_encoding(message.html))
    html = cast(MIMEPart, body.get_body(("html",))) if message.html is not None else None
    for file in sorted(message.attachments, key=lambda file: not file.inline):  # nothing becomes related once mixed
        if file.inline and html is not None:
            _attach(html, "related", _part(file))
        else:
            _attach(body, "mixed", _part(file))
    return body


def _encoding(text: str | None) -> str | None:
    """None is the standard library's choice, which lets NUL pass in a 7-bit body: servers refuse that. Its
    quoted-printable takes a second for 1 MB."""
    if text is None:
        return None
    if len(text) > LONG_TEXT:
        return "base64"
    return "quoted-printable" if "\0" in text else None


def _attach(whole: MIMEPart, kind: str, part: MIMEPart) -> None:
    if whole.get_content_type() != f"multipart/{kind}":
        whole.make_related() if kind == "related" else whole.make_mixed()
    whole.attach(part)


def _part(file: Attachment) -> MIMEPart:
    part = MIMEPart(policy=_SEVEN_BIT)
    about: dict[str, Any] = {"disposition": "inline" if file.inline else "attachment", "filename": file.name}
    if file.content_id:
        about["cid"] = f"<{file.content_id}>"
    declared = MIMEPart(policy=_SEVEN_BIT)
    declared["Content-Type"] = file.content_type
    if declared.get_content_type() == "message/rfc822":
        return _message_part(part, file.content, about)
    part.set_content(
        file.content,
        maintype=declared.get_content_maintype(),
        subtype=declared.get_content_subtype(),
        params=dict(declared["Content-Type"].params),
        **about,
    )
    return part


def _message_part(part: MIMEPart, content: bytes, about: Mapping[str, Any]) -> MIMEPart:
    """The one type that may not be base64 (RFC 2046, 5.2.1). What cannot travel as it is goes as a plain file:
    written anew, as the standard library would, a message loses its signature."""
    lines = _LINE_END.split(content)
    if content.isascii() and b"\0" not in content and max(map(len, lines)) <= LONGEST_LINE:
        part.set_content(b"\r\n".join(lines), maintype="message", subtype="rfc822", cte="7bit", **about)
    else:
        part.set_content(content, maintype="application", subtype="octet-stream", **about)
    return part


# ---- finished MIME

_LINE_END = re.compile(rb"\r\n|\r|\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ANOTHER_FIELD = re.compile(rb"\r\n(?![ \t])")


def adopt_mime(raw: bytes, email_id: str, date: datetime) -> FinishedMessage:
    """Takes an app's own MIME: its body stays octet for octet but for the line ends, which become CRLF.

    Bcc is taken out; Message-ID and Date are added where they are missing. Raises InvalidEmail, with the header's
    name as the pointer, where the headers do not say who sends to whom.
    """
    head, separator, body = _LINE_END.sub(b"\r\n", raw.lstrip(b"\r\n")).partition(b"\r\n\r\n")
    lines = [line for line in _ANOTHER_FIELD.split(head.rstrip(b"\r\n")) if line]
    fields = [_name_and_value(line, number) for number, line in enumerate(lines, start=1)]
    senders = _addresses(fields, "From")
    if len(senders) != 1:
        raise InvalidEmail(FieldProblem("/From", f"is needed once, with one address; there are {len(senders)}"))
    message_id = _first(fields, "Message-ID")
    added, dropped = [], {"bcc", "resent-bcc"}
    if not _first(fields, "Date"):
        added.append(_line("Date", format_datetime(date)))
        dropped.add("date")  # an empty one
    if not message_id:
        message_id = _message_id(email_id, senders[0])
        added.append(_line("Message-ID", message_id))
        dropped.add("message-id")
    kept = [line + b"\r\n" for line, (name, _) in zip(lines, fields, strict=True) if name not in dropped]
    return FinishedMessage(
        sender=senders[0],
        to=_addresses(fields, "To"),
        cc=_addresses(fields, "Cc"),
        bcc=_addresses(fields, "Bcc"),
        subject=_first(fields, "Subject"),
        message_id=message_id,
        mime="".join(added).encode() + b"".join(kept) + b"\r\n" + (body if separator else b""),
    )


def renew_mime(mime: bytes, email_id: str, date: datetime, *, sender: Address) -> tuple[str, bytes]:
    """The same message as a new one, and its Message-ID: this and Date are its own, everything else stays."""
    head, separator, body = mime.partition(b"\r\n\r\n")
    message_id = _message_id(email_id, sender)
    own = _line("Date", format_datetime(date)) + _line("Message-ID", message_id)
    kept = [line + b"\r\n" for line in _ANOTHER_FIELD.split(head) if line and _field_name(line) not in _RENEWED]
    return message_id, own.encode() + b"".join(kept) + b"\r\n" + (body if separator else b"")


_RENEWED = frozenset({b"message-id", b"date"})


def _field_name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()


_HeaderField = tuple[str, str]


def _name_and_value(line: bytes, number: int) -> _HeaderField:
    """The name in small letters, the value unfolded. UTF-8 is read as such (RFC 6532)."""
    field = _FIELD.match(line)
    if field is None or b"\0" in line:
        raise InvalidEmail(FieldProblem("", f"is no message/rfc822: header field {number} is not `Name: value`"))
    value = line[field.end() :].replace(b"\r\n", b"")
    return field[1].decode("ascii").lower(), value.decode("utf-8", "surrogateescape").strip()


def _values(fields: Iterable[_HeaderField], name: str) -> list[str]:
    return [value for found, value in fields if found == name.lower()]


def _addresses(fields: Iterable[_HeaderField], name: str) -> tuple[Address, ...]:
    try:
        return parse_address_list(", ".join(_values(fields, name)))
    except ValueError as problem:
        raise InvalidEmail(FieldProblem(f"/{name}", str(problem))) from None


def _first(fields: Iterable[_HeaderField], name: str) -> str:
    """As text for the record, or "" where there is none."""
    text = without_control_characters(decoded(next(iter(_values(fields, name)), "")))
    if len(text) > LONGEST_SUBJECT:
        raise InvalidEmail(FieldProblem(f"/{name}", f"is longer than {LONGEST_SUBJECT} characters"))
    return text
