"""Conditional writes to one table. Those that wait in this process for one partition go together, in one entity-group
transaction; one that loses its race is taken out, and the others are tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from email_core.group_commit import GroupCommit

MOST_OPERATIONS = 100  # of one transaction
MOST_OCTETS = 900_000  # of one transaction's request: its limit is 4 MiB, but one that large holds up the event loop
_LOST = frozenset({404, 409, 412})

Operation = tuple[str, dict[str, Any], dict[str, Any]]


class WriteRefused(Exception):
    """The entity was not in the state that the write was made from. Nothing of it was written."""


@dataclass(frozen=True, slots=True)
class EntityWrite:
    """What happens to one email in one step. Two writes of the same email never share a transaction."""

    email_id: str
    operations: tuple[Operation, ...]
    octets: int


def insert(entity: dict[str, Any]) -> Operation:
    return ("create", entity, {})


def merge(changes: dict[str, Any], etag: str) -> Operation:
    return ("update", changes, {"mode": UpdateMode.MERGE, **_only_if(etag)})


def delete(keys: dict[str, Any], etag: str) -> Operation:
    return ("delete", keys, _only_if(etag))


def _only_if(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


class PartitionWriter:
    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._groups: GroupCommit[EntityWrite, str] = GroupCommit(self._commit, _fits)

    async def write(self, partition: str, write: EntityWrite) -> str:
        """The ETag of the write's last entity. Raises WriteRefused, or AzureError when it may or may not be done."""
        return await self._groups.write(partition, write)

    async def _commit(self, writes: Sequence[EntityWrite]) -> list[str | Exception]:
        results: dict[str, str | Exception] = {}
        pending = list(writes)
        while pending:
            try:
                etags = await self._submit(pending)
            except _Refusal as refusal:
                loser = _owner(pending, refusal.index)
                results[loser.email_id] = WriteRefused()
                pending.remove(loser)
                continue
            results |= {write.email_id: etag for write, etag in zip(pending, etags, strict=True)}
            break
        return [results[write.email_id] for write in writes]

    async def _submit(self, writes: Sequence[EntityWrite]) -> list[str]:
        """Once more where the connection broke: a hundred emails share it. If the first try was made after all, the
        second is refused, and whoever wrote looks at what stands there."""
        try:
            return await self._submit_once(writes)
        except (ServiceRequestError, ServiceResponseError):
            return await self._submit_once(writes)

    async def _submit_once(self, writes: Sequence[EntityWrite]) -> list[str]:
        """Each write's ETag. A single operation goes without a transaction, which costs the client three times as
        much. Raises _Refusal."""
        operations = [operation for write in writes for operation in write.operations]
        try:
            if len(operations) == 1:
                return [await self._make(*operations[0])]
            answers = await self._table.submit_transaction(operations)
        except HttpResponseError as error:
            if error.status_code in _LOST:
                raise _Refusal(getattr(error, "index", 0)) from None
            raise
        ends = accumulate(len(write.operations) for write in writes)
        return [str(answers[end - 1]["etag"]) for end in ends]

    async def _make(self, verb: str, entity: dict[str, Any], options: dict[str, Any]) -> str:
        make = self._table.create_entity if verb == "create" else self._table.update_entity
        written: Mapping[str, Any] = await make(entity, **options)
        return str(written["etag"])


class _Refusal(Exception):
    """An operation was refused, and with it the transaction that it was in: the one at `index`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def _fits(batch: Sequence[EntityWrite], write: EntityWrite) -> bool:
    together = [*batch, write]
    return (
        sum(len(one.operations) for one in together) <= MOST_OPERATIONS
        and sum(one.octets for one in together) <= MOST_OCTETS
        and all(one.email_id != write.email_id for one in batch)
    )


def _owner(writes: Sequence[EntityWrite], index: int) -> EntityWrite:
    """The write whose operation stands at `index` of the transaction."""
    owners = [write for write in writes for _ in write.operations]
    return owners[index]
