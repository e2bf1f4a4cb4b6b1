"""Emails a second, end to end: from HTTP to the SMTP sink, with at most 200 emails between.

Small mail (2 KB), the emulator in memory, runners of the whole app as processes, `smtp-sink`. In the same run:
django-post_office (SQLite in WAL mode, 2 processes, its default batch; accepted in process, without HTTP) and bare
aiosmtplib on 8 kept connections. Then two and four runners on one storage; their sink keeps what it gets, and every
Message-ID must be there once.
"""

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import report
from benchmarks.load import post_many, until
from benchmarks.peers import bare_smtp, post_office
from benchmarks.servers import Runner, Sink, cpu_seconds, prepared, running_runners, running_sink
from tests.support.azurite import running_azurite

EMAILS, CLIENTS, BACKLOG, ROUNDS = 1500, 16, 200, 3  # the emulator's queue slows with its depth
BATCH = 50  # emails a call
WARM = 300  # emails: the emulator compiles what it often runs
RUNNERS = (1, 2, 4)
_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>]+>)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Rate:
    emails: float  # a second
    cpu: float  # milliseconds an email, all runners
    emulator: float  # milliseconds an email


def run(_: argparse.Namespace) -> None:
    _beside_peers()
    _several_runners()


def _beside_peers() -> None:
    best: dict[str, float] = {}
    ours: list[Rate] = []
    for _ in range(ROUNDS):
        with running_sink() as sink:
            ours.append(_rate(1, sink))
            batches = _rate(1, sink, a_post=BATCH)
            peer = post_office.emails_a_second(sink.port, EMAILS)
            rates = {
                "this app, 1 runner": ours[-1].emails,
                f"this app, 1 runner, {BATCH} emails a call": batches.emails,
                "django-post_office, accept and then send": peer["both"],
                "django-post_office, send alone": peer["send"],
                "bare aiosmtplib, 8 connections": bare_smtp.emails_a_second(sink.port, EMAILS),
            }
        best = {name: max(best.get(name, 0), rate) for name, rate in rates.items()}
    this_app = best["this app, 1 runner"]
    in_batches = best[f"this app, 1 runner, {BATCH} emails a call"]
    report.table(
        [f"best of {ROUNDS}", "emails/s", "this app is ... times as fast", "in batches"],
        [(name, rate, this_app / rate, in_batches / rate) for name, rate in best.items()],
    )
    runner, emulator = min(one.cpu for one in ours), min(one.emulator for one in ours)
    report.say(
        f"CPU an email: {runner:.1f} ms of the runner, the host's part and HTTP included, and {emulator:.1f} ms of the "
        f"emulator, which is one thread: nobody sends more than {1000 / emulator:,.0f} emails a second through it.\n"
    )


def _several_runners() -> None:
    """The counts take turns, so that a busy minute of the machine does not fall on one of them alone."""
    rates: dict[int, list[Rate]] = {count: [] for count in RUNNERS}
    for _ in range(ROUNDS):
        for count in RUNNERS:
            with TemporaryDirectory() as folder, running_sink(Path(folder)) as sink:
                rates[count].append(_rate(count, sink))
                _check_no_email_came_twice(count, _message_ids(Path(folder)))
    first = max(one.emails for one in rates[1])
    rows: list[tuple[report.Cell, ...]] = []
    for count, measured in rates.items():
        emails = [one.emails for one in measured]
        rows.append((count, min(emails), max(emails), max(emails) / first, min(one.cpu for one in measured)))
    report.table(["runners", "emails/s, slowest", "fastest", "fastest of one's", "CPU ms an email"], rows)
    report.say(f"In every round at least the {EMAILS:,} accepted emails came to the sink, and none of them twice.\n")


def _check_no_email_came_twice(runners: int, arrived: Counter[bytes]) -> None:
    deliveries = sum(arrived.values())
    if len(arrived) < EMAILS + WARM or deliveries != len(arrived):
        sys.exit(f"{runners} runners: {EMAILS + WARM} emails accepted, {len(arrived)} arrived, {deliveries} times")


def _rate(runners: int, sink: Sink, a_post: int = 1) -> Rate:
    """On an emulator of its own: once a minute it removes the messages that were deleted, one by one, each for the
    price of sorting all the others, and does nothing else for many seconds."""
    with (
        running_azurite() as azurite,
        running_runners(runners, prepared(azurite.new_account()), sink.port) as started,
    ):
        ports = [one.port for one in started]
        asyncio.run(_send_all(ports, sink, WARM, a_post))
        before, emulator = _cpu(started), cpu_seconds(azurite.pid)
        seconds = asyncio.run(_send_all(ports, sink, EMAILS, a_post))
        milliseconds = [(_cpu(started) - before) / EMAILS * 1000, (cpu_seconds(azurite.pid) - emulator) / EMAILS * 1000]
        return Rate(EMAILS / seconds, *milliseconds)


async def _send_all(ports: list[int], sink: Sink, emails: int, a_post: int) -> float:
    already = sink.received
    clients = CLIENTS if a_post == 1 else BACKLOG // a_post
    started = time.perf_counter()
    await post_many(ports, emails, clients, done=lambda: sink.received - already, most_in_flight=BACKLOG, a_post=a_post)
    await until(lambda: sink.received - already >= emails, f"all {emails} emails are at the sink")
    seconds = time.perf_counter() - started
    await asyncio.sleep(1)  # for what may come twice
    return seconds


def _cpu(runners: list[Runner]) -> float:
    return sum(cpu_seconds(one.pid) for one in runners)


def _message_ids(folder: Path) -> Counter[bytes]:
    return Counter(found for file in folder.iterdir() for found in _MESSAGE_ID.findall(file.read_bytes()))
