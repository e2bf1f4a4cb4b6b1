"""The forms of a message that name their Bcc: for a service that takes the recipients from the headers, and for mail
apps that open a message as one that is not sent yet."""

from collections.abc import Iterable
from itertools import chain

from email_core.message import Address, Message
from email_core.mime.adopt import header_lines
from email_core.mime.body import body
from email_core.mime.build import address_fields, content_fields
from email_core.mime.headers import field
from email_core.mime.wire import head_and_body, joined

_UNSENT = field("X-Unsent", "1").encode()  # Outlook, Thunderbird and Apple Mail open it ready to send
_DRAFT_LACKS = frozenset({b"date", b"message-id", b"bcc", b"x-unsent"})


def with_bcc(mime: bytes, bcc: Iterable[str]) -> bytes:
    """The same message with a Bcc header in front, where there is a Bcc."""
    named = ", ".join(bcc)
    return field("Bcc", named).encode() + mime if named else mime


def build_draft(message: Message, boundary: str) -> bytes:
    """The message as a draft: without a From where nobody is named, and without what mail apps give it when they send
    it. `boundary` is a text that no other message has."""
    fields = chain(
        address_fields(From=(message.sender,) if message.sender else (), To=message.to, Cc=message.cc, Bcc=message.bcc),
        content_fields(message),
    )
    return joined(chain((_UNSENT, "".join(fields).encode()), body(message, boundary)))


def as_draft(mime: bytes, bcc: tuple[Address, ...]) -> bytes:
    """Finished MIME as such a draft."""
    head, rest = head_and_body(mime)
    kept = [line + b"\r\n" for name, line in header_lines(head) if name not in _DRAFT_LACKS]
    return joined([_UNSENT, "".join(address_fields(Bcc=bcc)).encode(), *kept, b"\r\n", rest])
