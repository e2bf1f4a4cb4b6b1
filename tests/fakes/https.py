"""An HTTP/1.1 server over real TLS on loopback, which answers in full, or breaks off where a test wants it to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import h11

DROP = "drop"  # the connection ends without an answer
MOST_HEAD = 2**20


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in small letters
    body: bytes = field(repr=False)
    connection: int = 0  # its number: NTLM signs in a connection

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answerer = Callable[[Request], Awaitable[Response | str]]


class HttpsServer:
    """`answer` returns a Response, or DROP. `before` is asked when a request's head is there, and may break off before
    its body is read."""

    def __init__(
        self,
        answer: Answerer,
        tls: ssl.SSLContext | None,
        before: Callable[[Request], bool] = lambda request: True,
        port: int = 0,
    ) -> None:
        self.port = port
        self.connections = 0
        self._answer = answer
        self._before = before
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._listener.close()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the connections to be closed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        number = self.connections
        try:
            await self._converse(h11.Connection(h11.SERVER, MOST_HEAD), reader, writer, number)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, h11.RemoteProtocolError):
            pass  # the client went away, or the test is over
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.transport.abort()

    async def _converse(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        while True:
            request = await self._request(http, reader, writer)
            if request is None:
                return
            request = replace(request, connection=number)
            response = await self._answer(request)
            if response == DROP:
                writer.transport.abort()
                return
            writer.write(_octets(http, response))
            await writer.drain()
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _request(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        head, body = None, bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                headers = {name.decode().lower(): value.decode() for name, value in event.headers}
                head = Request(event.method.decode(), event.target.decode(), headers, b"")
                if not self._before(head):
                    writer.transport.abort()
                    return None
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return Request(head.method, head.target, head.headers, bytes(body))
            else:
                return None


def _octets(http: h11.Connection, response: Response) -> bytes:
    headers = {"content-length": str(len(response.body)), **response.headers}
    head = h11.Response(status_code=response.status, headers=list(headers.items()))
    return http.send(head) + http.send(h11.Data(data=response.body)) + http.send(h11.EndOfMessage())
