"""CPU of our own process for one small email, accept and send, the storage client included and the host not.

In one process: the door's function is called with the request, the doorbells that it put are taken from the emulator's
queue (the host's part: not counted), and the queue function is called with each, which claims, sends by SMTP to
`smtp-sink` in another process, and records. Beside it, in the same process and minute: a bare aiosmtplib send of as
many octets on a kept connection, and single requests of the storage client. `--profile` adds where the time goes.
"""

import argparse
import asyncio
import cProfile
import json
import logging
import pstats
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import aiosmtplib
import azure.functions as func
from azure.functions.queue import QueueMessage
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from benchmarks import report
from benchmarks.load import SMALL_MAIL
from benchmarks.servers import running_sink
from email_core.assembly import connect, install, utc_now
from email_core.parameters import Parameters
from email_core.provider_builders import configured_providers
from email_core.record import Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.sign_in.base import OpenSignIn
from email_core.storage_clients import StorageClients
from email_core.stores.azure.names import EMAILS_TABLE
from email_core.stores.base import QUEUE_NAMES
from function_app import app
from tests.support.azurite import running_azurite
from tests.support.storage import all_azure_stores

EMAILS, REQUESTS, ROUNDS = 320, 200, 3  # fewer emails than the 500 from which the emulator's queue slows down
AT_ONCE = (1, 16, 64)
TARGET = 3.0  # milliseconds an email; 1.5 is the aim
BODY = json.dumps(SMALL_MAIL).encode()
MIME = b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSubject: Bare\r\n\r\n" + str(SMALL_MAIL["text"]).encode()
BARE_SEND, ONE_REQUEST = "bare aiosmtplib send, kept connection", "storage client: get an entity"

Action = Callable[[Any], Awaitable[Any]]


def run(options: argparse.Namespace) -> None:
    logging.disable(logging.ERROR)
    with running_azurite() as azurite, running_sink(counts=False) as sink:
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name, milliseconds in asyncio.run(_measured(azurite.new_account(), sink.port)).items():
                best[name] = min(best.get(name, milliseconds), milliseconds)
        bare, request = best[BARE_SEND], best[ONE_REQUEST]
        report.table(
            [f"own CPU, best of {ROUNDS} rounds", "ms", "of a bare send", "of one storage request"],
            [(name, value, value / bare, value / request) for name, value in best.items()],
        )
        if options.profile:
            asyncio.run(_profiled(azurite.new_account(), sink.port))
    logging.disable(logging.NOTSET)


async def _measured(connection: str, smtp_port: int) -> dict[str, float]:
    milliseconds = {}
    async with _app(connection, smtp_port) as subsystem:
        await subsystem.accept_and_send(16)  # warm
        for at_once in AT_ONCE:
            accept, send = await subsystem.accept_and_send(at_once)
            milliseconds |= {
                f"email, {at_once} at once": accept + send,
                f"  accept, {at_once} at once": accept,
                f"  send, {at_once} at once": send,
            }
    milliseconds[BARE_SEND] = await _bare_send(smtp_port)
    return milliseconds | await _single_requests(connection)


# ---- our app


@dataclass(frozen=True)
class _App:
    accept: Callable[..., Awaitable[func.HttpResponse]]
    send: Callable[..., Awaitable[None]]
    queue: QueueClient

    async def accept_and_send(self, at_once: int) -> tuple[float, float]:
        """CPU milliseconds an email."""
        accepting = await _cpu(self._accept, range(EMAILS), at_once)
        messages = await self._take_all()
        sending = await _cpu(self.send, messages, at_once)
        return accepting, sending

    async def _accept(self, _: int) -> None:
        for _ in range(2):  # the emulator closes a connection that was idle for 5 s, now and then under a request
            response = await self.accept(func.HttpRequest("POST", "/api/emails", headers=JSON, body=BODY))
            if response.status_code == 202:
                return
        sys.exit(f"not accepted: {response.get_body()!r}")

    async def _take_all(self) -> list[QueueMessage]:
        """What the host does: 32 a request, never the same one twice."""
        taken = [
            QueueMessage(id=one.id, body=one.content, dequeue_count=1, pop_receipt=one.pop_receipt)
            async for one in self.queue.receive_messages(messages_per_page=32, visibility_timeout=3600)
        ]
        await self.queue.clear_messages()
        if len(taken) < EMAILS:
            sys.exit(f"{EMAILS} emails were accepted, and only {len(taken)} doorbells rang")
        return taken


