"""Storage requests for one small email, from accept to Sent, the host's own included.

A proxy in front of the emulator counts them. Emails go through the real app: HTTP, queue trigger, SMTP to a sink.
`in flight` is the number of emails between the beginning of their accept and the deletion of their doorbell; alone
means one after another with a pause. Compared with the budget of the design: 6.1 alone, 3.6 from 16 in flight.
Counted apart: polls that found the queue empty, and the rows that name a partition (two for the first email of a
process in a minute that has its shard to itself, at most 16 a process and day). The timers do not run.

Then a batch of 100 emails in one call, until its answer: at most 1.3 an email, the doorbell included.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks import report
from benchmarks.load import Poster, batch_post, post_many, until
from benchmarks.servers import NO_SENDING, NO_TIMERS, prepared, running_runner, running_sink
from tests.support.azurite import running_azurite
from tests.support.storage_proxy import Exchange, StorageProxy, running_storage_proxy

ALONE, UNDER_LOAD = 20, 480  # emails
IN_FLIGHT = (8, 16, 32, 64)
BUDGET_ALONE, BUDGET_UNDER_LOAD, BUDGET_BATCH = 6.1, 3.6, 1.3
BATCH = 100  # emails
EMPTY_POLL, PARTITION_ROW = "empty poll", "partition row"


def run(_: argparse.Namespace) -> None:
    with running_azurite() as azurite, running_sink() as sink:
        counts = {}
        with (
            running_storage_proxy(prepared(azurite.new_account())) as proxy,
            running_runner(proxy.connection, sink.port, **NO_TIMERS) as runner,
        ):
            asyncio.run(_alone(runner.port, proxy, 2))  # warm
            counts["alone"] = _counted(proxy, ALONE, lambda: asyncio.run(_alone(runner.port, proxy, ALONE)))
            for number in IN_FLIGHT:
                counts[f"{number} in flight"] = _counted(
                    proxy, UNDER_LOAD, lambda number=number: asyncio.run(_under_load(runner.port, proxy, number))
                )
        _print(counts)
        with (
            running_storage_proxy(prepared(azurite.new_account())) as proxy,
            running_runner(proxy.connection, sink.port, **NO_TIMERS, **NO_SENDING) as runner,
        ):
            asyncio.run(_batch(runner.port))  # warm
            counted = _counted(proxy, BATCH, lambda: asyncio.run(_batch(runner.port)))
    kinds = sorted(counted)
    total = sum(counted.values()) - counted[PARTITION_ROW]
    report.table(
        ["requests an email", *kinds, "**sum**", "of the budget"],
        [[f"batch of {BATCH}", *(counted[kind] for kind in kinds), total, total / BUDGET_BATCH]],
    )


def _counted(proxy: StorageProxy, emails: int, work: Callable[[], None]) -> Counter[str]:
    proxy.forget()
    work()
    counts = Counter(_kind(one) for one in proxy.exchanges)
    return Counter({kind: number / emails for kind, number in counts.items()})


async def _alone(port: int, proxy: StorageProxy, emails: int) -> None:
    poster = Poster(port)
    for _ in range(emails):
        already = _done(proxy)
        await poster.post()
        await until(lambda already=already: _done(proxy) > already, "an email alone is sent")
        await asyncio.sleep(0.2)
    poster.close()


async def _under_load(port: int, proxy: StorageProxy, in_flight: int) -> None:
    await post_many([port], UNDER_LOAD, in_flight, done=lambda: _done(proxy), most_in_flight=in_flight)
    await until(lambda: _done(proxy) >= UNDER_LOAD, "all emails are sent")
    await asyncio.sleep(0.2)


async def _batch(port: int) -> None:
    poster = Poster(port)
    await poster.post(batch_post(BATCH))
    poster.close()


def _done(proxy: StorageProxy) -> int:
    return proxy.counts["queue delete"]


def _kind(exchange: Exchange) -> str:
    if exchange.empty:
        return EMPTY_POLL
    if exchange.resource == "emailpartitions":
        return PARTITION_ROW
    if exchange.operations:
        return "transaction"
    return exchange.kind


def _print(counts: dict[str, Counter[str]]) -> None:
    kinds = sorted({kind for one in counts.values() for kind in one} - {EMPTY_POLL, PARTITION_ROW})
    rows: list[Sequence[report.Cell]] = []
    for name, one in counts.items():
        total = sum(one[kind] for kind in kinds)
        budget = BUDGET_ALONE if name == "alone" else BUDGET_UNDER_LOAD
        of_budget = "" if name == "8 in flight" else f"{total / budget:.2f}"
        rows.append([name, *(one[kind] for kind in kinds), total, of_budget, one[EMPTY_POLL], one[PARTITION_ROW]])
    report.table(["requests an email", *kinds, "**sum**", "of the budget", EMPTY_POLL, PARTITION_ROW], rows)
