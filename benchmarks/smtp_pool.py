"""The SMTP leg: what the delivery path costs beside a bare client, and what a kept connection is worth.

Small mail (2 KB), `smtp-sink` in a process of its own, everything of ours in this one, no storage (the memory store).
First, `Delivery` with the provider's pool against bare aiosmtplib on as many kept connections; the target is 85 % of
its rate. Then STARTTLS, at a server of ours in a process of its own (the sink speaks no TLS): the pool against a new
connection for each mail. Each pair takes turns, and the best of five rounds counts.
"""

import argparse
import asyncio
import gc
import multiprocessing
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.synchronize import Event

import trustme

from benchmarks import report
from benchmarks.peers import bare_smtp
from benchmarks.servers import running_sink
from email_core.assembly import connect, utc_now
from email_core.content import InlineContent
from email_core.parameters import Parameters
from email_core.providers.base import OutcomeKind, Submission
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.base import Doorbell
from email_core.stores.memory import memory_stores
from tests.support.azurite import free_port
from tests.support.emails import email

EMAILS, TLS_EMAILS, ROUNDS = 4000, 600, 5
CONNECTIONS = (1, 3, 8)
TARGET = 0.85
SUBMISSION = Submission(
    sender="ann@contoso.com",
    recipients=("bob@example.com",),
    message_id="<1@contoso.com>",
    content=InlineContent(bare_smtp.MIME),
)


def run(_: argparse.Namespace) -> None:
    _beside_a_bare_client()
    _kept_beside_new()


def _beside_a_bare_client() -> None:
    rows: list[tuple[report.Cell, ...]] = []
    with running_sink(counts=False) as sink:
        for connections in CONNECTIONS:
            bare, ours = _best(
                lambda count=connections: bare_smtp.emails_a_second(sink.port, EMAILS, count),
                lambda count=connections: asyncio.run(_delivered_a_second(sink.port, count)),
            )
            rows.append((connections, bare, ours, ours / bare, ours / bare / TARGET))
    columns = ["connections", "bare aiosmtplib, emails/s", "delivery with the pool", "of bare", "of the target"]
    report.table(columns, rows)


def _kept_beside_new() -> None:
    rows: list[tuple[report.Cell, ...]] = []
    with _tls_server() as (port, authority):
        for connections in CONNECTIONS:
            new, kept = _best(
                lambda count=connections: asyncio.run(_submitted_a_second(port, count, authority, keeps=False)),
                lambda count=connections: asyncio.run(_submitted_a_second(port, count, authority, keeps=True)),
            )
            rows.append((connections, new, kept, kept / new))
    report.table(["connections", "STARTTLS each time, emails/s", "kept by the pool", "times as fast"], rows)


def _best(*measures: Callable[[], float]) -> list[float]:
    """The best of each, in turns, so that a busy moment of the machine does not fall on one of them alone."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [max(rates) for rates in zip(*rounds, strict=True)]


async def _rate(work: Callable[[int], Awaitable[None]], count: int, at_once: int) -> float:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return count / (time.perf_counter() - started)


@asynccontextmanager
async def _provider(port: int, connections: int, **settings: str) -> AsyncIterator[SmtpProvider]:
    values = {"security": "none", "local_hostname": "benchmark.test"} | settings
    smtp = SmtpSettings(server="127.0.0.1", port=port, max_connections=connections, **values)  # type: ignore[arg-type]
    provider = SmtpProvider(smtp, MemorySecrets(utc_now))
    try:
        yield provider
    finally:
        provider.close()


async def _delivered_a_second(port: int, connections: int) -> float:
    stores = memory_stores()
    async with _provider(port, connections) as provider:
        secrets = MemorySecrets(utc_now)
        core = connect(stores=stores, providers={"smtp": provider}, parameters=Parameters(), secrets=secrets)
        now = utc_now()
        kept = [await stores.emails.insert(email(now, size=len(bare_smtp.MIME)), bare_smtp.MIME) for _ in range(EMAILS)]

        async def deliver(number: int) -> None:
            await core.delivery.answer(Doorbell.of(kept[number]))

        gc.collect()
        gc.freeze()  # thousands of emails in memory are the store's, whose cost is not asked for here
        rate = await _rate(deliver, EMAILS, connections)
        gc.unfreeze()
        for one in kept:
            stored = await stores.emails.get(one.record.id)
            if stored is None or not stored.record.ended:
                raise SystemExit("an email was not delivered")
        return rate


async def _submitted_a_second(port: int, connections: int, authority: str, *, keeps: bool) -> float:
    async with _provider(port, connections, security="starttls", certificate_authority=authority) as provider:

        async def submit(_: int) -> None:
            if (await provider.submit(SUBMISSION)).kind is not OutcomeKind.DELIVERED:
                raise SystemExit("an email was not delivered")
            if not keeps:
                provider.close()

        return await _rate(submit, TLS_EMAILS, connections)


# ---- a server with STARTTLS that takes everything


@contextmanager
def _tls_server() -> Iterator[tuple[int, str]]:
    """Its port, and the certificate authority to trust."""
    port, authority = free_port(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_serve, args=(port, certificate, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            raise SystemExit("the server with STARTTLS did not start")
        yield port, authority.cert_pem.bytes().decode()
    finally:
        process.terminate()
        process.join(10)


def _serve(port: int, certificate: bytes, ready: Event) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(certificate).tempfile() as path:
        tls.load_cert_chain(path)

    async def forever() -> None:
        async with await asyncio.start_server(lambda *ends: _converse(*ends, tls), "127.0.0.1", port) as server:
            ready.set()
            await server.serve_forever()

    asyncio.run(forever())


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext) -> None:
    replies = {b"EHLO": b"250-benchmark\r\n250 STARTTLS\r\n", b"DATA": b"354 go on\r\n"}
    writer.write(b"220 benchmark\r\n")
    try:
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            writer.write(replies.get(verb, b"250 OK\r\n" if verb != b"STAR" else b"220 go on\r\n"))
            if verb == b"STAR":
                await writer.start_tls(tls)
            elif verb == b"DATA":
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 OK\r\n")
    except (OSError, asyncio.IncompleteReadError):
        pass  # the client closed the connection: every other round is about that
    finally:
        writer.close()
