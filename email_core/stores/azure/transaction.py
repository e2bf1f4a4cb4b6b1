"""Table operations as HTTP requests, and many as one: an entity-group transaction (Table service REST reference).

Pure: text in, text out. The storage client's own form of a transaction costs the CPU three times as much
(docs/decisions/0012).
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ANY = "*"  # an ETag that every version matches

_JSON = {"Content-Type": "application/json", "Accept": "application/json;odata=minimalmetadata"}
# No line of JSON begins like them; the emulator knows boundaries by how they begin.
_BOUNDARY, _CHANGES = "batch_of_emails", "changeset_of_emails"
TRANSACTION_HEADERS = {
    "Content-Type": f"multipart/mixed; boundary={_BOUNDARY}",
    "Accept": "application/json",
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
}
_PART = f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n"
_TAIL = f"--{_CHANGES}--\r\n--{_BOUNDARY}--\r\n"
_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3})", re.MULTILINE)
_ETAG = re.compile(rb"^etag: *(\S+)", re.MULTILINE | re.IGNORECASE)
_INDEX = re.compile(rb'"value" *: *"(\d+):')


@dataclass(frozen=True, slots=True)
class Operation:
    """One request to a table: `path` begins with the table's name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def insert(table: str, entity: Mapping[str, Any]) -> Operation:
    return Operation("POST", table, _JSON | {"Prefer": "return-no-content"}, _encoded(entity))


def merge(table: str, changes: Mapping[str, Any], etag: str) -> Operation:
    """`changes` has the keys of the entity, and only what is new."""
    return Operation("PATCH", _path(table, changes), _JSON | {"If-Match": etag}, _encoded(changes))


def delete(table: str, keys: Mapping[str, Any], etag: str = ANY) -> Operation:
    return Operation("DELETE", _path(table, keys), {"Accept": _JSON["Accept"], "If-Match": etag}, b"")


def transaction(endpoint: str, operations: Sequence[Operation]) -> bytes:
    """The body of one request that makes all of them or none: at most 100, of one partition, each entity once."""
    pieces = [_HEAD.encode()]
    for one in operations:
        headers = "".join(f"{name}: {value}\r\n" for name, value in one.headers.items())
        pieces.append(f"{_PART}{one.method} {endpoint}/{one.path} HTTP/1.1\r\n{headers}\r\n".encode())
        pieces += (one.body, b"\r\n")
    return b"".join((*pieces, _TAIL.encode()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a transaction: each operation's ETag (None where it has none), or the status that refused it and
    the index of the operation that was to blame."""

    etags: tuple[str | None, ...] = ()
    refused: int | None = None
    index: int = 0


def verdict(body: bytes) -> Verdict:
    """Raises ValueError where the answer is none of a transaction."""
    parts = _STATUS.split(body)[1:]
    if not parts:
        raise ValueError("no answer of a transaction")
    statuses, answers = [int(status) for status in parts[::2]], parts[1::2]
    if statuses[0] >= 300:
        index = _INDEX.search(answers[0])
        return Verdict(refused=statuses[0], index=int(index[1]) if index else 0)
    return Verdict(tuple(found[1].decode() if (found := _ETAG.search(one)) else None for one in answers))


def _path(table: str, keys: Mapping[str, Any]) -> str:
    """Partition and row keys here are digits, letters and dashes: nothing to escape."""
    return f"{table}(PartitionKey='{keys['PartitionKey']}',RowKey='{keys['RowKey']}')"


def _encoded(entity: Mapping[str, Any]) -> bytes:
    values: dict[str, Any] = {}
    for name, value in entity.items():
        match value:
            case bytes():
                values[f"{name}@odata.type"] = "Edm.Binary"
                values[name] = base64.b64encode(value).decode("ascii")
            case datetime():
                values[f"{name}@odata.type"] = "Edm.DateTime"
                values[name] = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            case _:
                values[name] = value
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
