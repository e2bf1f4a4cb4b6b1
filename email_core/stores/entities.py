"""An email's record as a table entity and back, and as JSON.

The properties that queries filter by, and that change in a claim, stand alone; the rest is one JSON text. A text
longer than a string property holds is kept compressed, in as many binary properties as it needs.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from email_core.delivery_state import Status
from email_core.message import Address, Importance
from email_core.record import Attempt, EmailRecord, Mode, RecipientResult, Turn

LONGEST_TEXT = 30_000  # units of UTF-16; a string property holds 32,767
CHUNK = 60_000  # octets; a binary property holds 65,536
MOST_CHUNKS = 12  # an entity holds 1 MiB

_TIMES = ("updated_at", "send_at", "expires_at", "next_attempt_at", "ended_at", "lease_until", "rung_at")
_NUMBERS = ("size", "claims", "deferrals", "tries")
_FLAGS = ("parked", "held", "waits_for_provider", "content_deleted")
_TEXTS = ("provider", "user", "subject", "message_id", "claimed_by", "handle", "mailbox", "accepted_by")
_PLAIN = (*_TIMES, *_NUMBERS, *_TEXTS, *_FLAGS, "created_at")
_IN_DETAIL = ("sender", "to", "cc", "bcc", "metadata", "attempts", "results", "importance", "turn")
_DETAIL_CHUNKS = tuple(f"detail{number}" for number in range(MOST_CHUNKS))
CONTENT_PROPERTY = "mime"
RECORD_PROPERTIES = (
    *("PartitionKey", "RowKey", "status", "mode", "sender", "created_at", "detail"),
    *(*_TIMES, *_NUMBERS, *_TEXTS, *_FLAGS, *_DETAIL_CHUNKS),
)


def entity_properties(record: EmailRecord) -> dict[str, Any]:
    """All properties but the keys and the content. A table keeps no nulls: what is None is left out."""
    return _plain(record) | _packed(_detail(record))


def changed_properties(old: EmailRecord, new: EmailRecord) -> dict[str, Any]:
    """What a merge must write to make `old` into `new`. A merge cannot take a property away, so none may end."""
    before = _plain(old)
    changed = {name: value for name, value in _plain(new).items() if before.get(name) != value}
    if all(getattr(old, name) == getattr(new, name) for name in _IN_DETAIL):
        return changed
    return changed | _packed(_detail(new))


def record_of(entity: Mapping[str, Any]) -> EmailRecord:
    detail = json.loads(_unpacked(entity))
    return EmailRecord(
        id=entity["RowKey"][2:],
        status=Status(entity["status"]),
        mode=Mode(entity["mode"]),
        provider=entity["provider"],
        user=entity.get("user"),
        sender=_address(detail["from"]),
        to=tuple(map(_address, detail["to"])),
        cc=tuple(map(_address, detail["cc"])),
        bcc=tuple(map(_address, detail["bcc"])),
        subject=entity["subject"],
        size=entity["size"],
        message_id=entity["message_id"],
        metadata=detail["metadata"],
        created_at=_time(entity["created_at"]),
        updated_at=_time(entity["updated_at"]),
        send_at=_optional_time(entity, "send_at"),
        expires_at=_optional_time(entity, "expires_at"),
        next_attempt_at=_optional_time(entity, "next_attempt_at"),
        ended_at=_optional_time(entity, "ended_at"),
        lease_until=_optional_time(entity, "lease_until"),
        claims=entity["claims"],
        claimed_by=entity.get("claimed_by"),
        handle=entity.get("handle"),
        mailbox=entity.get("mailbox"),
        accepted_by=entity.get("accepted_by"),
        parked=entity["parked"],
        waits_for_provider=entity.get("waits_for_provider", False),
        held=entity["held"],
        content_deleted=entity.get("content_deleted", False),
        rung_at=_optional_time(entity, "rung_at"),
        importance=Importance(detail.get("importance", Importance.NORMAL)),
        deferrals=entity["deferrals"],
        turn=_turn(detail["turn"]) if "turn" in detail else None,
        tries=entity["tries"],
        attempts=tuple(_attempt(attempt) for attempt in detail["attempts"]),
        results={
            address: RecipientResult(Status(status), reply) for address, (status, reply) in detail["results"].items()
        },
    )


def record_to_json(record: EmailRecord) -> dict[str, Any] | None:
    """The record's properties as JSON can hold them, or None for one so large that it has binary ones."""
    properties = entity_properties(record)
    if not properties["detail"]:
        return None
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in properties.items()}


