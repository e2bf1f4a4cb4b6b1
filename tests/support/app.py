"""The whole app as a developer runs it: the real function_app.py in the local runner, on an account of the emulator."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from email_core.storage_clients import StorageClients
from email_core.stores.azure import create_storage as create
from tests.support.azurite import ROOT, free_port, wait_for_port


def settings_for(connection: str, smtp_port: int) -> dict[str, str]:
    """App settings: the account of the emulator, and a mail server on this machine."""
    return {
        "EmailStorage": connection,
        "AzureWebJobsStorage": connection,
        "EmailAccess__mode": "local",
        "EmailParameters__smtp_server": "127.0.0.1",
        "EmailParameters__smtp_port": str(smtp_port),
        "EmailParameters__smtp_security": "none",
    }


@contextmanager
def running_app(connection: str, smtp_port: int, **settings: str) -> Iterator[httpx.Client]:
    """A client of the app's address; the app is ended with SIGTERM, as a deployment would end it."""
    asyncio.run(_create_storage(connection))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "local_runner", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | settings_for(connection, smtp_port) | settings,
    )
    try:
        wait_for_port(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


async def _create_storage(connection: str) -> None:
    clients = StorageClients({"EmailStorage": connection})
    async with clients.tables() as tables, clients.queues() as queues, clients.blobs() as blobs:
        await create(tables, queues, blobs)
