"""Fills a table with emails: directly, in transactions of 100, spread over all partitions of five days."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from email_core.delivery_state import Event
from email_core.email_id import SHARDS, partition_of
from email_core.storage_clients import StorageClients
from email_core.stores.azure.names import EMAILS_TABLE, PARTITIONS_TABLE
from email_core.stores.azure.partitions import Partitions
from email_core.stores.azure.transaction import insert
from email_core.stores.azure.writer import submit
from email_core.stores.entities import entity_properties
from tests.support.emails import email

DAYS, TRANSACTION = 5, 100
PARTITIONS = DAYS * SHARDS

Row = dict[str, Any]


async def fill(connection: str, size: int, newest_day: datetime, *, one_unsent_in: int = 0) -> None:
    """`one_unsent_in` 2 leaves every other email unsent, 0 none."""
    clients = StorageClients({"EmailStorage": connection})
    async with clients.tables() as tables, clients.plain_tables() as plain:
        partitions = Partitions(tables.get_table_client(PARTITIONS_TABLE))
        transactions = _transactions(size, newest_day, one_unsent_in)

        async def writer() -> None:
            for rows in transactions:
                await partitions.ensure(rows[0]["PartitionKey"])
                await submit(plain, [insert(EMAILS_TABLE, row) for row in rows])

        await asyncio.gather(*(writer() for _ in range(4)))


def _transactions(size: int, newest_day: datetime, one_unsent_in: int) -> Iterator[list[Row]]:
    """Each for one partition; the partitions take turns."""
    lengths = Counter(number % PARTITIONS for number in range(size))
    for first in range(0, max(lengths.values()), TRANSACTION):
        for partition, length in lengths.items():
            day = newest_day - timedelta(days=partition // SHARDS)
            numbers = range(first, min(first + TRANSACTION, length))
            rows = [_row(day, partition % SHARDS, number, one_unsent_in) for number in numbers]
            if rows:
                yield rows


def _row(day: datetime, shard: int, number: int, one_unsent_in: int) -> Row:
    at = day + timedelta(milliseconds=number)
    record = email(at, shard)
    if not one_unsent_in or number % one_unsent_in:
        record = replace(record.after(Event.CLAIM, at).after(Event.SEND, at), tries=1, claims=1)
    prefix = "h-" if record.ended else "u-"
    return {"PartitionKey": partition_of(record.id), "RowKey": prefix + record.id} | entity_properties(record)
