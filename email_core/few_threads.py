"""What blocks, in a few threads of its own.

A thread cannot be ended: one whose server gives its answer octet by octet, without an end, is lost for as long as the
server likes. So there are at most so many of a kind, nobody else's are lost, and whoever waits is told in time.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class NotInTime(Exception):
    """`began`: a thread is still at it, and may yet do what it was asked for. Else it was never asked."""

    def __init__(self, seconds: float, *, began: bool) -> None:
        words = "no whole answer" if began else "all threads wait for other answers: none was free"
        super().__init__(f"{words} within {seconds:g} seconds")
        self.began = began


class FewThreads:
    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, seconds: float, work: Callable[[], T]) -> T:
        """Its result, with the time that it waits for a thread. Raises NotInTime, or what it raises."""
        future = self._pool.submit(contextvars.copy_context().run, work)
        answer = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait({answer}, timeout=seconds)
            if done:
                return answer.result()
            raise NotInTime(seconds, began=not future.cancel())
        finally:
            answer.cancel()
