"""A proxy in front of a storage account's three services: counts what is asked of them, and breaks what it is told to.

    async with storage_proxy(account, Fault(is_kind("table transaction"), LOST_ANSWER, nth={2})) as proxy:
        ...  # whoever uses proxy.connection, in this process or in another, goes through it

Octets are handed on as they came, both ways, so signatures stay right: they cover the path, which begins with the
account's name, and not the Host header. Clients of one kept connection have one connection to the service.

aiohttp, under the storage clients, repeats GET, PUT and DELETE by itself once when a kept connection is dropped, before
the clients' own retries: one `DROPPED` or `LOST_ANSWER` of those is mended where nobody sees it.
"""

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

HOST = "127.0.0.1"
_ENDPOINT = re.compile(r"(?P<service>Blob|Queue|Table)Endpoint=http://(?P<host>[^:/;]+):(?P<port>\d+)")
_IN_TRANSACTION = re.compile(rb"^(POST|PUT|PATCH|MERGE|DELETE|GET) \S+ HTTP/1\.1\r?$", re.MULTILINE)
_HEAD_LIMIT = 64 * 1024
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """`service` is blob, queue or table; `path` begins after the account's name, is decoded and has no query."""

    service: str
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def resource(self) -> str:
        """The table, queue or container; `$batch` for a transaction."""
        return re.split(r"[/(]", self.path, maxsplit=1)[0]

    @property
    def operations(self) -> tuple[str, ...]:
        """What is in a table transaction: POST inserts, PATCH merges, DELETE deletes, in its order."""
        return tuple(verb.decode() for verb in _IN_TRANSACTION.findall(self.body)) if self.resource == "$batch" else ()

    @property
    def kind(self) -> str:
        """`table insert`, `queue put`, `blob get` and the like: see `_KINDS`."""
        place = _place(self)
        return f"{self.service} {_KINDS.get((self.service, self.method, place), f'{self.method} {place}'.strip())}"


_KINDS = {
    ("table", "POST", "$batch"): "transaction",
    ("table", "POST", "table"): "insert",
    ("table", "GET", "entity"): "get",
    ("table", "GET", "table"): "query",
    ("table", "PATCH", "entity"): "merge",
    ("table", "MERGE", "entity"): "merge",
    ("table", "PUT", "entity"): "replace",
    ("table", "DELETE", "entity"): "delete",
    ("table", "POST", "Tables"): "create",
    ("queue", "POST", "messages"): "put",
    ("queue", "GET", "messages"): "receive",
    ("queue", "DELETE", "messages"): "clear",
    ("queue", "PUT", "message"): "update",
    ("queue", "DELETE", "message"): "delete",
    ("queue", "PUT", "queue"): "create",
    ("blob", "PUT", "blob"): "put",
    ("blob", "PUT", "block"): "put block",
    ("blob", "PUT", "blocklist"): "put block list",
    ("blob", "GET", "blob"): "get",
    ("blob", "HEAD", "blob"): "head",
    ("blob", "DELETE", "blob"): "delete",
    ("blob", "PUT", "container"): "create",
    ("blob", "GET", "container"): "list",
}


def _place(request: StorageRequest) -> str:
    if request.service == "table":
        if request.resource in ("$batch", "Tables"):
            return request.resource
        return "entity" if "PartitionKey=" in request.path else "table"
    parts = request.path.count("/") + bool(request.path)
    if request.service == "queue":
        return ("", "queue", "messages", "message")[min(parts, 3)]
    if "restype=container" in request.query or parts < 2:
        return "container"
    component = re.search(r"(?:^|&)comp=(\w+)", request.query)
    return component[1] if component else "blob"


def is_kind(*kinds: str) -> Callable[[StorageRequest], bool]:
    """A predicate for `Fault`: requests of these kinds."""
    return lambda request: request.kind in kinds


# ---- faults


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    seconds: float = 0
    status: int = 0


HANGING = Action("hang before it is handed on")  # until the client goes away
DROPPED = Action("drop before it is handed on")
LOST_ANSWER = Action("hand on, then drop")  # the service has done it, and the client cannot know
HANGING_ANSWER = Action("hand on, then hang")


def answering(status: int) -> Action:
    """The service refuses, and has done nothing: 500 or 503, say."""
    return Action(f"answer {status}", status=status)


def late(seconds: float) -> Action:
    """Only latency: whatever other fault the request has comes after it."""
    return Action(f"wait {seconds} s", seconds=seconds)


@dataclass(slots=True)
class Fault:
    """What happens to the requests for which `when` is true: to the `nth` of them only (the first is 1), or to each
    with this `chance`. `matched` and `happened` count."""

    when: Callable[[StorageRequest], bool]
    action: Action
    nth: Collection[int] | None = None
    chance: float = 1.0
    matched: int = 0
    happened: int = 0

    def strikes(self, request: StorageRequest, dice: random.Random) -> bool:
        if not self.when(request):
            return False
        self.matched += 1
        struck = dice.random() < self.chance and (self.nth is None or self.matched in self.nth)
        self.happened += struck
        return struck


_REFUSALS = {500: ("InternalError", "Server Error"), 503: ("ServerBusy", "Service Unavailable")}


def _refusal(service: str, status: int) -> bytes:
    code, reason = _REFUSALS.get(status, ("Refused", "Refused"))
    if service == "table":
        kind = "application/json"
        body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"by the proxy"}}}}}}'
    else:
        kind = "application/xml"
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>'
        )
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nx-ms-error-code: {code}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


