"""The host's own endpoints under /admin that help on a developer's machine. No key is asked for."""

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_runner.app_index import IndexedFunction
from local_runner.invocation import Invoker

Start = Callable[[Coroutine[Any, Any, Any]], object]
REASON = "This function was programmatically called via the host APIs."


class AdminEndpoints:
    """`start` runs a coroutine in the background and sees to its end when the runner stops."""

    def __init__(self, functions: list[IndexedFunction], invoker: Invoker, start: Start) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invoker = invoker
        self._start = start

    def routes(self) -> list[Route]:
        return [
            Route("/admin/functions", self.list_functions, methods=["GET"]),
            Route("/admin/functions/{name}", self.invoke, methods=["POST"]),
            Route("/admin/host/status", self.status, methods=["GET"]),
            Route("/admin/host/ping", self.ping, methods=["GET", "POST"]),
        ]

    async def list_functions(self, request: Request) -> Response:
        return JSONResponse([_description(function) for function in self._functions.values()])

    async def status(self, request: Request) -> Response:
        return JSONResponse({"id": "local-runner", "state": "Running", "version": "local_runner", "pid": os.getpid()})

    async def ping(self, request: Request) -> Response:
        return Response(status_code=200)

    async def invoke(self, request: Request) -> Response:
        """Runs a function that is not an HTTP one, a disabled one too, with `{"input": "text"}`.

        202 it was started (how it ends is in the log), 404 no such function, 415 not JSON by its content type
        (which also keeps web pages from calling this across sites), 400 not what is wanted.
        """
        function = self._functions.get(request.path_params["name"].lower())
        if function is None:
            return Response(status_code=404)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refusal(415, "send content-type: application/json")
        if function.kind == "httpTrigger":
            return _refusal(400, f"{function.name} is an HTTP function: call its own address")
        try:
            text = trigger_input(await request.body())
        except ValueError as error:
            return _refusal(400, str(error))
        self._start(self._invoker.invoke(function, trigger_argument(function, text), REASON))
        return Response(status_code=202)


def trigger_input(body: bytes) -> str:
    """The text of `{"input": "text"}`; empty without it. Raises ValueError for anything else."""
    content = json.loads(body or b"{}")
    text = content.get("input") if isinstance(content, dict) else 0
    if not isinstance(text, str | None):
        raise ValueError('the body must be {"input": "text"}')
    return text or ""


def trigger_argument(function: IndexedFunction, text: str) -> QueueMessage | TimerRequest:
    """What a trigger would give, made up. Only a queue function has a use for the text."""
    if function.kind == "timerTrigger":
        return TimerRequest(past_due=False, schedule={"AdjustForDST": True})
    now = datetime.now(UTC)
    return QueueMessage(
        id=str(uuid.uuid4()),
        body=text,
        dequeue_count=1,
        expiration_time=now + timedelta(days=7),
        insertion_time=now,
        time_next_visible=now + timedelta(minutes=10),
        pop_receipt="",
    )


def _description(function: IndexedFunction) -> dict[str, Any]:
    return {
        "name": function.name,
        "language": "python",
        "isDisabled": function.disabled,
        "config": {"scriptFile": "function_app.py", "bindings": list(function.bindings)},
    }


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status_code=status)


class BackgroundTasks:
    """Tasks that nobody awaits, kept until they are done: the event loop alone would not hold them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Waits for all of them; canceling it cancels them."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
