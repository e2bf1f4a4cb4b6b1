"""A message as Graph's JSON. Only so can it be asked not to keep a copy in Sent Items: MIME is always kept there.

JSON says less than MIME: for what it cannot say None is returned, and nothing is dropped.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any, cast

from email_core.addresses import parse_address_list

MOST_HEADERS = 5  # of `internetMessageHeaders`
LONGEST_HEADER = 995  # characters

_SAID = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "importance", "x-priority"),
        *("mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references"),
    }
)
_CHOICES = frozenset({"text/plain", "text/html", "multipart/related", "multipart/mixed"})  # of an alternative
_PROPERTIES = {"in-reply-to": "String 0x1042", "references": "String 0x1039"}  # as MAPI names them


def json_message(mime: bytes, bcc: Sequence[str]) -> dict[str, Any] | None:
    """The value of `message` in sendMail's body; None where only MIME can say it."""
    try:
        return _json_message(mime, bcc)
    except Exception:  # noqa: BLE001 - whatever the parser makes of a message that somebody else built
        return None


def _json_message(mime: bytes, bcc: Sequence[str]) -> dict[str, Any] | None:
    message = BytesParser(policy=default).parsebytes(mime)
    text, files = message.get_body(("html", "plain")), list(_files(message))
    others = [(name, str(value)) for name, value in message.items() if name.lower() not in _SAID]
    if _is_sealed(message) or not _has_one_text(message) or not _can_be_said(others) or None in files:
        return None
    said: dict[str, Any] = {
        "subject": str(message.get("Subject", "")),
        "body": _body(cast(EmailMessage | None, text)),
        "from": _recipients(message, "From")[0],
        "toRecipients": _recipients(message, "To"),
        "ccRecipients": _recipients(message, "Cc"),
        "bccRecipients": [_recipient("", address) for address in bcc],
        "replyTo": _recipients(message, "Reply-To"),
        "importance": str(message.get("Importance", "normal")).lower(),
        "internetMessageId": str(message.get("Message-ID", "")),
    }
    if said["importance"] not in ("low", "high"):
        said["importance"] = "normal"
    if others:
        said["internetMessageHeaders"] = [{"name": name, "value": value} for name, value in others]
    if properties := list(_extended(message)):
        said["singleValueExtendedProperties"] = properties
    if files:
        said["attachments"] = files
    return said


def _is_sealed(message: EmailMessage) -> bool:
    """Signed or encrypted: taken apart it would be neither."""
    kinds = {part.get_content_type().replace("/x-", "/") for part in message.walk()}
    return bool(kinds & {"multipart/signed", "multipart/encrypted", "application/pkcs7-mime"})


def _has_one_text(message: EmailMessage) -> bool:
    """JSON has one body: it may stand for a plain text and HTML that say the same, and for nothing else."""
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    choices = [part for part in message.walk() if part.get_content_type() == "multipart/alternative"]
    if any(
        inner.get_content_type() not in _CHOICES
        for one in choices
        for inner in cast(Iterable[EmailMessage], one.iter_parts())
    ):
        return False
    said = {id(leaf) for one in choices for leaf in _leaves(one)}
    return plain is None or html is None or {id(plain), id(html)} <= said


def _can_be_said(headers: Sequence[tuple[str, str]]) -> bool:
    return len(headers) <= MOST_HEADERS and all(
        name.lower().startswith("x-") and len(value) <= LONGEST_HEADER for name, value in headers
    )


def _body(text: EmailMessage | None) -> dict[str, str]:
    if text is None:
        return {"contentType": "text", "content": ""}
    kind = "html" if text.get_content_subtype() == "html" else "text"
    return {"contentType": kind, "content": text.get_content()}


def _recipients(message: EmailMessage, header: str) -> list[dict[str, Any]]:
    """As they were read when the email was accepted. Raises ValueError for what is not clear."""
    values = [value for name, value in message.raw_items() if name.lower() == header.lower()]
    found = parse_address_list(", ".join("".join(str(value).splitlines()) for value in values))
    return [_recipient(one.name, one.address) for one in found]


def _recipient(name: str, address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address} if name else {"address": address}}


def _extended(message: EmailMessage) -> Iterator[dict[str, str]]:
    for header, identifier in _PROPERTIES.items():
        if value := str(message.get(header, "")):
            yield {"id": identifier, "value": value}


def _files(message: EmailMessage) -> Iterator[dict[str, Any] | None]:
    """None for one that JSON has no words for."""
    texts = {id(message.get_body((kind,))) for kind in ("html", "plain")}
    for part in _leaves(message):
        if id(part) in texts:
            continue
        yield _file(part)


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for inner in cast(Iterable[EmailMessage], part.iter_parts()):
        yield from _leaves(inner)


def _file(part: EmailMessage) -> dict[str, Any] | None:
    content = part.get_payload(decode=True)
    if part.get_content_maintype() == "message":
        if part.get_content_subtype() != "rfc822":
            return None
        inner = part.get_payload()
        content = cast(list[EmailMessage], inner)[0].as_bytes() if isinstance(inner, list) and inner else None
    if not isinstance(content, bytes):
        return None
    content_id = str(part.get("Content-ID", "")).strip().strip("<>")
    about: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": part.get_filename() or "attachment",
        "contentType": part.get_content_type(),
        "isInline": bool(content_id) and part.get_content_disposition() != "attachment",
        "contentBytes": base64.b64encode(content).decode(),
    }
    return about | ({"contentId": content_id} if content_id else {})
