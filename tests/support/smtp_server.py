"""An SMTP server on loopback that says what a test tells it to, and remembers what it was told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

DROP = "drop the connection"
HANG = "say nothing"

_OK = {
    "connect": "220 test ESMTP",
    "mail": "250 2.1.0 OK",
    "rcpt": "250 2.1.5 OK",
    "data": "354 go on",
    "content": "250 2.0.0 queued as 4711",
    "rset": "250 2.0.0 OK",
    "quit": "221 2.0.0 bye",
    "starttls": "220 2.0.0 go on",
}


@dataclass
class SmtpServer:
    """`replies` maps a step (connect, ehlo, starttls, mail, rcpt, data, content) or one command line in lower case
    to a reply, DROP or HANG."""

    replies: Mapping[str, str]
    extensions: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    port: int = 0
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    open_connections: int = 0
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass  # the client went away: some tests want just that
        finally:
            self.open_connections -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say(writer, self._reply("connect", "")):
            return
        while line := await reader.readline():
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            step = command.partition(" ")[0].lower()
            reply = self._reply(step, command)
            if not await self._say(writer, reply):
                return
            if step == "starttls" and reply.startswith("2"):
                await writer.start_tls(self.tls)
            if step == "data" and reply.startswith("3"):
                self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._say(writer, self._reply("content", "")):
                    return

    def _reply(self, step: str, command: str) -> str:
        if step in ("ehlo", "helo") and step not in self.replies:
            return "\r\n".join([*(f"250-{one}" for one in ("test", *self.extensions)), "250 HELP"])
        return self.replies.get(command.lower()) or self.replies.get(step) or _OK.get(step, "500 5.5.1 what?")

    async def _say(self, writer: asyncio.StreamWriter, reply: str) -> bool:
        if reply == DROP:
            return False
        if reply == HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def smtp_server(
    replies: Mapping[str, str] | None = None,
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 35882577", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
    *,
    tls: ssl.SSLContext | None = None,
    implicit_tls: ssl.SSLContext | None = None,
) -> AsyncIterator[SmtpServer]:
    server = SmtpServer(replies or {}, (*extensions, "STARTTLS") if tls else extensions, tls)
    tasks: set[asyncio.Task] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(asyncio.CancelledError):  # the end of the test, for one that hangs
            await server.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=implicit_tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
