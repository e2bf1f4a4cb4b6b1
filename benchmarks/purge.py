"""Storage requests and time to purge a history of 100,000 emails that are all past their retention.

The rows go into the table directly, over five days of two months ago. A proxy counts what `Retention.purge` then asks
for, queries included: at most one request for 80 rows.
"""

import argparse
import asyncio
import time
from collections import Counter
from datetime import timedelta

from benchmarks import report
from benchmarks.listing import start_of_today
from benchmarks.servers import prepared
from benchmarks.stored import fill
from email_core.assembly import utc_now
from email_core.audit import AuditLog
from email_core.leftovers import Leftovers
from email_core.parameters import Parameters
from email_core.retention import Retention
from email_core.throttle import Throttle
from tests.support.azurite import running_azurite
from tests.support.storage import all_azure_stores
from tests.support.storage_proxy import storage_proxy

SIZE = 100_000
ROWS_A_REQUEST = 80


def run(_: argparse.Namespace) -> None:
    with running_azurite() as azurite:
        purged, kinds, seconds = asyncio.run(_measured(prepared(azurite.new_account())))
    requests = sum(kinds.values())
    report.table(
        ["emails purged", *sorted(kinds), "**requests**", "rows a request", "of the target", "seconds"],
        [
            [
                purged,
                *(kinds[kind] for kind in sorted(kinds)),
                requests,
                purged / requests,
                purged / requests / ROWS_A_REQUEST,
                seconds,
            ]
        ],
    )


async def _measured(connection: str) -> tuple[int, Counter[str], float]:
    await fill(connection, SIZE, start_of_today() - timedelta(days=60))
    async with storage_proxy(connection) as proxy, all_azure_stores(proxy.connection) as stores:
        audit = AuditLog(stores.audit, utc_now)
        retention = Retention(
            emails=stores.emails,
            keys=stores.keys,
            leftovers=Leftovers({}),
            audit=audit,
            windows=stores.windows,
            provider_states=stores.providers,
            throttle=Throttle(stores.windows, Parameters(), utc_now),
            parameters=Parameters(),
            clock=utc_now,
        )
        proxy.forget()
        started = time.perf_counter()
        report_of_purge = await retention.purge(utc_now() + timedelta(minutes=8))
        return report_of_purge.emails, Counter(proxy.counts), time.perf_counter() - started
