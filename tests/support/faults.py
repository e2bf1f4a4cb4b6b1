"""What fault tests share: the requests of an email's life, a process to kill, and workers whose clock can be moved."""

import asyncio
import base64
import binascii
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from email_core.assembly import Subsystem, connect
from email_core.caller import LOCAL
from email_core.errors import StorageUnavailable
from email_core.message import Address, Message
from email_core.order import Order
from email_core.parameters import Parameters
from email_core.providers.base import Provider
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.record import UNCONFIRMED, EmailRecord, Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.azure.names import EMAILS_TABLE
from email_core.stores.base import QUEUE_NAMES, EmailQuery, View
from email_core.stores.doorbell_text import doorbell_from_text
from tests.support.app import settings_for
from tests.support.azurite import ROOT, free_port, wait_for_port
from tests.support.inbox import Inbox
from tests.support.storage import all_azure_stores
from tests.support.storage_proxy import Fault, StorageRequest

RETRIES = {"retry_total": 3, "initial_backoff": 0.1, "increment_base": 1, "random_jitter_range": 0.1}  # seconds
AT_ONCE = 16  # doorbells answered side by side, as host.json says

# ---- the requests of an email's life, alone or together with those of others


def is_insert(request: StorageRequest) -> bool:
    ends = request.operations.count("DELETE")
    return _is_alone(request, "table insert") or request.operations.count("POST") > ends


def is_claim_or_return(request: StorageRequest) -> bool:
    return _is_alone(request, "table merge") or "PATCH" in request.operations


def is_end(request: StorageRequest) -> bool:
    return "DELETE" in request.operations


def _is_alone(request: StorageRequest, kind: str) -> bool:
    return request.kind == kind and request.resource == EMAILS_TABLE


# ---- a process that is killed


