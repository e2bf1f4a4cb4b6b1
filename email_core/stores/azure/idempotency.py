"""Idempotency keys in a table: one row a key, spread over partitions by the key's hash."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from email_core.errors import LostRace
from email_core.idempotency import KeyUse
from email_core.stores.azure.names import IDEMPOTENCY_TABLE, translated
from email_core.stores.azure.writer import MOST_OPERATIONS

PARTITION_LENGTH = 2  # hexadecimal digits of the hash: 256 partitions


class AzureIdempotencyStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(IDEMPOTENCY_TABLE)

    async def claim(self, use: KeyUse) -> KeyUse | None:
        with translated("claim an idempotency key"):
            try:
                await self._table.create_entity(_entity(use))
            except ResourceExistsError:
                standing = await self._read(use.key)
                own = standing is None or standing.email_id == use.email_id  # a repeated try of this very request
                return None if own else standing
        return None

    async def _read(self, key: str) -> KeyUse | None:
        try:
            entity = await self._table.get_entity(key[:PARTITION_LENGTH], key)
        except ResourceNotFoundError:
            return None
        at: datetime = entity["at"]
        return KeyUse(key, entity["body"], entity["email_id"], at, str(entity.metadata["etag"]))

    async def take_over(self, standing: KeyUse, use: KeyUse) -> None:
        with translated("take over an idempotency key"):
            try:
                await self._table.update_entity(
                    _entity(use),
                    mode=UpdateMode.REPLACE,
                    etag=standing.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                raise LostRace(use.email_id) from None

    async def release(self, use: KeyUse) -> None:
        with translated("release an idempotency key"):
            standing = await self._read(use.key)
            if standing is None or standing.email_id != use.email_id:
                return  # another request has taken the key over
            with suppress(ResourceModifiedError, ResourceNotFoundError):
                await self._table.delete_entity(
                    use.key[:PARTITION_LENGTH],
                    use.key,
                    etag=standing.etag,
                    match_condition=MatchConditions.IfNotModified,
                )

    async def purge(self, before: datetime, until: datetime) -> int:
        """One query over all partitions; a key lives a day, so it never grows beyond that."""
        count = 0
        with translated("purge idempotency keys"):
            async for batch in self._old(before):
                await self._table.submit_transaction(("delete", keys) for keys in batch)
                count += len(batch)
                if datetime.now(until.tzinfo) >= until:
                    break
        return count

    async def _old(self, before: datetime) -> AsyncIterator[list[dict[str, str]]]:
        """The keys of rows of one partition, as many as one transaction deletes."""
        rows = self._table.query_entities(
            "at lt @before", parameters={"before": before}, select=["PartitionKey", "RowKey"]
        )
        batch: list[dict[str, str]] = []
        async for row in rows:
            if batch and (len(batch) == MOST_OPERATIONS or batch[0]["PartitionKey"] != row["PartitionKey"]):
                yield batch
                batch = []
            batch.append({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]})
        if batch:
            yield batch


def _entity(use: KeyUse) -> dict[str, Any]:
    return {
        "PartitionKey": use.key[:PARTITION_LENGTH],
        "RowKey": use.key,
        "body": use.body,
        "email_id": use.email_id,
        "at": use.at,
    }
