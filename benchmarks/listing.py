"""Storage requests for the first page of the history and of the unsent emails, with 1,000 and 100,000 emails stored.

The rows go into the table directly, in transactions of 100, spread over all partitions of five days; every other one
is unsent, so that the newest day alone has enough for a page of 50. A proxy counts what that page then costs: the same
number, however much is stored. The time is the emulator's, which looks through all rows of its table; the service does
not.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables.aio import TableClient

from benchmarks import report
from email_core.assembly import StorageClients
from email_core.delivery_state import Event
from email_core.email_id import SHARDS, partition_of
from email_core.stores.azure.names import EMAILS_TABLE, PARTITIONS_TABLE
from email_core.stores.azure.partitions import Partitions
from email_core.stores.base import EmailQuery, View
from email_core.stores.entities import entity_properties
from tests.support.azurite import running_azurite
from tests.support.emails import email
from tests.support.storage import azure_stores
from tests.support.storage_proxy import StorageProxy, storage_proxy

SIZES = (1_000, 100_000)
DAYS, TRANSACTION, ONE_IN = 5, 100, 2
PARTITIONS = DAYS * SHARDS

Row = dict[str, Any]


def run(_: argparse.Namespace) -> None:
    rows: list[tuple[report.Cell, ...]] = []
    requests: dict[View, list[int]] = {view: [] for view in View}
    with running_azurite() as azurite:
        for size in SIZES:
            for view, (count, items, seconds) in asyncio.run(_measured(azurite.new_account(), size)).items():
                requests[view].append(count)
                rows.append((size, view.value, items, count, count / requests[view][0], seconds * 1000))
    report.table(["emails stored", "view", "on the page", "requests", "of the smallest's", "ms"], rows)


async def _measured(connection: str, size: int) -> dict[View, tuple[int, int, float]]:
    async with storage_proxy(connection) as proxy, azure_stores(proxy.connection) as (emails, _):
        await _fill(connection, size)
        return {view: await _first_page(proxy, emails, view) for view in View}


async def _first_page(proxy: StorageProxy, emails: Any, view: View) -> tuple[int, int, float]:
    proxy.forget()
    started = time.perf_counter()
    page = await emails.page(EmailQuery(view=view))
    seconds = time.perf_counter() - started
    return len(proxy.exchanges), len(page.items), seconds


async def _fill(connection: str, size: int) -> None:
    async with StorageClients({"EmailStorage": connection}).tables() as tables:
        table = tables.get_table_client(EMAILS_TABLE)
        partitions = Partitions(tables.get_table_client(PARTITIONS_TABLE))
        transactions = _transactions(size)

        async def writer() -> None:
            for rows in transactions:
                await partitions.ensure(rows[0]["PartitionKey"])
                await _write(table, rows)

        await asyncio.gather(*(writer() for _ in range(4)))


async def _write(table: TableClient, rows: list[Row]) -> None:
    await table.submit_transaction([("create", row, {}) for row in rows])


def _transactions(size: int) -> Iterator[list[Row]]:
    """Each for one partition; the partitions take turns."""
    today = datetime.now(UTC).replace(hour=0, minute=1, second=0, microsecond=0)
    lengths = Counter(number % PARTITIONS for number in range(size))
    for first in range(0, max(lengths.values()), TRANSACTION):
        for partition, length in lengths.items():
            day = today - timedelta(days=partition // SHARDS)
            numbers = range(first, min(first + TRANSACTION, length))
            rows = [_row(day + timedelta(milliseconds=number), partition % SHARDS, number) for number in numbers]
            if rows:
                yield rows


def _row(at: datetime, shard: int, number: int) -> Row:
    record = email(at, shard)
    if number % ONE_IN:
        record = replace(record.after(Event.CLAIM, at).after(Event.SEND, at), tries=1, claims=1)
    prefix = "h-" if record.ended else "u-"
    return {"PartitionKey": partition_of(record.id), "RowKey": prefix + record.id} | entity_properties(record)
