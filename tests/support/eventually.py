"""Waiting for another process, or for the other end of a connection, which can only be asked again."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str = "it", *, seconds: float = 20, every: float = 0.02) -> T:
    """Asks until the answer is true, and returns it. Raises AssertionError with the last answer when time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; the last answer was {answer!r}")
        time.sleep(every)
    return answer


async def soon(ask: Callable[[], bool], *, seconds: float = 5) -> None:
    """Waits in the event loop until the answer is true. Raises TimeoutError when time is up."""
    async with asyncio.timeout(seconds):
        while not ask():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