@dataclass
class Victim:
    """The app in the local runner, and the moment of its death."""

    process: subprocess.Popen | None = None

    def fault(self, when: Callable[[StorageRequest], bool], action, nth: int = 1) -> Fault:
        """Kills the process at the nth such request, before the action; so a lost answer is done, and unknown."""
        seen = 0

        def kills(request: StorageRequest) -> bool:
            nonlocal seen
            seen += when(request)
            if not when(request) or seen != nth:
                return False
            self.kill()
            return True

        return Fault(kills, action)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)

    def was_killed(self) -> bool:
        return self.process.wait(timeout=30) == -signal.SIGKILL

    @contextmanager
    def running(self, connection: str, smtp_port: int, local_dir: Path, root: Path = ROOT) -> Iterator[httpx.Client]:
        """The real app; the account must be made already."""
        port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local_runner", "--root", str(root), "--port", str(port)],
            cwd=ROOT,
            env=os.environ | settings_for(connection, smtp_port) | {"LOCAL_DIR": str(local_dir)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(port, self.process)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
                yield client
        finally:
            self.kill()


def post(app: httpx.Client, **fields) -> str | None:
    """The id of an email that was accepted, or None where there was no answer, or another one."""
    body = {"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Statement", "text": "Hello"} | fields
    try:
        answer = app.post("/api/emails", json=body)
    except httpx.TransportError:
        return None
    return answer.json()["id"] if answer.status_code == 202 else None


# ---- an inbox that kills, or asks to come again


@dataclass
class FatalInbox(Inbox):
    """Calls `at_rcpt` and `at_content` once each, before it answers. `greylisted@example.com` must come again."""

    at_rcpt: Callable[[], None] | None = None
    at_content: Callable[[], None] | None = None
    greylisted: set[str] = field(default_factory=lambda: {"greylisted@example.com"})

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        at_rcpt, self.at_rcpt = self.at_rcpt, None
        if at_rcpt:
            at_rcpt()
        if address in self.greylisted:
            self.greylisted.remove(address)
            return "450 4.2.0 greylisted"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        at_content, self.at_content = self.at_content, None
        if at_content:
            at_content()
        return await super().handle_DATA(server, session, envelope)


@contextmanager
def running_fatal_inbox() -> Iterator[FatalInbox]:
    inbox = FatalInbox(free_port())
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


def arrivals(inbox: Inbox) -> Counter[str]:
    """How often each Message-ID arrived."""
    return Counter(message_from_bytes(one.content)["Message-ID"] for one in inbox.emails)


# ---- workers in the test's own process


class MovedClock:
    """The time, and some more."""

    def __init__(self, **ahead: float) -> None:
        self.ahead = timedelta(**ahead)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@dataclass
class Worker:
    """A process's core and the queues that it answers."""

    core: Subsystem
    clock: MovedClock
    queues: list[QueueClient]

    async def accept(self, count: int = 1, **order) -> list[EmailRecord]:
        composer, outbox = self.core.composer, self.core.outbox
        message = Message(
            sender=Address("ann@contoso.com"), to=(Address("bob@example.com"),), subject="Statement", text="Hello"
        )
        prepared = [await composer.prepare(message, Order(**order), LOCAL) for _ in range(count)]
        return await asyncio.gather(*map(outbox.accept, prepared))

    async def answer_all(self) -> None:
        """Until both queues have nothing to show. What fails stays for later, as it does with the host."""
        for queue in self.queues:
            while messages := [one async for one in queue.receive_messages(max_messages=AT_ONCE)]:
                await asyncio.gather(*(self._answer(queue, message) for message in messages))

    async def _answer(self, queue: QueueClient, message: QueueMessage) -> None:
        try:
            doorbell = doorbell_from_text(_decoded(message.content))
        except ValueError:
            doorbell = None  # the door drops it
        try:
            if doorbell is not None:
                await self.core.delivery.answer(doorbell)
        except StorageUnavailable:
            return
        await queue.delete_message(message)

    async def bring_to_end(self, rounds: int = 20) -> None:
        """As hours do: time passes, the sweeper runs, doorbells are answered, until nothing is unsent."""
        for _ in range(rounds):
            self.clock.advance(minutes=11)
            await self.core.sweeper.sweep(self.clock() + timedelta(minutes=5))
            await self.answer_all()
            if not await self.records(View.UNSENT):
                return
        raise AssertionError(f"still unsent: {await self.records(View.UNSENT)}")

    async def records(self, *views: View) -> list[EmailRecord]:
        """All of these views, or of both, newest first."""
        found: list[EmailRecord] = []
        for view in views or tuple(View):
            after = None
            while True:
                page = await self.core.outbox.list(EmailQuery(view=view, limit=1000, after=after))
                found += page.items
                after = page.next
                if after is None:
                    break
        return found


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return b""


@asynccontextmanager
async def worker(
    connection: str, smtp: Inbox | Provider, clock: MovedClock | None = None, **parameters
) -> AsyncIterator[Worker]:
    """A worker with clients of its own."""
    clock = clock or MovedClock()
    if isinstance(smtp, Inbox):
        smtp = SmtpProvider(SmtpSettings(server="127.0.0.1", port=smtp.port, security="none"), MemorySecrets(clock))
    queues = [QueueClient.from_connection_string(connection, QUEUE_NAMES[mode], **RETRIES) for mode in Mode]
    async with all_azure_stores(connection) as stores:
        core = connect(
            stores=stores,
            providers={"smtp": smtp},
            parameters=Parameters(**parameters),
            secrets=MemorySecrets(clock),
            clock=clock,
        )
        try:
            yield Worker(core, clock, queues)
        finally:
            smtp.close()
            await asyncio.gather(*(queue.close() for queue in queues))


async def create_account(connection: str) -> None:
    async with all_azure_stores(connection):
        pass


async def after_hours(connection: str, inbox: Inbox) -> list[EmailRecord]:
    """The records when another worker has had hours to do what is left."""
    async with worker(connection, inbox) as rescuer:
        await rescuer.bring_to_end()
        return await rescuer.records()


def unconfirmed(record: EmailRecord) -> int:
    return sum(attempt.outcome == UNCONFIRMED for attempt in record.attempts)
