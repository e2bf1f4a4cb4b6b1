"""The life of a runner: resolve what the functions need, listen, and drain when it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from local_runner.admin import AdminEndpoints, BackgroundTasks
from local_runner.app_index import IndexedFunction
from local_runner.connections import QueueConnection, resolve_connection
from local_runner.errors import PortInUseError
from local_runner.host_json import HostOptions
from local_runner.http_host import FunctionsEndpoint
from local_runner.invocation import Invoker
from local_runner.queue_listener import QueueListener
from local_runner.routing import RoutingTable
from local_runner.settings import expand
from local_runner.storage_queue import QueueServices
from local_runner.timer_host import Schedule, TimerListener

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
CANCEL_SECONDS = 5.0  # for what was canceled to clean up after itself


@dataclass(frozen=True)
class QueueSource:
    connection: QueueConnection
    queue_name: str


@dataclass(frozen=True)
class HostPlan:
    """All that a runner does, with every setting resolved: nothing can be found missing after this."""

    functions: list[IndexedFunction]
    options: HostOptions
    routes: RoutingTable
    queues: Mapping[IndexedFunction, QueueSource]
    schedules: Mapping[IndexedFunction, Schedule]


def make_plan(functions: list[IndexedFunction], options: HostOptions, environ: Mapping[str, str]) -> HostPlan:
    """Raises SettingsError naming what is missing, LoadError for a route that is not understood."""
    enabled = [function for function in functions if not function.disabled]
    return HostPlan(
        functions,
        options,
        RoutingTable(functions, options.route_prefix),
        {function: queue_source(function, environ) for function in enabled if function.kind == "queueTrigger"},
        {function: timer_schedule(function, environ) for function in enabled if function.kind == "timerTrigger"},
    )


def queue_source(function: IndexedFunction, environ: Mapping[str, str]) -> QueueSource:
    connection = resolve_connection(function.trigger.get("connection"), environ, function.name)
    return QueueSource(connection, expand(function.trigger["queueName"], environ, f"function {function.name}"))


def timer_schedule(function: IndexedFunction, environ: Mapping[str, str]) -> Schedule:
    return Schedule(expand(function.trigger["schedule"], environ, f"function {function.name}"))


def bound_socket(port: int) -> socket.socket:
    """A listening place on the loopback interface only. Raises PortInUseError."""
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # named, since asyncio sends small answers at once only then
    # Lets a runner start again at once, while connections of the last one fade away; not two at a time.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise PortInUseError(port) from error
    return listening


class Server(uvicorn.Server):
    """Announces itself, and leaves signals to the runner, which has more to drain than connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(plan: HostPlan, listening: socket.socket, local_dir: Path, drain_seconds: float) -> bool:
    """Runs the app until SIGTERM or SIGINT. Returns whether everything that ran could finish."""
    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    invoker = Invoker(str(Path.cwd()), _thread_count())
    background = BackgroundTasks()
    async with QueueServices() as services:
        work = [
            QueueListener(function, services.queue(source.connection, source.queue_name), plan.options.queues, invoker)
            for function, source in plan.queues.items()
        ] + [
            TimerListener(function, schedule, local_dir / "timers", invoker)
            for function, schedule in plan.schedules.items()
        ]
        server = _server(plan, invoker, background, drain_seconds)
        parts: list[Coroutine[Any, Any, None]] = [_serve_http(server, listening, stopping)]
        parts += [listener.run(stopping) for listener in work]
        drained = await run_until_stopped(parts, background, stopping, drain_seconds)
    invoker.close()
    asyncio.get_running_loop().set_exception_handler(_at_the_end)
    return drained


def _at_the_end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The worker never tells an app that it ends, so the clients that an app keeps are never closed: no complaint."""
    if not str(context.get("message", "")).startswith("Unclosed "):
        loop.default_exception_handler(context)


def _server(plan: HostPlan, invoker: Invoker, background: BackgroundTasks, drain_seconds: float) -> Server:
    admin = AdminEndpoints(plan.functions, invoker, background.start)
    app = Starlette(routes=[*admin.routes(), Route("/{path:path}", FunctionsEndpoint(plan.routes, invoker))])
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    return Server(config)


async def _serve_http(server: Server, listening: socket.socket, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as serving:
        serving.create_task(server.serve(sockets=[listening]))
        await stopping.wait()
        server.should_exit = True


async def run_until_stopped(
    parts: list[Coroutine[Any, Any, None]],
    background: BackgroundTasks,
    stopping: asyncio.Event,
    drain_seconds: float,
) -> bool:
    """Runs `parts` until `stopping`, then waits for what they have under way, at most `drain_seconds`.

    What is not done by then is canceled; False says so. An error in the runner itself stops it and is raised.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    for task in tasks:
        task.add_done_callback(lambda _: stopping.set())  # a part that ends by itself has failed
    await stopping.wait()
    logger.info("Stopping: waiting for what is running, at most %g s", drain_seconds)
    tasks.append(asyncio.create_task(background.finish()))
    _, late = await asyncio.wait(tasks, timeout=drain_seconds)
    for task in late:
        task.cancel()
    if late:
        logger.warning("Gave up waiting: unfinished messages come back when their leases end")
        await asyncio.wait(late, timeout=CANCEL_SECONDS)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
    return not late


def _stop_on_signals(stopping: asyncio.Event) -> None:
    def stop() -> None:
        if stopping.is_set():
            os._exit(1)  # the second signal: at once, whatever is running
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _thread_count() -> int | None:
    """PYTHON_THREADPOOL_THREAD_COUNT, the worker's own setting; None leaves it to Python."""
    text = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return int(text) if text.isdecimal() and int(text) else None
