"""A doorbell as the text of a queue message, and back.

The host puts top-level JSON properties of a message over the trigger's own metadata, so none may be called `id`,
`dequeueCount`, `insertionTime`, `expirationTime`, `nextVisibleTime` or `popReceipt`.
"""

import json
from datetime import datetime
from typing import Any

from email_core.email_id import is_email_id
from email_core.record import Mode
from email_core.stores.base import Doorbell, StoredEmail
from email_core.stores.entities import record_from_json, record_to_json

LONGEST_TEXT = 48 * 1024  # octets of UTF-8: 64 KiB when the queue's base64 is on it


def doorbell_to_text(doorbell: Doorbell, due: datetime) -> str:
    """With the email as it is, where that fits; else without, and the one who answers reads it. `due` is when it
    rings: the queue itself tells only when a message was put."""
    bare = {"email": doorbell.email_id, "mode": doorbell.mode.value, "due": due.isoformat()}
    carried = _carried(doorbell.stored) if doorbell.stored else None
    if carried is not None:
        text = json.dumps(bare | carried, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) <= LONGEST_TEXT:
            return text
    return json.dumps(bare, separators=(",", ":"))


def doorbell_from_text(text: str | bytes) -> Doorbell:
    """Raises ValueError where the text is no doorbell. What it carries in a damaged form is left aside."""
    try:
        values = json.loads(text)
        email_id, mode = values["email"], Mode(values["mode"])
    except (ValueError, TypeError, KeyError):
        raise ValueError("no doorbell") from None
    if not isinstance(email_id, str) or not is_email_id(email_id):
        raise ValueError("a doorbell without an email")
    return Doorbell(email_id, mode, _stored(email_id, values))


def doorbell_due(text: str | bytes) -> datetime | None:
    """When it was to ring, or None where the text does not say."""
    try:
        due = datetime.fromisoformat(json.loads(text)["due"])
    except (ValueError, TypeError, KeyError):
        return None
    return due if due.tzinfo else None


def _carried(stored: StoredEmail) -> dict[str, Any] | None:
    """Content that is in a blob stays there: who claims the email needs none of it."""
    inline = stored.inline or b""
    if not inline.isascii() or len(inline) > LONGEST_TEXT:
        return None
    record = record_to_json(stored.record)
    content = {} if stored.inline is None else {"mime": inline.decode("ascii")}
    return None if record is None else {"etag": stored.etag, "record": record, **content}


def _stored(email_id: str, values: dict[str, Any]) -> StoredEmail | None:
    try:
        inline = values["mime"].encode("ascii") if "mime" in values else None
        stored = StoredEmail(record_from_json(email_id, values["record"]), str(values["etag"]), inline)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return stored if stored.is_whole else None
