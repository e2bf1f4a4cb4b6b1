"""Small emails, and a client that posts them and takes little CPU itself: raw HTTP on kept connections."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import report

SMALL_MAIL = {
    "from": {"address": "ann@contoso.com", "name": "Ann Miller"},
    "to": ["bob@example.com"],
    "subject": "Your statement for March",
    "text": "\r\n".join(f"Line {number:02}: the balance of your account has not changed." for number in range(32)),
}  # 2 KB on the wire
MOST_REFUSED = 20  # posts that are tried again before a benchmark gives up


def post_request(body: bytes, content_type: str = "application/json", path: str = "/api/emails") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


SMALL_POST = post_request(json.dumps(SMALL_MAIL).encode())


def batch_post(emails: int) -> bytes:
    return post_request(json.dumps({"emails": [SMALL_MAIL] * emails}).encode(), path="/api/email-batches")


class NotAccepted(Exception):
    """The app answered something else than 202. After a 503 nobody knows whether the email is kept."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(f"{status} {answer}")
        self.status = status


@dataclass
class Poster:
    """One kept connection to a runner."""

    port: int
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def post(self, request: bytes = SMALL_POST) -> float:
        """Seconds until 202, or a batch's 207, was there. Raises NotAccepted."""
        started = time.perf_counter()
        reader, writer = await self._connected()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        answer = await reader.readexactly(int(length))
        if head[9:12] not in (b"202", b"207"):
            raise NotAccepted(int(head[9:12]), answer[:300].decode(errors="replace"))
        return time.perf_counter() - started

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():  # the server closes what is idle for 5 s
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


async def post_many(
    ports: list[int],
    total: int,
    clients: int,
    *,
    done: Callable[[], int] | None = None,
    most_in_flight: int = 0,
    a_post: int = 1,
) -> list[float]:
    """Posts `total` emails, `a_post` of them at a time, from so many clients in turn to the runners, each as soon as
    its last post was answered; while `most_in_flight` are accepted but not `done`, they wait. Returns the seconds of
    each post, in no order. A 503 is reported and posted again: that email may come twice, with two ids."""
    request = SMALL_POST if a_post == 1 else batch_post(a_post)
    room = asyncio.Semaphore(most_in_flight if done else total)
    watching = asyncio.create_task(_release(room, done)) if done else None
    remaining = iter(range(0, total, a_post))
    room_taken = asyncio.Lock()  # or two batches could wait for each other's half
    seconds: list[float] = []
    refused: list[int] = []

    async def client(port: int) -> None:
        poster = Poster(port)
        for _ in remaining:
            async with room_taken:
                for _ in range(a_post):
                    await room.acquire()
            while not await _posted(poster, request, seconds):
                refused.append(port)
                if len(refused) > MOST_REFUSED:
                    raise NotAccepted(503, f"for the {len(refused)}th time")
        poster.close()

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(ports[number % len(ports)]))
    finally:
        if watching:
            watching.cancel()
    if refused:
        report.say(f"({len(refused)} posts were answered with 503 and repeated)\n")
    return seconds


async def _posted(poster: Poster, request: bytes, seconds: list[float]) -> bool:
    try:
        seconds.append(await poster.post(request))
    except NotAccepted as answer:
        if answer.status != 503:
            raise
        return False
    return True


async def _release(room: asyncio.Semaphore, done: Callable[[], int]) -> None:
    released = done()
    while True:
        await asyncio.sleep(0.002)
        now_done = done()
        for _ in range(released, now_done):
            room.release()
        released = now_done


async def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.005)
