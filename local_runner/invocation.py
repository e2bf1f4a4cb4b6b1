"""Calls functions of the app: on the one event loop if they are `async`, in a thread otherwise."""

import asyncio
import contextvars
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_runner.app_index import IndexedFunction

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    succeeded: bool
    returned: Any = None


@dataclass(frozen=True)
class InvocationContext:
    """Stands in for azure.functions.Context, for functions that have a parameter `context`."""

    invocation_id: str
    function_name: str
    function_directory: str
    thread_local_storage: threading.local
    trace_context: None = None
    retry_context: None = None


class Invoker:
    def __init__(self, directory: str = "", threads: int | None = None) -> None:
        self._directory = directory
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._thread_local = threading.local()

    async def invoke(self, function: IndexedFunction, argument: object, reason: str) -> Outcome:
        """Runs the function once. Whatever it raises is logged and becomes a failed outcome.

        Only the cancellation of this call itself is passed on, once it is logged.
        """
        invocation_id = str(uuid.uuid4())
        logger.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation_id)
        started = time.monotonic()

        def log(level: int, result: str, *, traceback: bool) -> None:
            milliseconds = round((time.monotonic() - started) * 1000)
            message = "Executed 'Functions.%s' (%s, Id=%s, Duration=%dms)"
            logger.log(level, message, function.name, result, invocation_id, milliseconds, exc_info=traceback)

        try:
            returned = await self._call(function, self._arguments(function, argument, invocation_id))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                log(logging.WARNING, "Canceled", traceback=False)
                raise
            log(logging.ERROR, "Failed", traceback=True)  # the function's own, which the worker never answers
        except (Exception, SystemExit):  # noqa: BLE001  (the app's, of any kind: none may end the runner)
            log(logging.ERROR, "Failed", traceback=True)
        else:
            log(logging.INFO, "Succeeded", traceback=False)
            return Outcome(True, returned)
        return Outcome(False)

    def _arguments(self, function: IndexedFunction, argument: object, invocation_id: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {function.argument: argument}
        if function.takes_context:
            arguments["context"] = InvocationContext(invocation_id, function.name, self._directory, self._thread_local)
        return arguments

    async def _call(self, function: IndexedFunction, arguments: dict[str, Any]) -> object:
        if function.is_async:
            return await function.call(**arguments)
        call = partial(contextvars.copy_context().run, function.call, **arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Takes no more work. Does not wait: a thread cannot be interrupted."""
        self._threads.shutdown(wait=False, cancel_futures=True)
