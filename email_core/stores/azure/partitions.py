"""The partitions that have mail, so that nobody looks for it in days that have none.

`all` lists every partition with mail, `unsettled` those that may still have unsent mail, `content` those whose mail may
still have its content. A row stands before the first
email of its partition does.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from azure.data.tables.aio import TableClient

from email_core.email_id import created_at, inverted_day
from email_core.stores.base import EmailQuery, View

_ALL, _UNSETTLED, _CONTENT = "all", "unsettled", "content"


class Partitions:
    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._ensured: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    async def ensure(self, partition: str) -> None:
        """Three requests for each partition in a process's life, at most `SHARDS` times a day."""
        if partition in self._ensured:
            return
        async with self._one_at_a_time:  # emails accepted together wait for one of them
            if partition in self._ensured:
                return
            rows = [{"PartitionKey": kind, "RowKey": partition} for kind in (_ALL, _UNSETTLED, _CONTENT)]
            await asyncio.gather(*(self._table.upsert_entity(row) for row in rows))
            self._ensured.add(partition)

    async def unsettled(self) -> list[str]:
        rows = self._table.query_entities("PartitionKey eq @kind", parameters={"kind": _UNSETTLED})
        return [row["RowKey"] async for row in rows]

    async def settle(self, partition: str) -> None:
        await self._table.delete_entity(_UNSETTLED, partition)

    async def settle_content(self, partition: str) -> None:
        await self._table.delete_entity(_CONTENT, partition)

    def until(self, moment: datetime) -> AsyncIterator[str]:
        return self._until(moment, _ALL)

    def with_content(self, moment: datetime) -> AsyncIterator[str]:
        return self._until(moment, _CONTENT)

    async def _until(self, moment: datetime, kind: str) -> AsyncIterator[str]:
        conditions = "PartitionKey eq @kind and RowKey ge @newest"
        values = {"kind": kind, "newest": inverted_day(moment)}
        async for row in self._table.query_entities(conditions, parameters=values):
            yield row["RowKey"]

    async def forget(self, partition: str) -> None:
        await self._table.delete_entity(_CONTENT, partition)
        await self._table.delete_entity(_ALL, partition)

    async def days(self, query: EmailQuery) -> AsyncIterator[tuple[str, list[str]]]:
        """Each day (inverted) that the query can find something in, newest first, with its partitions."""
        conditions = "PartitionKey eq @kind"
        values = {"kind": _UNSETTLED if query.view is View.UNSENT else _ALL}
        newest = created_at(query.after) if query.after else query.until
        if newest:
            conditions += " and RowKey ge @newest"
            values["newest"] = inverted_day(newest)
        if query.since:
            conditions += " and RowKey lt @oldest"
            values["oldest"] = inverted_day(query.since) + "."  # "." sorts right after "-"
        day, partitions = "", list[str]()
        async for row in self._table.query_entities(conditions, parameters=values, results_per_page=256):
            if partitions and row["RowKey"][:5] != day:
                yield day, partitions
                partitions = []
            day = row["RowKey"][:5]
            partitions.append(row["RowKey"])
        if partitions:
            yield day, partitions
