"""Builds a message's MIME once, and takes finished MIME in.

The body's parts come from the standard library's `email` package. The header lines are written here: the library's
folding wraps long tokens of List-Unsubscribe and References into encoded words, which breaks them, and takes 0.2 s
for 500 recipients.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from email.header import Header
from email.message import EmailMessage, MIMEPart
from email.message import Message as ParsedMessage
from email.parser import BytesHeaderParser, BytesParser
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, quote
from typing import Any, cast

from email_core.addresses import parse_address
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import Address, Attachment, FinishedMessage, Importance, Message
from email_core.text import has_control_character, without_control_characters

_SEVEN_BIT = SMTP.clone(cte_type="7bit")  # any server takes it: 8BITMIME is never needed for a built message
LONGEST_TOKEN = 900  # octets without a space in a header; a line of 998 is the limit of RFC 5322
_LINE_LENGTH = 76
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
        mime=headers.encode() + _body(message).as_bytes(),
    )


def _message_id(email_id: str, sender: Address) -> str:
    """The same for every attempt, so that a second copy can be recognised as one (RFC 5322, 3.6.4)."""
    return f"<{email_id}@{sender.address.rpartition('@')[2]}>"


def needs_smtputf8(addresses: Iterable[str]) -> bool:
    """Whether a server must offer SMTPUTF8 (RFC 6531): a local part cannot be written in ASCII."""
    return not all(address.isascii() for address in addresses)


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
        yield _line(name, _text(value))


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
    """Unstructured text: as it is where it is plain ASCII, else as encoded words (RFC 2047)."""
    fits = max(map(len, value.split(" "))) <= LONGEST_TOKEN
    return value if value.isascii() and fits and "=?" not in value else _encoded_words(value)


def _encoded_words(value: str) -> str:
    return Header(value, "utf-8", maxlinelen=_LINE_LENGTH).encode(linesep="")


def _address(address: Address) -> str:
    if not address.name:
        return address.address
    return f"{_display_name(address.name)} <{address.address}>"


def _display_name(name: str) -> str:
    if not name.isascii() or "=?" in name:
        return _encoded_words(name)
    return name if _ATOM.fullmatch(name) else f'"{quote(name)}"'


# ---- body


def _body(message: Message) -> MIMEPart:
    """mixed(alternative(text, related(html, inline files)), files), each level only where it is needed."""
    body = EmailMessage(policy=_SEVEN_BIT)
    if message.html is None:
        body.set_content(message.text or "")
    elif message.text is None:
        body.set_content(message.html, subtype="html")
    else:
        body.set_content(message.text)
        body.add_alternative(message.html, subtype="html")
    html = cast(MIMEPart, body.get_body(("html",))) if message.html is not None else None
    for file in message.attachments:
        if file.inline and html is not None:
            _attach(html, "related", _part(file))
        else:
            _attach(body, "mixed", _part(file))
    return body


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
        # The one type that may not be base64 (RFC 2046, 5.2.1); its own 8-bit parts are recoded on the way out.
        part.set_content(BytesParser(_class=EmailMessage, policy=_SEVEN_BIT).parsebytes(file.content), **about)
        part.replace_header("Content-Transfer-Encoding", "7bit")
        return part
    part.set_content(
        file.content,
        maintype=declared.get_content_maintype(),
        subtype=declared.get_content_subtype(),
        params=dict(declared["Content-Type"].params),
        **about,
    )
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
    names = [_field_name(line, number) for number, line in enumerate(lines, start=1)]
    parsed = BytesHeaderParser(policy=SMTPUTF8).parsebytes(head)
    senders = _addresses(parsed, "From")
    if len(senders) != 1:
        raise InvalidEmail(FieldProblem("/From", f"is needed once, with one address; there are {len(senders)}"))
    message_id = without_control_characters(str(parsed.get("Message-ID", "")))
    added, dropped = [], {"bcc"}
    if "date" not in names:
        added.append(_line("Date", format_datetime(date)))
    if not message_id:
        message_id = _message_id(email_id, senders[0])
        added.append(_line("Message-ID", message_id))
        dropped.add("message-id")  # an empty one
    kept = [line + b"\r\n" for line, name in zip(lines, names, strict=True) if name not in dropped]
    return FinishedMessage(
        sender=senders[0],
        to=_addresses(parsed, "To"),
        cc=_addresses(parsed, "Cc"),
        bcc=_addresses(parsed, "Bcc"),
        subject=_unstructured(parsed, "Subject"),
        message_id=message_id,
        mime="".join(added).encode() + b"".join(kept) + b"\r\n" + (body if separator else b""),
    )


def _field_name(line: bytes, number: int) -> str:
    field = _FIELD.match(line)
    if field is None or b"\0" in line:
        raise InvalidEmail(FieldProblem("", f"is no message/rfc822: header field {number} is not `Name: value`"))
    return field[1].decode("ascii").lower()


def _addresses(parsed: "ParsedMessage[Any, Any]", name: str) -> tuple[Address, ...]:
    found = []
    try:
        for header in parsed.get_all(name, ()):
            found += [
                parse_address(one.addr_spec, without_control_characters(one.display_name)) for one in header.addresses
            ]
            if any("\ufffd" in str(one) or not one.addr_spec for one in header.addresses):
                raise ValueError("is malformed")
    except Exception as problem:  # noqa: BLE001 - the standard library's parser raises anything on garbage
        detail = str(problem) if isinstance(problem, ValueError) else "cannot be read as a list of addresses"
        raise InvalidEmail(FieldProblem(f"/{name}", detail)) from None
    return tuple(found)


def _unstructured(parsed: "ParsedMessage[Any, Any]", name: str) -> str:
    return without_control_characters(str(parsed.get(name, "")))
