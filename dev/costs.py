"""`python -m dev.costs`: what so many emails a month use on Azure, in the units that Azure charges for, and an example
of what that costs. docs/how-to/costs.md is made of it.
"""

import argparse
from dataclasses import dataclass, fields

from email_core.timer_runs import PERIODS

MONTH = 30 * 86_400  # seconds
SIZES = (1_000, 100_000, 10_000_000)  # emails a month
BUSY = 1_000_000  # emails a month: from here on they mostly come while others are on their way

REQUESTS_ALONE, REQUESTS_BUSY = 6.1, 3.6  # of the storage, for an email: benchmarks/storage_requests.py
TIMER_REQUESTS = {"sweep_outbox": 10, "run_distributor": 2, "expire_emails": 2, "purge_history": 5}  # counted
HOST_REQUESTS = 4  # of the host for each run of a timer, for its lock and its status: an estimate
LEAST_SECONDS = 1.0  # that an execution is charged for which is alone in its instance
GROUPS = 2  # of instances that an email passes through: one accepts, one sends
EMAIL_LOG_KB, RUN_LOG_KB = 8.0, 3.0  # of telemetry, for an email and for each run of a timer: an estimate
LOG_ALERTS = 7

TIMER_RUNS = {name: MONTH // int(period.total_seconds()) for name, period in PERIODS.items()}


@dataclass(frozen=True)
class Use:
    """Of a month."""

    executions: float  # millions
    gb_seconds: float
    storage_requests: float  # millions
    storage_gb: float
    log_gb: float
    log_alerts: float


UNITS = {
    "executions": "executions, millions",
    "gb_seconds": "GB-seconds",
    "storage_requests": "storage requests, millions",
    "storage_gb": "kept, GB",
    "log_gb": "telemetry, GB",
    "log_alerts": "alerts on logs",
}

# An example and no offer, in US dollars for each unit: yours are on Azure's price pages, by region and contract.
EXAMPLE = Use(
    executions=0.40, gb_seconds=0.000026, storage_requests=0.04, storage_gb=0.05, log_gb=2.30, log_alerts=1.50
)


def use(emails: int, *, memory_gb: float = 2.0, email_kb: float = 20.0) -> Use:
    """At most, where nothing is always ready and no email is tried twice: bursts cost less than a steady trickle, as
    those who come together share an instance's seconds."""
    runs = sum(TIMER_RUNS.values())
    active = GROUPS * min(emails * LEAST_SECONDS, MONTH) + runs * LEAST_SECONDS
    of_email = REQUESTS_BUSY if emails >= BUSY else REQUESTS_ALONE
    of_timers = sum(count * (TIMER_REQUESTS[name] + HOST_REQUESTS) for name, count in TIMER_RUNS.items())
    return Use(
        executions=(GROUPS * emails + runs) / 1e6,
        gb_seconds=active * memory_gb,
        storage_requests=(emails * of_email + of_timers) / 1e6,
        storage_gb=emails * email_kb / 1e6,
        log_gb=(emails * EMAIL_LOG_KB + runs * RUN_LOG_KB) / 1e6,
        log_alerts=LOG_ALERTS,
    )


def costs(used: Use, prices: Use = EXAMPLE) -> dict[str, float]:
    return {row.name: getattr(used, row.name) * getattr(prices, row.name) for row in fields(Use)}


def table(sizes: tuple[int, ...], *, memory_gb: float = 2.0, email_kb: float = 20.0) -> str:
    """A row for each unit: what is used of it, and in brackets what that costs at the example's prices."""
    uses = [use(size, memory_gb=memory_gb, email_kb=email_kb) for size in sizes]
    bills = [costs(one) for one in uses]
    lines = ["| emails a month | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for name, unit in UNITS.items():
        cells = (f"{_number(getattr(one, name))} ({bill[name]:,.2f})" for one, bill in zip(uses, bills, strict=True))
        lines.append(f"| {unit} | {' | '.join(cells)} |")
    lines.append("| **example, US dollars** | " + " | ".join(f"**{sum(bill.values()):,.0f}**" for bill in bills) + " |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        "costs", description="What emails use on Azure in a month, and an example of costs."
    )
    parser.add_argument("emails", nargs="*", type=int, help="a month")
    parser.add_argument("--memory-gb", type=float, default=2.0, help="of an instance: 0.5, 2 or 4")
    parser.add_argument("--email-kb", type=float, default=20.0, help="on average, with attachments")
    wanted = parser.parse_args()
    print(table(tuple(wanted.emails) or SIZES, memory_gb=wanted.memory_gb, email_kb=wanted.email_kb))