def record_from_json(email_id: str, properties: Mapping[str, Any]) -> EmailRecord:
    """Raises KeyError, TypeError or ValueError where the JSON is not `record_to_json`'s."""
    times = {name: datetime.fromisoformat(properties[name]) for name in (*_TIMES, "created_at") if name in properties}
    return record_of({**properties, **times, "RowKey": f"?-{email_id}"})


def _plain(record: EmailRecord) -> dict[str, Any]:
    values = {name: value for name in _PLAIN if (value := getattr(record, name)) is not None}
    return values | {
        "status": record.status.value,
        "mode": record.mode.value,
        "sender": record.sender.address.casefold(),
    }


def _detail(record: EmailRecord) -> str:
    detail: dict[str, Any] = {
        "from": [record.sender.address, record.sender.name],
        "to": [[one.address, one.name] for one in record.to],
        "cc": [[one.address, one.name] for one in record.cc],
        "bcc": [[one.address, one.name] for one in record.bcc],
        "metadata": dict(record.metadata),
        "attempts": [
            [one.at.isoformat(), one.provider, one.outcome, one.reply, one.seconds, one.diagnosis, one.trace]
            for one in record.attempts
        ],
        "results": {address: [one.status.value, one.reply] for address, one in record.results.items()},
    }
    if record.importance is not Importance.NORMAL:
        detail["importance"] = record.importance.value
    if record.turn is not None:
        detail["turn"] = asdict(record.turn)
    return json.dumps(detail, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat)


def _packed(text: str) -> dict[str, Any]:
    if _utf16_units(text) <= LONGEST_TEXT:
        return {"detail": text}
    octets = zlib.compress(text.encode())
    if len(octets) > MOST_CHUNKS * CHUNK:
        raise ValueError("a record that no entity can hold: the limits of recipients, names and replies are wrong")
    chunks = [octets[start : start + CHUNK] for start in range(0, len(octets), CHUNK)]
    return {"detail": "", **dict(zip(_DETAIL_CHUNKS[: len(chunks)], chunks, strict=True))}


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _unpacked(entity: Mapping[str, Any]) -> str:
    if entity["detail"]:
        return str(entity["detail"])
    inflate = zlib.decompressobj()  # a shorter text leaves the older one's last chunks behind: they are ignored
    octets = b"".join(entity.get(name) or b"" for name in _DETAIL_CHUNKS)
    return inflate.decompress(octets).decode()


def _address(pair: list[str]) -> Address:
    return Address(*pair)


def _attempt(values: list[Any]) -> Attempt:
    at, *others = values  # rows from before there were diagnoses and traces have none
    return Attempt(datetime.fromisoformat(at), *others)


def _turn(values: dict[str, Any]) -> Turn:
    permit_at, counted_at = (_moment(values.pop(name)) for name in ("permit_at", "counted_at"))
    return Turn(**values, permit_at=permit_at, counted_at=counted_at)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _time(value: datetime) -> datetime:
    """A plain datetime: the client library's own kind compares equal, but prints and pickles differently."""
    return datetime.combine(value.date(), value.timetz())


def _optional_time(entity: Mapping[str, Any], name: str) -> datetime | None:
    value = entity.get(name)
    return None if value is None else _time(value)
