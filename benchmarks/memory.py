"""Memory: the peak of a runner's resident size over idle while a mail of about 100 MB passes, as JSON and as MIME.

One runner accepts (its queue functions are disabled), another one sends to `smtp-sink`; each has had a small mail
before, and that is its idle. `attachment_size_limit` is 150 MB. The target is a peak of at most 4 times the mail's
size. A JSON body cannot be larger than the 100 MiB that the host takes, with its attachment in base64. Linux only.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import time
from pathlib import Path

from benchmarks import report
from benchmarks.load import SMALL_MAIL, Poster, post_request, until
from benchmarks.servers import NO_SENDING, Runner, Sink, prepared, running_runner, running_sink
from tests.support.azurite import Azurite, running_azurite

ATTACHMENT = 72_000_000  # octets: 96 MB in base64, 98.5 with its line ends
TARGET = 4.0  # times the mail's size
LIMIT = {"EmailParameters__attachment_size_limit": "150"}
MEGABYTE = 1e6


def run(_: argparse.Namespace) -> None:
    content = os.urandom(ATTACHMENT)
    mime = _mime(content)
    requests = {"JSON": post_request(_json(content)), "MIME": post_request(mime, "message/rfc822")}
    rows: list[tuple[report.Cell, ...]] = []
    for body, request in requests.items():
        with running_azurite() as azurite, running_sink() as sink:
            for process, (idle, peak) in _measured(azurite, sink, request).items():
                times = (peak - idle) / len(mime)
                rows.append(
                    (body, process, len(mime) / MEGABYTE, idle / MEGABYTE, peak / MEGABYTE, times, times / TARGET)
                )
    report.table(["body", "process", "mail MB", "idle MB", "peak MB", "(peak - idle) / mail", "of the target"], rows)


def _measured(azurite: Azurite, sink: Sink, request: bytes) -> dict[str, tuple[int, int]]:
    """Idle and peak octets of each process."""
    connection = prepared(azurite.new_account())
    with (
        running_runner(connection, sink.port, **LIMIT, **NO_SENDING) as accepting,
        running_runner(connection, sink.port, **LIMIT) as sending,
    ):
        _post(accepting, post_request(json.dumps(SMALL_MAIL).encode()))
        _arrived(sink, 1)
        idle = {"accepts": _resident(accepting), "sends": _resident(sending)}
        for runner in (accepting, sending):
            Path(f"/proc/{runner.pid}/clear_refs").write_text("5")  # its peak begins anew
        _post(accepting, request)
        _arrived(sink, 2)
        peak = {"accepts": _peak(accepting), "sends": _peak(sending)}
    return {process: (idle[process], peak[process]) for process in idle}


def _post(runner: Runner, request: bytes) -> None:
    async def post() -> None:
        await Poster(runner.port).post(request)

    asyncio.run(post())


def _arrived(sink: Sink, emails: int) -> None:
    asyncio.run(until(lambda: sink.received >= emails, f"{emails} emails are at the sink"))
    time.sleep(1)  # for its outcome to be recorded


def _resident(runner: Runner) -> int:
    return _status(runner, "VmRSS")


def _peak(runner: Runner) -> int:
    return _status(runner, "VmHWM")


def _status(runner: Runner, name: str) -> int:
    text = Path(f"/proc/{runner.pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) * 1024


def _json(content: bytes) -> bytes:
    attachment = {"name": "statement.bin", "content": base64.b64encode(content).decode()}
    return json.dumps(SMALL_MAIL | {"attachments": [attachment]}).encode()


def _mime(content: bytes) -> bytes:
    head = (
        b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSubject: Your statement\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head + base64.encodebytes(content).replace(b"\n", b"\r\n")
