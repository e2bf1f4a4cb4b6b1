"""How long an app waits for `202 Accepted`, p50 and p99, with 16 apps posting small mail at once over HTTP.

Two ways: the runner only accepts (its queue functions are disabled), and it also sends what it accepts. Beside them,
in the same run: the two storage writes of an accept alone, made by the storage clients from this process, 16 at once:
the entity by itself and the queue message. All three wait for the same emulator on the same cores.
"""

import argparse
import asyncio
import time
from statistics import quantiles
from typing import Any

from benchmarks import report
from benchmarks.load import SMALL_MAIL, post_many, until
from benchmarks.servers import NO_SENDING, prepared, running_runner, running_sink
from email_core.record import Mode
from email_core.storage_clients import StorageClients
from email_core.stores.azure.names import EMAILS_TABLE
from email_core.stores.base import QUEUE_NAMES
from tests.support.azurite import running_azurite

EMAILS, AT_ONCE = 480, 16  # fewer than the 500 from which the emulator's queue slows down


def run(_: argparse.Namespace) -> None:
    with running_azurite() as azurite, running_sink() as sink:
        writes = asyncio.run(_two_writes(prepared(azurite.new_account())))
        with running_runner(prepared(azurite.new_account()), sink.port, **NO_SENDING) as runner:
            asyncio.run(post_many([runner.port], AT_ONCE, AT_ONCE))
            accepting = asyncio.run(post_many([runner.port], EMAILS, AT_ONCE))
        with running_runner(prepared(azurite.new_account()), sink.port) as runner:
            asyncio.run(post_many([runner.port], AT_ONCE, AT_ONCE))
            busy = asyncio.run(post_many([runner.port], EMAILS, AT_ONCE))
            asyncio.run(until(lambda: sink.received >= EMAILS + AT_ONCE, "all emails are at the sink"))
    base = _percentiles(writes)
    rows: list[tuple[report.Cell, ...]] = []
    for name, seconds in (("two storage writes alone", writes), ("accept", accepting), ("accept while sending", busy)):
        p50, p99 = _percentiles(seconds)
        rows.append((name, p50, p99, p50 / base[0], p99 / base[1]))
    report.table([f"{AT_ONCE} at once", "p50 ms", "p99 ms", "p50 of the writes'", "p99 of the writes'"], rows)


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


async def _two_writes(connection: str) -> list[float]:
    clients = StorageClients({"EmailStorage": connection})
    remaining = iter(range(EMAILS))
    taken: list[float] = []
    async with clients.tables() as tables, clients.queues() as queues:
        table, queue = tables.get_table_client(EMAILS_TABLE), queues.get_queue_client(QUEUE_NAMES[Mode.BATCH])

        async def writer() -> None:
            for number in remaining:
                started = time.perf_counter()
                await table.create_entity(_entity(number))
                await queue.send_message("x" * 3000)
                taken.append(time.perf_counter() - started)

        await asyncio.gather(*(writer() for _ in range(AT_ONCE)))
    return taken


def _entity(number: int) -> dict[str, Any]:
    return {"PartitionKey": "benchmark", "RowKey": f"{number}", "mime": str(SMALL_MAIL["text"]).encode()}
