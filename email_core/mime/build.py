"""Builds a message's MIME from what an app says of it."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from itertools import chain

from email_core.message import Address, FinishedMessage, Importance, Message
from email_core.mime.body import body
from email_core.mime.headers import address, field, own_message_id, text, tokens
from email_core.mime.wire import joined

_IMPORTANCE = {Importance.LOW: ("Low", "5 (Lowest)"), Importance.HIGH: ("High", "1 (Highest)")}


def build_mime(message: Message, email_id: str, date: datetime) -> FinishedMessage:
    """The message on the wire: CRLF line ends, 7 bit (but for non-ASCII local parts, RFC 6532), without Bcc. The same
    octets for the same three."""
    if message.sender is None:
        raise ValueError("a message is built after its sender is settled")
    message_id = own_message_id(email_id, message.sender)
    head = "".join(_header_fields(message, message.sender, message_id, date))
    return FinishedMessage(
        sender=message.sender,
        to=message.to,
        cc=message.cc,
        bcc=message.bcc,
        subject=message.subject,
        message_id=message_id,
        mime=joined(chain((head.encode(),), body(message, email_id))),
        importance=message.importance,
    )


def _header_fields(message: Message, sender: Address, message_id: str, date: datetime) -> Iterable[str]:
    yield field("Date", format_datetime(date))
    yield field("Message-ID", message_id)
    yield field("From", address(sender))
    yield from address_fields(To=message.to, Cc=message.cc)
    yield from content_fields(message)


def address_fields(**lists: tuple[Address, ...]) -> Iterable[str]:
    """Each list that is not empty, under its header's name."""
    for name, addresses in lists.items():
        if addresses:
            yield field(name, ", ".join(map(address, addresses)))


def content_fields(message: Message) -> Iterable[str]:
    """All that is neither about whom it is from and goes to, nor about this very message."""
    if message.reply_to:
        yield field("Reply-To", ", ".join(map(address, message.reply_to)))
    yield field("Subject", text(message.subject))
    if message.importance in _IMPORTANCE:
        importance, priority = _IMPORTANCE[message.importance]
        yield field("Importance", importance)
        yield field("X-Priority", priority)
    for name, value in message.headers.items():
        yield field(name, text(value) if name.lower().startswith("x-") else tokens(value))
    yield field("MIME-Version", "1.0")
