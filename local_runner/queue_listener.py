"""The queue trigger: what Azure's storage-queues extension does with batches, leases, failures and poison.

The numbers and rules are those of that extension's source (QueueListener, QueueProcessor and
RandomizedExponentialBackoffStrategy). Talking to storage is storage_queue's part.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage

from local_runner.app_index import IndexedFunction
from local_runner.host_json import QueueOptions
from local_runner.invocation import Invoker
from local_runner.queue_message import UndecodableMessageError, decode, function_message
from local_runner.storage_queue import LostMessageError
from local_runner.waiting import pause

logger = logging.getLogger(__name__)

SHORTEST_POLL = 0.1
EXPONENT_LIMIT = 20  # beyond every maxPollingInterval, and a float still holds it


class Queue(Protocol):
    """What the listener needs of storage_queue.StorageQueue."""

    name: str

    async def receive(self, count: int, lease: float) -> list[QueueMessage]: ...
    async def hide(self, message_id: str, pop_receipt: str, seconds: float) -> str: ...
    async def delete(self, message_id: str, pop_receipt: str) -> None: ...
    async def poison(self, content: str) -> None: ...


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds for which a message is invisible while its function runs. Fixed numbers in the real host."""

    length: float = 600
    renew_after: float = 300
    retry_after: float = 30  # a failed renewal


class Verdict(Enum):
    DELETE = "the function succeeded"
    RETURN = "the function failed and may try again"
    POISON = "another try would not help"


def poll_delay(empty_polls: int, longest: float, jitter: float) -> float:
    """Seconds to wait after the queue was found empty, having been so `empty_polls` times before.

    100 ms, then 100 ms + jitter * 2^(n-1) * 100 ms with a jitter from 0.8 to 1.2, up to `longest`.
    """
    if empty_polls == 0:
        return min(SHORTEST_POLL, longest)
    increment: float = jitter * 2 ** min(empty_polls - 1, EXPONENT_LIMIT) * SHORTEST_POLL
    return min(SHORTEST_POLL + increment, longest)


class Lease:
    """Keeps a message invisible to others while it is held; `pop_receipt` is always the latest one."""

    def __init__(self, queue: Queue, message: QueueMessage, times: LeaseTimes) -> None:
        self.pop_receipt = str(message.pop_receipt)
        self._queue = queue
        self._message_id = str(message.id)
        self._times = times
        self._renewal_under_way = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.create_task(self._renew_repeatedly())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A renewal that is under way changes the pop receipt: its answer must be known before all else.
        async with self._renewal_under_way:
            self._renewing.cancel()

    async def _renew_repeatedly(self) -> None:
        delay = self._times.renew_after
        while True:
            await asyncio.sleep(delay)
            async with self._renewal_under_way:
                delay = await self._renew()

    async def _renew(self) -> float:
        try:
            self.pop_receipt = await self._queue.hide(self._message_id, self.pop_receipt, self._times.length)
        except (AzureError, LostMessageError) as error:
            logger.warning("%s: the lease of message %s was not renewed: %r", self._queue.name, self._message_id, error)
            return self._times.retry_after
        return self._times.renew_after


class QueueListener:
    """Runs one function for the messages of one queue."""

    def __init__(
        self,
        function: IndexedFunction,
        queue: Queue,
        options: QueueOptions,
        invoker: Invoker,
        lease_times: LeaseTimes | None = None,
    ) -> None:
        self._function = function
        self._queue = queue
        self._options = options
        self._invoker = invoker
        self._lease_times = lease_times or LeaseTimes()
        self._running = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._last_trouble = ""

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set, and then until the messages that run are done.

        Canceling it cancels them too; they come back when their leases end, as after a crash of the host.
        """
        empty_polls = 0
        async with asyncio.TaskGroup() as running:
            while not stopping.is_set():
                # Never canceled half-way: messages that are already leased would be gone for ten minutes.
                messages = await self._receive()
                for message in messages:
                    self._started()
                    running.create_task(self._process(message)).add_done_callback(self._ended)
                if messages:
                    empty_polls = 0
                    await self._has_room.wait()
                else:
                    jitter = random.uniform(0.8, 1.2)  # noqa: S311  (spreads runners, guards nothing)
                    await pause(stopping, poll_delay(empty_polls, self._options.max_polling_interval, jitter))
                    empty_polls += 1

    def _started(self) -> None:
        self._running += 1
        if self._running > self._options.new_batch_threshold:
            self._has_room.clear()

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._running -= 1
        if self._running <= self._options.new_batch_threshold:
            self._has_room.set()

    async def _receive(self) -> list[QueueMessage]:
        try:
            messages = await self._queue.receive(self._options.batch_size, self._lease_times.length)
        except ResourceNotFoundError:
            self._log_once(f"the queue {self._queue.name} does not exist; looking again until it does")
            return []
        except AzureError as error:
            self._log_once(f"the queue {self._queue.name} cannot be read: {error!r}; trying again")
            return []
        self._last_trouble = ""
        return messages

    def _log_once(self, trouble: str) -> None:
        if trouble != self._last_trouble:
            logger.warning("%s: %s", self._function.name, trouble)
        self._last_trouble = trouble

    async def _process(self, message: QueueMessage) -> None:
        """Never raises, but for cancellation: one bad message must not end the others."""
        try:
            async with Lease(self._queue, message, self._lease_times) as lease:
                verdict = await self._verdict(message)
            await self._settle(message, lease.pop_receipt, verdict)
        except LostMessageError:
            logger.warning("%s: message %s was changed or deleted by another", self._queue.name, message.id)
        except AzureError as error:
            logger.error("%s: message %s comes back when its lease ends: %r", self._queue.name, message.id, error)

    async def _verdict(self, message: QueueMessage) -> Verdict:
        limit = self._options.max_dequeue_count
        dequeue_count = message.dequeue_count or 0
        if dequeue_count > limit:
            return Verdict.POISON  # a host crashed while it ran for the last time
        try:
            text = decode(message.content, self._options.message_encoding)
        except UndecodableMessageError:
            logger.error("%s: message %s cannot be decoded", self._queue.name, message.id)
            return Verdict.POISON
        if await self._succeeds(message, text):
            return Verdict.DELETE
        return Verdict.POISON if dequeue_count >= limit else Verdict.RETURN

    async def _succeeds(self, message: QueueMessage, text: str) -> bool:
        try:
            argument = function_message(message, text)
        except ValueError as error:
            logger.error("%s: properties of message %s overwrote metadata: %s", self._queue.name, message.id, error)
            return False
        reason = f"New queue message detected on {self._queue.name}"
        return (await self._invoker.invoke(self._function, argument, reason)).succeeded

    async def _settle(self, message: QueueMessage, pop_receipt: str, verdict: Verdict) -> None:
        message_id = str(message.id)
        if verdict is Verdict.RETURN:
            await self._queue.hide(message_id, pop_receipt, self._options.visibility_timeout)
            return
        if verdict is Verdict.POISON:
            # Copied before it is deleted: a crash in between leaves two messages, never none.
            await self._queue.poison(message.content)
            logger.warning("%s: message %s was moved to the poison queue", self._queue.name, message_id)
        await self._queue.delete(message_id, pop_receipt)
