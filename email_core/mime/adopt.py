"""Takes finished MIME in, from an app or from an email that is sent again: its headers are read and set right, its
body is not looked into."""

import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime

from email_core.addresses import parse_address_list
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import Address, FinishedMessage, Importance
from email_core.mime.headers import LONGEST_SUBJECT, field, own_message_id
from email_core.mime.wire import crlf, head_and_body, joined
from email_core.text import decoded, without_control_characters

LONGEST_HEAD = 512 * 1024  # octets: five lists of recipients as long as they may be. Each field costs time and memory
_OF_AGENTS = ("Sender", "Resent-From", "Resent-Sender")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ANOTHER_FIELD = re.compile(rb"\r\n(?![ \t])")


def adopt_mime(raw: bytes, email_id: str, date: datetime) -> FinishedMessage:
    """Takes an app's own MIME: its body stays octet for octet but for the line ends, which become CRLF.

    Bcc is taken out; Message-ID and Date are added where they are missing. Raises InvalidEmail, with the header's
    name as the pointer, where the headers do not say who sends to whom.
    """
    head, body = head_and_body(crlf(raw).lstrip(b"\r\n"))
    if len(head) > LONGEST_HEAD:
        raise InvalidEmail(FieldProblem("", f"has a header of more than {LONGEST_HEAD // 1024} KiB"))
    lines = [line for line in _ANOTHER_FIELD.split(head.rstrip(b"\r\n")) if line]
    fields = [_name_and_value(line, number) for number, line in enumerate(lines, start=1)]
    senders = _addresses(fields, "From")
    if len(senders) != 1:
        raise InvalidEmail(FieldProblem("/From", f"is needed once, with one address; there are {len(senders)}"))
    message_id = _first(fields, "Message-ID")
    added, dropped = [], {"bcc", "resent-bcc"}
    if not _first(fields, "Date"):
        added.append(field("Date", format_datetime(date)))
        dropped.add("date")  # an empty one
    if not message_id:
        message_id = own_message_id(email_id, senders[0])
        added.append(field("Message-ID", message_id))
        dropped.add("message-id")
    kept = [line + b"\r\n" for line, (name, _) in zip(lines, fields, strict=True) if name not in dropped]
    return FinishedMessage(
        sender=senders[0],
        to=_addresses(fields, "To"),
        cc=_addresses(fields, "Cc"),
        bcc=_addresses(fields, "Bcc"),
        subject=_first(fields, "Subject"),
        message_id=message_id,
        mime=joined(["".join(added).encode(), *kept, b"\r\n", body]),
        importance=_importance(_first(fields, "Importance")),
        agents=tuple(agent for name in _OF_AGENTS for agent in _addresses(fields, name)),
    )


def renew_mime(mime: bytes, email_id: str, date: datetime, *, sender: Address) -> tuple[str, bytes]:
    """The same message as a new one, and its Message-ID: this and Date are its own, everything else stays."""
    head, body = head_and_body(mime)
    message_id = own_message_id(email_id, sender)
    own = field("Date", format_datetime(date)) + field("Message-ID", message_id)
    kept = [line + b"\r\n" for name, line in header_lines(head) if name not in _RENEWED]
    return message_id, joined([own.encode(), *kept, b"\r\n", body])


def _importance(text: str) -> Importance:
    """Normal where the header says something else, or nothing."""
    try:
        return Importance(text.strip().lower())
    except ValueError:
        return Importance.NORMAL


_RENEWED = frozenset({b"message-id", b"date"})


def header_lines(head: bytes) -> list[tuple[bytes, bytes]]:
    """Each field's name in small letters, and the field without its last line end."""
    return [(line.partition(b":")[0].strip().lower(), line) for line in _ANOTHER_FIELD.split(head) if line]


_HeaderField = tuple[str, str]


def _name_and_value(line: bytes, number: int) -> _HeaderField:
    """The name in small letters, the value unfolded. UTF-8 is read as such (RFC 6532)."""
    found = _FIELD.match(line)
    if found is None or b"\0" in line:
        raise InvalidEmail(FieldProblem("", f"is no message/rfc822: header field {number} is not `Name: value`"))
    value = line[found.end() :].replace(b"\r\n", b"")
    return found[1].decode("ascii").lower(), value.decode("utf-8", "surrogateescape").strip()


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
