"""Azurite on free ports, in memory, with an account of its own for each test."""

import base64
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / "dev/node_modules/azurite/dist/src/azurite.js"
ACCOUNTS = 2_000
KEY = base64.b64encode(b"a key that guards nothing").decode()


def free_port(neighbours: int = 0) -> int:
    """A port that nobody listens on, and as many `neighbours` right after it. Not one of those that the system hands
    out for connections: another process's connection would take it before a server does."""
    while True:
        port = random.randrange(20_000, 32_000)
        if all(map(_is_free, range(port, port + neighbours + 1))):
            return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for_port(port: int, process: subprocess.Popen, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode} before it opened port {port}")
        time.sleep(0.05)  # polls another process: there is nothing to await
    raise RuntimeError(f"nothing opened port {port} within {seconds} s")


class Azurite:
    """Hands out connection strings; no two tests share an account, so none can see another's mail."""

    def __init__(self, blob: int, queue: int, table: int, pid: int) -> None:
        self.pid = pid
        self.ports = {"Blob": blob, "Queue": queue, "Table": table}
        self._numbers = count()

    def new_account(self) -> str:
        name = f"test{next(self._numbers)}"
        endpoints = "".join(
            f"{service}Endpoint=http://127.0.0.1:{port}/{name};" for service, port in self.ports.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={KEY};{endpoints}"


@contextmanager
def running_azurite() -> Iterator[Azurite]:
    if not AZURITE.exists():
        raise RuntimeError("Azurite is not installed: run `make setup` (it runs `npm ci` in dev/)")
    blob, queue, table = free_port(), free_port(), free_port()
    accounts = ";".join(f"test{number}:{KEY}" for number in range(ACCOUNTS))
    process = subprocess.Popen(
        [
            "node",
            str(AZURITE),
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--silent",
            "--blobPort",
            str(blob),
            "--queuePort",
            str(queue),
            "--tablePort",
            str(table),
        ],
        env=os.environ | {"AZURITE_ACCOUNTS": accounts},
        stdout=subprocess.DEVNULL,
    )
    try:
        for port in (blob, queue, table):
            wait_for_port(port, process)
        yield Azurite(blob, queue, table, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)
