"""Writes that wait for each other's turn go together.

Nobody waits for a timer: the first write of a group starts at once, and what gathers while it is under way is the next
batch. Alone a write costs what it always costs; under load many share one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Write = TypeVar("Write")
Result = TypeVar("Result")


class GroupCommit(Generic[Write, Result]):
    """`commit` makes a batch of one group's writes and returns, for each, its result or what it raised.
    `fits` says whether one more write can join a batch."""

    def __init__(
        self,
        commit: Callable[[Sequence[Write]], Awaitable[Sequence[Result | Exception]]],
        fits: Callable[[Sequence[Write], Write], bool],
    ) -> None:
        self._commit = commit
        self._fits = fits
        self._waiting: dict[str, deque[tuple[Write, asyncio.Future[Result]]]] = {}
        self._committers: set[asyncio.Task[None]] = set()

    async def write(self, group: str, write: Write) -> Result:
        """Returns when the write is done, or raises what became of it. A caller that is cancelled takes nothing
        back: the write may still be made."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if group in self._waiting:
            self._waiting[group].append((write, done))
        else:
            self._waiting[group] = deque([(write, done)])
            committer = asyncio.create_task(self._commit_all(group))
            self._committers.add(committer)  # the loop keeps only a weak reference
            committer.add_done_callback(self._committers.discard)
        return await done

    async def _commit_all(self, group: str) -> None:
        waiting = self._waiting[group]
        try:
            while waiting:
                await self._commit_batch(self._next_batch(waiting))
        finally:
            del self._waiting[group]
            for _, done in waiting:
                done.cancel()  # only when the loop is closing under us

    def _next_batch(
        self, waiting: deque[tuple[Write, "asyncio.Future[Result]"]]
    ) -> list[tuple[Write, "asyncio.Future[Result]"]]:
        batch = [waiting.popleft()]
        writes = [batch[0][0]]
        while waiting and self._fits(writes, waiting[0][0]):
            batch.append(waiting.popleft())
            writes.append(batch[-1][0])
        return batch

    async def _commit_batch(self, batch: list[tuple[Write, "asyncio.Future[Result]"]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._commit([write for write, _ in batch])
        except Exception as error:  # noqa: BLE001 - each waiting caller gets it
            results = [error] * len(batch)
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():
                continue  # the caller was cancelled
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)