JSON = {"content-type": "application/json"}


@cache  # an app hands them out once
def _functions() -> dict[str, Callable[..., Any]]:
    return {function.get_function_name(): function.get_user_function() for function in app.get_functions()}


@asynccontextmanager
async def _app(connection: str, smtp_port: int) -> AsyncIterator[_App]:
    parameters = replace(Parameters(), smtp_server="127.0.0.1", smtp_port=smtp_port, smtp_security="none")
    by_name = _functions()
    queue = QueueClient.from_connection_string(
        connection, QUEUE_NAMES[Mode.BATCH], message_decode_policy=TextBase64DecodePolicy()
    )
    async with all_azure_stores(connection) as stores, queue:
        secrets = MemorySecrets(utc_now)
        providers = configured_providers(parameters, secrets, stores.mailboxes, utc_now)
        open_to_all = OpenSignIn()
        install(
            connect(stores=stores, providers=providers, parameters=parameters, secrets=secrets, sign_in=open_to_all)
        )
        try:
            yield _App(by_name["accept_email"], by_name["send_batch_email"], queue)
        finally:
            install(None)
            providers["smtp"].close()


# ---- what it is compared with


async def _bare_send(smtp_port: int) -> float:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp_port, start_tls=False) as client:
        return await _cpu(lambda _: client.sendmail("ann@contoso.com", ["bob@example.com"], MIME), range(REQUESTS), 1)


async def _single_requests(connection: str) -> dict[str, float]:
    clients = StorageClients({"EmailStorage": connection})
    async with clients.tables() as tables, clients.queues() as queues:
        table, queue = tables.get_table_client(EMAILS_TABLE), queues.get_queue_client(QUEUE_NAMES[Mode.INTERACTIVE])

        def entity(number: int) -> dict[str, Any]:
            return {"PartitionKey": "benchmark", "RowKey": f"{number:04}", "mime": MIME, "status": "Unsent"}

        def batch(first: int, size: int) -> Awaitable[Any]:
            rows = [entity(1000 + first * size + number) for number in range(size)]
            return table.submit_transaction([("create", row, {}) for row in rows])

        return {
            "storage client: insert an entity": await _cpu(lambda n: table.create_entity(entity(n)), range(REQUESTS)),
            ONE_REQUEST: await _cpu(lambda n: table.get_entity("benchmark", f"{n:04}"), range(REQUESTS)),
            "storage client: put a message": await _cpu(lambda _: queue.send_message("x" * 3000), range(REQUESTS)),
            "storage client: transaction of 1": await _cpu(lambda n: batch(n, 1), range(REQUESTS)),
            "storage client: an entity in a transaction of 16": await _cpu(lambda n: batch(500 + n, 16), range(25))
            / 16,
        }


async def _cpu(action: Action, items: Iterable[Any], at_once: int = 1) -> float:
    """Milliseconds for one item, of this process alone."""
    waiting = iter(items)
    count = 0

    async def worker() -> None:
        nonlocal count
        for item in waiting:
            count += 1
            await action(item)

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.process_time() - before) / count * 1000


async def _profiled(connection: str, smtp_port: int) -> None:
    async with _app(connection, smtp_port) as subsystem:
        await subsystem.accept_and_send(16)
        with cProfile.Profile() as profile:
            await subsystem.accept_and_send(16)
    for order in ("tottime", "cumulative"):
        report.say("```")
        pstats.Stats(profile, stream=sys.stdout).strip_dirs().sort_stats(order).print_stats(45)
        report.say("```")