# ---- the proxy


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what became of it. `status` is 0 where the client got no answer. A receive that found no message
    is `empty`."""

    kind: str
    resource: str
    operations: tuple[str, ...]
    status: int
    empty: bool = False


class StorageProxy:
    """`connection` leads through it. `faults` may be changed at any time. `counts` says how often each kind was asked;
    receives that found nothing count as `queue receive, empty`."""

    def __init__(self, faults: list[Fault], seed: int) -> None:
        self.connection = ""
        self.faults = faults
        self.exchanges: list[Exchange] = []
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Begins to count anew."""
        self.exchanges.clear()
        self.counts.clear()

    async def listen(self, service: str, host: str, port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            upstream = _Upstream(host, port)
            try:
                # A client, or the service, may go away at any time; the end of the proxy cancels.
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    while await self._exchange(service, reader, writer, upstream):
                        pass
            finally:
                upstream.close()
                writer.close()

        return await asyncio.start_server(serve, HOST, 0, limit=_HEAD_LIMIT)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _exchange(
        self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: "_Upstream"
    ) -> bool:
        """Whether the connection is kept."""
        message = await _read_message(reader)
        if message is None:
            return False
        request = _parsed(service, message)
        action = await self._fault(request)
        if action in (HANGING, DROPPED):
            self._note(request, 0)
            return action is HANGING and await _gone(reader)
        if action is not None and action.status:
            writer.write(_refusal(service, action.status))
            self._note(request, action.status)
        else:
            answer = await upstream.ask(message, request.method)
            status = int(answer.head[9:12])
            empty = request.kind == "queue receive" and status == 200 and b"<QueueMessage>" not in answer.body
            self._note(request, 0 if action else status, empty)
            if action in (LOST_ANSWER, HANGING_ANSWER):
                return action is HANGING_ANSWER and await _gone(reader)
            writer.write(answer.head + answer.raw_body)
        await writer.drain()
        return True

    async def _fault(self, request: StorageRequest) -> Action | None:
        """The first that strikes; latency is waited for here."""
        for fault in list(self.faults):
            if fault.strikes(request, self._dice):
                if not fault.action.seconds:
                    return fault.action
                await asyncio.sleep(fault.action.seconds)
        return None

    def _note(self, request: StorageRequest, status: int, empty: bool = False) -> None:
        exchange = Exchange(request.kind, request.resource, request.operations, status, empty)
        self.exchanges.append(exchange)
        self.counts[f"{exchange.kind}, empty" if empty else exchange.kind] += 1


@asynccontextmanager
async def storage_proxy(connection: str, *faults: Fault, seed: int = 0) -> AsyncIterator[StorageProxy]:
    """In front of the account that `connection` leads to, on ports of its own, until the end."""
    proxy = StorageProxy(list(faults), seed)
    async with AsyncExitStack() as stack:
        ports = {}
        for endpoint in _ENDPOINT.finditer(connection):
            server = await proxy.listen(endpoint["service"].lower(), endpoint["host"], int(endpoint["port"]))
            stack.callback(server.close)
            ports[endpoint["service"]] = server.sockets[0].getsockname()[1]
        stack.push_async_callback(proxy.close)
        proxy.connection = _ENDPOINT.sub(
            lambda endpoint: f"{endpoint['service']}Endpoint=http://{HOST}:{ports[endpoint['service']]}", connection
        )
        yield proxy


@contextmanager
def running_storage_proxy(connection: str, *faults: Fault, seed: int = 0) -> Iterator[StorageProxy]:
    """The same in a thread of its own, for a test that has no event loop."""
    started: list[StorageProxy] = []
    ready, ending = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        try:
            async with storage_proxy(connection, *faults, seed=seed) as proxy:
                started.append(proxy)
                ready.set()
                await ending.wait()
        finally:
            ready.set()  # an error shows itself below, by nothing having started

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="storage proxy")
    thread.start()
    ready.wait()
    try:
        (proxy,) = started
        yield proxy
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


# ---- HTTP, no more of it than storage clients speak


@dataclass(frozen=True, slots=True)
class _Message:
    """`head` with its empty line; `raw_body` as on the wire, `body` without the marks of chunks."""

    head: bytes
    headers: dict[str, str]
    raw_body: bytes
    body: bytes


class _Upstream:
    """One kept connection to the service, made anew when the service has closed it for being idle."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: _Message, method: str) -> _Message:
        reader, writer = await self._connected()
        writer.write(request.head + request.raw_body)
        await writer.drain()
        answer = await _read_message(reader, answers=method)
        if answer is None:
            raise ConnectionError("the service closed the connection")
        return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(*self._address, limit=_HEAD_LIMIT)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def _read_message(reader: asyncio.StreamReader, answers: str | None = None) -> _Message | None:
    """A request, or the answer to a request with the method `answers`. None where the connection ended instead."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if answers == "HEAD" or (answers and int(head[9:12]) in _WITHOUT_BODY):
        return _Message(head, headers, b"", b"")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _Message(head, headers, *await _read_chunks(reader))
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return _Message(head, headers, body, body)


async def _read_chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    raw, body = bytearray(), bytearray()
    while True:
        mark = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(mark.partition(b";")[0], 16) + 2)  # the last has no octets, but its CRLF
        raw += mark + chunk
        body += chunk[:-2]
        if len(chunk) == 2:
            return bytes(raw), bytes(body)


def _parsed(service: str, message: _Message) -> StorageRequest:
    method, target, _ = message.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    path, _, query = target.partition("?")
    _, _, in_account = path.lstrip("/").partition("/")
    return StorageRequest(service, method, unquote(in_account), query, message.headers, message.body)


async def _gone(reader: asyncio.StreamReader) -> bool:
    """Waits for the client to lose its patience. False: the connection is not kept."""
    await reader.read()
    return False
