"""Storage requests for the first page of the history and of the unsent emails, with 1,000 and 100,000 emails stored.

The rows go into the table directly, in transactions of 100, spread over all partitions of five days; every other one
is unsent, so that the newest day alone has enough for a page of 50. A proxy counts what that page then costs: the same
number, however much is stored. The time is the emulator's, which looks through all rows of its table; the service does
not.
"""

import argparse
import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks import report
from benchmarks.stored import fill
from email_core.stores.base import EmailQuery, View
from tests.support.azurite import running_azurite
from tests.support.storage import azure_stores
from tests.support.storage_proxy import StorageProxy, storage_proxy

SIZES = (1_000, 100_000)


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
        await fill(connection, size, start_of_today(), one_unsent_in=2)
        return {view: await _first_page(proxy, emails, view) for view in View}


async def _first_page(proxy: StorageProxy, emails: Any, view: View) -> tuple[int, int, float]:
    proxy.forget()
    started = time.perf_counter()
    page = await emails.page(EmailQuery(view=view))
    seconds = time.perf_counter() - started
    return len(proxy.exchanges), len(page.items), seconds


def start_of_today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=1, second=0, microsecond=0)
