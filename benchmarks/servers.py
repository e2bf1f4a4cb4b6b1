"""The processes that a benchmark needs: runners of the real app, and Postfix's `smtp-sink`."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from email_core.storage_clients import StorageClients
from email_core.stores.azure import create_storage
from tests.support.azurite import ROOT, free_port, wait_for_port

CPU_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Runner:
    port: int
    pid: int


@dataclass
class Sink:
    """Takes every email. `received` counts them as they come, where that is asked for."""

    port: int
    received: int = 0


@contextmanager
def running_sink(dump: Path | None = None, *, counts: bool = True) -> Iterator[Sink]:
    """`dump` is a folder for what arrives, where a benchmark must see it. Postfix's sink costs little beside Python;
    counting costs a thread that wakes for each email: not where this process is the one that is measured."""
    program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("smtp-sink is missing: apt-get install postfix (it need not run)")
    sink = Sink(free_port())
    command = [program, *["-c"] * counts, *_as_who(), *_dump_to(dump), f"127.0.0.1:{sink.port}", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
    counter = threading.Thread(target=_count, args=(process, sink), daemon=True)
    counter.start()
    try:
        wait_for_port(sink.port, process)
        yield sink
    finally:
        process.terminate()
        process.wait(timeout=10)
        counter.join(timeout=10)


def _as_who() -> list[str]:
    return ["-u", "root"] if os.getuid() == 0 else []  # it refuses to be root by accident


def _dump_to(folder: Path | None) -> list[str]:
    return ["-d", f"{folder}/%Y%m%d%H."] if folder else []


def _count(process: subprocess.Popen[bytes], sink: Sink) -> None:
    """It writes `sess=1 quit=0 mesg=0`, over and over, with carriage returns between."""
    rest = b""
    while octets := process.stdout.read1() if process.stdout else b"":
        *lines, rest = (rest + octets).split(b"\r")
        if lines:
            sink.received = int(lines[-1].rpartition(b"mesg=")[2] or 0)


@contextmanager
def running_runner(connection: str, smtp_port: int, **settings: str) -> Iterator[Runner]:
    """The whole app in the local runner, quiet. Ended with SIGTERM."""
    port = free_port()
    with TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "local_runner", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | _settings(connection, smtp_port) | settings,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            wait_for_port(port, process)
            yield Runner(port, process.pid)
        except RuntimeError as error:
            log.seek(0)
            error.add_note(log.read()[-2000:].decode(errors="replace"))
            raise
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def running_runners(count: int, connection: str, smtp_port: int, **settings: str) -> Iterator[list[Runner]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_runner(connection, smtp_port, **settings)) for _ in range(count)]


def _settings(connection: str, smtp_port: int) -> dict[str, str]:
    return {
        "EmailStorage": connection,
        "AzureWebJobsStorage": connection,
        "EmailAccess__mode": "local",
        "EmailParameters__smtp_server": "127.0.0.1",
        "EmailParameters__smtp_port": str(smtp_port),
        "EmailParameters__smtp_security": "none",
    }


NO_SENDING = {f"AzureWebJobs__send_{mode}_email__Disabled": "true" for mode in ("batch", "interactive")}
NO_TIMERS = {
    f"AzureWebJobs__{name}__Disabled": "true"
    for name in ("sweep_outbox", "run_distributor", "expire_emails", "purge_history")
}


def prepared(connection: str) -> str:
    """The same connection, of an account that has its tables, queues and container."""

    async def create() -> None:
        clients = StorageClients({"EmailStorage": connection})
        async with clients.tables() as tables, clients.queues() as queues, clients.blobs() as blobs:
            await create_storage(tables, queues, blobs)

    asyncio.run(create())
    return connection


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CPU_TICKS
