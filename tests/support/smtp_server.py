"""An SMTP server on loopback that says what a test tells it to, and remembers what it was told."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from email_core.content import InlineContent
from email_core.providers.base import Submission
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from tests.support.emails import NOON

DROP = "drop the connection"
HANG = "say nothing"

SUBMISSION = Submission(
    sender="ann@contoso.com",
    recipients=("bob@example.com", "eve@example.com"),
    message_id="<1@contoso.com>",
    content=InlineContent(b"Subject: Dots\r\n\r\n.\r\n..two\r\nend\r\n"),
)
EXTENSIONS = ("8BITMIME", "SIZE 35882577", "SMTPUTF8", "ENHANCEDSTATUSCODES")
PIPELINING: tuple[str, ...] = ()  # offered beside those that a test asks for
PASSWORD = "right"

_OK = {
    "connect": "220 test ESMTP",
    "mail": "250 2.1.0 OK",
    "rcpt": "250 2.1.5 OK",
    "data": "354 go on",
    "content": "250 2.0.0 queued as 4711",
    "rset": "250 2.0.0 OK",
    "starttls": "220 2.0.0 go on",
}


@dataclass
class SmtpServer:
    """`replies` maps a step (connect, ehlo, starttls, auth, mail, rcpt, data, content) or one command line in lower
    case to a reply, DROP or HANG; or to a list of them, one a time, and then the usual reply. A lone surrogate in a
    reply stands for its octet. `upload`: what it says in the middle of the content, and then DROP or HANG.

    Who signs in must give PASSWORD, as a password or as a token.
    """

    replies: Mapping[str, str | list[str]]
    extensions: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    port: int = 0
    takes_content: bool = True
    keeps_content: bool = True
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    _implicit_tls: ssl.SSLContext | None = None
    _listener: asyncio.Server | None = None
    _tasks: set[asyncio.Task] = field(default_factory=set)

    async def start(self) -> None:
        self._listener = await asyncio.start_server(
            self.serve, "127.0.0.1", self.port, ssl=self._implicit_tls, limit=2**20
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Breaks off whatever is under way."""
        self._listener.close()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def steps(self) -> list[str]:
        return [command.split()[0] for command in self.commands]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, as some tests want, or the test is over
        finally:
            self._tasks.discard(task)
            self.open_connections -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say(writer, self._reply("connect", "")):
            return
        while line := await reader.readline():
            command = line.decode().rstrip("\r\n")
            step = command.partition(" ")[0].lower()
            if step == "quit":  # said when the test is over, or nearly: not worth a line in each of them
                return
            self.commands.append(command)
            if step == "auth" and step not in self.replies:
                await self._authenticate(reader, writer, *command.split()[1:])
                continue
            reply = self._reply(step, command)
            if not await self._say(writer, reply):
                return
            if step == "starttls" and reply.startswith("2"):
                if self.tls is None:
                    return  # it breaks off where the handshake should begin
                await writer.start_tls(self.tls)
            if step == "data" and reply.startswith("3"):
                if "upload" in self.replies:
                    await self._break_in(reader, writer, *self.replies["upload"])
                    return
                await self._take_content(reader)
                if not await self._say(writer, self._reply("content", "")):
                    return

    async def _authenticate(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, initial: str = ""
    ) -> None:
        given = base64.b64decode(initial)
        if method == "LOGIN":
            await self._say(writer, "334 UGFzc3dvcmQ6")
            given = base64.b64decode(await reader.readline())
        right = given.endswith(PASSWORD.encode()) or f"Bearer {PASSWORD}\x01" in given.decode()
        await self._say(writer, "235 2.7.0 welcome" if right else "535 5.7.8 wrong")

    async def _break_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *replies: str) -> None:
        await reader.read(2**16)
        for reply in replies:
            if not await self._say(writer, reply):
                writer.write_eof()
                await reader.read()  # what is under way: a reset would overtake the reply

    async def _take_content(self, reader: asyncio.StreamReader) -> None:
        if not self.takes_content:
            await asyncio.Event().wait()
        content, end = bytearray(), b"\r\n.\r\n"
        while not content.endswith(end) and content != b".\r\n":
            content += await reader.read(2**16)
            if reader.at_eof():
                raise ConnectionError
            if not self.keeps_content:
                del content[: -len(end)]
        self.contents.append(bytes(content))

    def _reply(self, step: str, command: str) -> str:
        for key in (command.lower(), step):
            told = self.replies.get(key)
            if isinstance(told, str):
                return told
            if told:
                return told.pop(0)
        if step in ("ehlo", "helo"):
            return "\r\n".join([*(f"250-{one}" for one in ("test", *self.extensions, *PIPELINING)), "250 HELP"])
        return _OK.get(step, "500 5.5.1 what?")

    async def _say(self, writer: asyncio.StreamWriter, reply: str) -> bool:
        if reply == DROP:
            return False
        if reply == HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        writer.write(reply.encode(errors="surrogateescape") + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def smtp_server(
    replies: Mapping[str, str | list[str]] | None = None,
    extensions: tuple[str, ...] = EXTENSIONS,
    *,
    tls: ssl.SSLContext | None = None,
    implicit_tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[SmtpServer]:
    told = {step: list(said) if isinstance(said, list) else said for step, said in (replies or {}).items()}
    server = SmtpServer(told, (*extensions, "STARTTLS") if tls else extensions, tls, port)
    server._implicit_tls = implicit_tls
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def secrets(**values: str) -> MemorySecrets:
    """`secrets(smtp_password="right")`."""
    store = MemorySecrets(lambda: NOON)
    store._kept = {SecretName(name.replace("_", "-")): (value, NOON) for name, value in values.items()}
    return store


@contextmanager
def provider(
    server: SmtpServer,
    store: MemorySecrets | None = None,
    /,
    clock: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> Iterator[SmtpProvider]:
    """One that sends to `server`, without TLS unless `settings` say so, and keeps nothing when the test ends."""
    values = {"server": "127.0.0.1", "port": server.port, "security": "none", "local_hostname": "client.test"}
    with closing(SmtpProvider(SmtpSettings(**values | settings), store or secrets(), clock=clock)) as one:
        yield one
