"""What is said to a server and what it answers, once the connection can be used. Octets go out; replies come in, in the
order of what was said, and several may be on their way."""

import asyncio
from collections import deque

from email_core.providers.smtp.outcome import Reply
from email_core.providers.verdict import words_of

LONGEST_REPLY = 32 * 1024  # octets: four of the longest lines that anybody writes
_UNASKED = "the server said something unasked: nobody knows what its next reply would be to"


class ConnectionLost(Exception):
    """The conversation broke off, or an answer was none that can be understood: the connection is closed."""


class OutOfStep(ConnectionLost):
    """The server says more or other than what it was asked: nobody knows which answer was to what."""


class Dialogue(asyncio.Protocol):
    """Takes the transport over. `awaited` are the replies that were not heard yet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._rest = b""  # of a line that is not whole yet
        self._lines: list[bytes] = []  # of a reply that is not whole yet
        self._taken = 0  # octets of them
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False
        self._end: ConnectionLost | None = None  # why nothing more will come
        self.awaited = 0
        transport.set_protocol(self)
        if transport.is_closing():  # it may have told the protocol before
            self._end = ConnectionLost("Connection lost")

    @property
    def is_open(self) -> bool:
        return self._end is None and not self._transport.is_closing()

    @property
    def has_news(self) -> bool:
        """Whether `reply` has one, or that there will be none."""
        return bool(self._replies) or not self.is_open

    def say(self, octets: bytes, replies: int) -> None:
        """Once it is over, it goes nowhere: whoever hears the reply is told."""
        self.awaited += replies
        if octets and self.is_open:
            self._transport.write(octets)

    async def reply(self) -> Reply:
        """The next one. Raises ConnectionLost where none will come."""
        while not self._replies:
            if self._end is not None:
                raise self._end
            await self._news()
        self.awaited -= 1
        return self._replies.popleft()

    async def room(self) -> None:
        """Returns when the server has taken what was said, or there are news."""
        while self._is_full and not self.has_news:
            await self._news()

    @property
    def is_hearing(self) -> bool:
        """Whether a reply has begun that is not whole yet."""
        return bool(self._rest or self._lines)

    def end(self, reason: str | ConnectionLost) -> None:
        """At once: TLS's own goodbye would wait for the server's, for half a minute. What came before can be heard."""
        if self._end is None:
            self._end = reason if isinstance(reason, ConnectionLost) else ConnectionLost(reason)
        self._transport.abort()
        self._wake()

    def quit(self) -> None:
        """Says goodbye and does not wait for the answer."""
        if self.is_open:
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
        self._end = self._end or ConnectionLost("the connection was left")

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- what the transport tells

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._end is None:
                self._take(line)
        if len(self._rest) + self._taken > LONGEST_REPLY:
            self.end("a reply that is too long")
        if self.is_hearing and self._end is None and len(self._replies) >= self.awaited:
            self.end(_UNASKED)  # its end would be taken for the answer to what is said next

    def _take(self, line: bytes) -> None:
        if not line[:3].isdigit():
            return self.end(f"Malformed SMTP response line: {line[:100].decode(errors='replace')}")
        code = int(line[:3])
        if not 200 <= code < 600:
            return self.end(f"the server answered {code}, which is no reply to this")
        self._lines.append(line[4:].strip())
        self._taken += len(line)
        if line[3:4] != b"-":
            self._take_reply(code, b"\n".join(self._lines))
        return None

    def _take_reply(self, code: int, text: bytes) -> None:
        self._lines, self._taken = [], 0
        if len(self._replies) >= self.awaited:
            if self.awaited > 1 and code != 421:  # that may come at any time (RFC 5321, 3.8)
                self._replies.clear()  # any of them may be the one too many
                return self.end(OutOfStep(_UNASKED))
            return self.end(_UNASKED)
        self._replies.append(Reply.of(code, text.decode(errors="surrogateescape")))
        return self._wake()

    def eof_received(self) -> None:
        self.end("Connection lost")

    def connection_lost(self, error: Exception | None) -> None:
        self.end(f"Connection lost: {words_of(error)}" if error else "Connection lost")

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()
