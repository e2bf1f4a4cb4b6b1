"""Conditional writes to one table. Those that wait in this process for one partition go together, in one entity-group
transaction; one that loses its race is taken out, and the others are tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from email_core.group_commit import GroupCommit
from email_core.stores.azure.rest import StorageService, refused
from email_core.stores.azure.transaction import TRANSACTION_HEADERS, Operation, transaction, verdict

MOST_OPERATIONS = 100  # of one transaction
MOST_OCTETS = 900_000  # of one transaction's request: its limit is 4 MiB, but one that large holds up the event loop
_LOST = frozenset({404, 409, 412})


class WriteRefused(Exception):
    """The entity was not in the state that the write was made from. Nothing of it was written."""


@dataclass(frozen=True, slots=True)
class EntityWrite:
    """What happens to one email in one step. Two writes of the same email never share a transaction."""

    email_id: str
    operations: tuple[Operation, ...]
    octets: int


class PartitionWriter:
    def __init__(self, service: StorageService) -> None:
        self._service = service
        self._groups: GroupCommit[EntityWrite, str] = GroupCommit(self._commit, _fits)

    async def write(self, partition: str, write: EntityWrite) -> str:
        """The ETag of the write's last entity. Raises WriteRefused, or AzureError when it may or may not be done."""
        return await self._groups.write(partition, write)

    async def _commit(self, writes: Sequence[EntityWrite]) -> list[str | Exception]:
        results: dict[str, str | Exception] = {}
        pending = list(writes)
        while pending:
            try:
                etags = await submit(self._service, [one for write in pending for one in write.operations])
            except Refusal as refusal:
                loser = _owner(pending, refusal.index)
                results[loser.email_id] = WriteRefused()
                pending.remove(loser)
                continue
            ends = accumulate(len(write.operations) for write in pending)
            results |= {write.email_id: str(etags[end - 1]) for write, end in zip(pending, ends, strict=True)}
            break
        return [results[write.email_id] for write in writes]


class Refusal(Exception):
    """An operation was refused, and with it the transaction that it was in: the one at `index`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


async def submit(service: StorageService, operations: Sequence[Operation]) -> Sequence[str | None]:
    """Makes all operations or none, and returns their ETags. One alone needs no transaction, which costs the service
    more. Raises Refusal, or AzureError when they may or may not be made."""
    if len(operations) == 1:
        return [await _submit_one(service, operations[0])]
    answer = await service.send("POST", "$batch", TRANSACTION_HEADERS, transaction(service.endpoint, operations))
    if answer.status != 202:
        raise refused(answer)
    try:
        made = verdict(answer.body)
    except ValueError:
        raise refused(answer) from None
    if made.refused in _LOST:
        raise Refusal(made.index)
    if made.refused is not None or len(made.etags) != len(operations):
        raise refused(answer)
    return made.etags


async def _submit_one(service: StorageService, operation: Operation) -> str | None:
    answer = await service.send(operation.method, operation.path, operation.headers, operation.body)
    if answer.status in _LOST:
        raise Refusal(0)
    if answer.status >= 300:
        raise refused(answer)
    return answer.headers.get("ETag")


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
