"""The sending limit for real: four runners of the whole app on the emulator, 120 a minute, 600 emails at once.

A sink stamps each arrival; strict mode. Takes five minutes. Printed and plotted: how many arrived in the minute before.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from benchmarks import plots, report
from benchmarks.load import post_many, until
from benchmarks.servers import prepared, running_runners
from tests.support.azurite import free_port, running_azurite

RUNNERS, LIMIT, EMAILS, CLIENTS = 4, 120, 600, 8
EVERY = 15  # seconds between two lines of the table


class _Stamps:
    """When each email arrived, in seconds of a clock that nobody sets."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.times.append(time.monotonic())
        return "250 OK"


@contextmanager
def _running_sink() -> Iterator[tuple[int, _Stamps]]:
    stamps, port = _Stamps(), free_port()
    controller = Controller(stamps, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, stamps
    finally:
        controller.stop()


def run(_: argparse.Namespace) -> None:
    limits = {
        "EmailParameters__smtp_per_minute_limit": str(LIMIT),
        "EmailParameters__throttle_mode": "strict",
    }
    with running_azurite() as azurite, _running_sink() as (port, stamps):
        connection = prepared(azurite.new_account())
        with running_runners(RUNNERS, connection, port, **limits) as runners:
            asyncio.run(_send_all([one.port for one in runners], stamps))
    first = min(stamps.times)
    times = sorted(at - first for at in stamps.times)
    _print(times)
    _plot(times)


async def _send_all(ports: list[int], stamps: _Stamps) -> None:
    await post_many(ports, EMAILS, CLIENTS)
    enough = (EMAILS / LIMIT + 3) * plots.MINUTE
    await until(lambda: len(stamps.times) >= EMAILS, f"all {EMAILS} emails are at the sink", enough)


def _print(times: list[float]) -> None:
    counts = plots.rolling(times)
    rows: list[tuple[report.Cell, ...]] = []
    for end in range(EVERY, int(times[-1]) + EVERY + 1, EVERY):
        rows.append((end, sum(at <= end for at in times), sum(end - plots.MINUTE < at <= end for at in times)))
    report.table(["seconds", "arrived", "in the minute before"], rows)
    later = [at for at in times if at > plots.MINUTE]
    use = (len(later) - 1) / (LIMIT * (later[-1] - later[0]) / plots.MINUTE)
    report.say(
        f"At most {max(counts)} in any 60 s, of {LIMIT}; all {EMAILS} in {times[-1]:.1f} s; from the second minute on "
        f"{use:.1%} of the limit was used.\n"
    )


def _plot(times: list[float]) -> None:
    with plots.panels("throttling-live", 2) as axes:
        if axes is None:
            return
        left, right = axes
        left.plot(*plots.rolling_curve(times, every=0.5), color=plots.BLUE, linewidth=1.4)
        left.axhline(LIMIT, color="black", linewidth=0.8, linestyle="--")
        left.set(xlabel="seconds", ylabel="arrived in the minute before", ylim=(0, LIMIT * 1.15))
        left.set_title(f"{RUNNERS} runners, {LIMIT} a minute, {EMAILS} emails at once")
        right.plot(times, range(1, len(times) + 1), color=plots.BLUE, linewidth=1.4)
        starts = [minute * plots.MINUTE for minute in range(int(times[-1] / plots.MINUTE) + 2)]
        most = [LIMIT * (minute + 1) for minute in range(len(starts))]
        right.step(starts, most, where="post", color="black", linewidth=0.8, linestyle="--")
        right.set(xlabel="seconds", ylabel="arrived", xlim=left.get_xlim(), ylim=(0, EMAILS * 1.15))
        right.set_title("All that arrived, and the most that may")
