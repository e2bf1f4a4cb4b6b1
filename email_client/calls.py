"""The calls of the API that this client makes, apart from how they are made."""

import base64
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from email_client.shapes import Attachment, NewEmail

_NAMES = {"since": "from", "until": "to"}  # what is called otherwise in Python


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`repeatable`: made twice it does no more than made once."""

    method: str = "GET"
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    repeatable: bool = True


def send(email: NewEmail, idempotency_key: str | None) -> Call:
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return Call(method="POST", path="/api/emails", body=email, headers=headers)


def dry_run(email: NewEmail) -> Call:
    return Call(method="POST", path="/api/emails", body={**email, "dry_run": True})


def batch(emails: Sequence[NewEmail]) -> Call:
    return Call(method="POST", path="/api/email-batches", body={"emails": list(emails)}, repeatable=False)


def get(email_id: str) -> Call:
    return Call(path=f"/api/emails/{quote(email_id, safe='')}")


def page(filters: Mapping[str, Any], cursor: str | None) -> Call:
    """Raises ValueError for a time without a time zone."""
    query = {_NAMES.get(name, name): _text(name, value) for name, value in filters.items() if value is not None}
    return Call(path="/api/emails", query=query | ({"cursor": cursor} if cursor else {}))


def cancel(email_id: str) -> Call:
    return Call(method="POST", path=f"/api/emails/{quote(email_id, safe='')}/cancel", repeatable=False)


def resend(email_id: str) -> Call:
    return Call(method="POST", path=f"/api/emails/{quote(email_id, safe='')}/resend", repeatable=False)


def eml(email_id: str, *, draft: bool) -> Call:
    return Call(path=f"/api/emails/{quote(email_id, safe='')}/eml", query={"draft": "true"} if draft else {})


def draft(email: NewEmail) -> Call:
    return Call(method="POST", path="/api/eml", body=email)


def attachment(
    name: str, content: bytes, content_type: str | None = None, *, content_id: str | None = None
) -> Attachment:
    """A file for an email; one with a `content_id` is shown in the HTML by `cid:<content_id>`."""
    made: Attachment = {"name": name, "content": base64.b64encode(content).decode()}
    if content_type is not None:
        made["content_type"] = content_type
    return made if content_id is None else {**made, "inline": True, "content_id": content_id}


def origin(url: str) -> str:
    """Whether or not it was given with the route prefix."""
    return url.rstrip("/").removesuffix("/api")


def pauses(seconds: float) -> Iterator[float]:
    """The waits before each look at an email: none, then short ones, then up to 5 s; so many seconds together."""
    yield 0.0
    pause = 0.1
    while seconds > 0:
        yield min(pause, seconds)
        seconds -= pause
        pause = min(pause * 1.5, 5.0)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    if value.utcoffset() is None:
        raise ValueError(f"`{name}` has no time zone: give one, as in datetime(2026, 1, 31, tzinfo=UTC)")
    return value.isoformat()
