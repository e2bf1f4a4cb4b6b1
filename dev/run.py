"""`make run`: the emulated storage, a local inbox and the functions, until Ctrl-C.

Environment: HTTP_PORT, AZURITE_PORT (and the two after it), INBOX_SMTP_PORT, INBOX_WEB_PORT, and LOCAL_DIR,
the folder that keeps emails, storage and logs from one run to the next. GRAPH=fake starts a stand-in of Microsoft
Graph as well (GRAPH_PORT), and the functions send through it.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.environment import BATCH_PROVIDER, SMTP_PORT, SMTP_SERVER, SettingsError, local_environment, read_values
from dev.graph import graph_settings
from dev.ports import HOST, PortError, Ports, require_free_ports
from dev.services import Service, ServiceEnded, ServiceNotReady, say

ROOT = Path(__file__).parents[1]
NODE_MODULES = ROOT / "dev/node_modules"
SECONDS_TO_DRAIN = 35  # the local runner gives what is running 30, and must not be killed while it does


class AlreadyRunning(Exception):
    """Another run works on the same folder: two storages there would spoil each other's files."""


@dataclass(frozen=True)
class Services:
    """All that runs, in the order of its start."""

    azurite: Service
    inbox: Service
    graph: Service | None  # where it is wanted
    storage: Service  # creates tables, queues and containers, then ends
    functions: Service

    def last_first(self) -> list[Service]:
        graph = [self.graph] if self.graph else []
        return [self.functions, self.storage, *graph, self.inbox, self.azurite]


def plan(ports: Ports, local: Path, inherited: Mapping[str, str]) -> Services:
    settings = read_values(ROOT / "local.settings.json")
    sample = read_values(ROOT / "local.settings.sample.json")
    environment = local_environment(ports, settings, sample, inherited)
    if ports.graph is not None:
        environment |= graph_settings(ports, local, environment)
    environment |= {  # `func` starts the `python` that it finds first
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}:{environment.get('PATH', os.defpath)}",
    }

    def service(name: str, log: str | None, command: list[str], seconds_to_end: float = 10) -> Service:
        return Service(name, command, environment, ROOT, local / "logs" / log if log else None, seconds_to_end)

    create_storage = [sys.executable, "-m", "email_core.create_storage"]
    graph = None
    if ports.graph is not None:
        graph = service("The stand-in of Graph", "graph.log", graph_command(ports, local))
    return Services(
        service("The storage (Azurite)", "azurite.log", azurite_command(ports, local / "azurite")),
        service("The inbox (MailDev)", "inbox.log", inbox_command(ports, local / "inbox")),
        graph,
        service("Creating the storage", "storage.log", create_storage),
        service("The functions", None, functions_command(ports), SECONDS_TO_DRAIN),
    )


def azurite_command(ports: Ports, folder: Path) -> list[str]:
    program = ["node", str(NODE_MODULES / "azurite/dist/src/azurite.js")]
    # The SDKs' API version is newer than it knows; and it would report to its makers.
    flags = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    hosts = ["--blobHost", HOST, "--queueHost", HOST, "--tableHost", HOST]
    numbers = [
        "--blobPort",
        f"{ports.blob}",
        "--queuePort",
        f"{ports.queue}",
        "--tablePort",
        f"{ports.table}",
    ]
    return [*program, "--location", str(folder), *flags, *hosts, *numbers]


def inbox_command(ports: Ports, folder: Path) -> list[str]:
    program = ["node", str(NODE_MODULES / "maildev/bin/maildev")]
    addresses = ["--ip", HOST, "--smtp", f"{ports.smtp}", "--web", f"{ports.inbox}"]
    return [*program, "--mail-directory", str(folder), *addresses]


def graph_command(ports: Ports, local: Path) -> list[str]:
    program = [sys.executable, "-m", "dev.graph"]
    return [*program, "--port", f"{ports.graph}", "--inbox", f"{ports.smtp}", "--local", str(local)]


def functions_command(ports: Ports) -> list[str]:
    """Azure's own tools where they are installed, else the local runner."""
    if shutil.which("func"):
        return ["func", "start", "--port", str(ports.http)]
    return [sys.executable, "-m", "local_runner", "--port", str(ports.http)]


async def live(services: Services, ports: Ports, local: Path) -> None:
    """Starts everything, then waits; ends only by raising, with the first service that fails."""
    async with asyncio.TaskGroup() as watchers:

        async def start(service: Service) -> None:
            await service.start()
            watchers.create_task(service.fail_when_ended())

        say("Starting the storage and the inbox ...")
        await start(services.azurite)
        await start(services.inbox)
        for port in (ports.blob, ports.queue, ports.table):
            await services.azurite.answers_on(port)
        for port in (ports.smtp, ports.inbox):
            await services.inbox.answers_on(port)
        if services.graph and ports.graph:
            await start(services.graph)
            await services.graph.answers_on(ports.graph)
        await services.storage.start()
        if await services.storage.ended():
            await services.storage.fail_when_ended()
        say("Starting the functions ...")
        await start(services.functions)
        await services.functions.answers_on(ports.http)
        say(addresses(ports, local, services.functions.environment))


def addresses(ports: Ports, local: Path, environment: Mapping[str, str]) -> str:
    graph = "" if ports.graph is None else f"\n  Graph        https://localhost:{ports.graph}   (a stand-in)"
    return f"""
  The API      http://{HOST}:{ports.http}/api
  To read      http://{HOST}:{ports.http}/api/docs   (every call, to try out)
  Its health   http://{HOST}:{ports.http}/api/health
  The inbox    http://{HOST}:{ports.inbox}   (mail sent to {HOST}:{ports.smtp} shows up here){graph}
  Mail goes    {_destination(ports, environment)}
  Kept in      {local}   (storage, mails, logs)

Ctrl-C ends everything. What is changed in local.settings.json counts from the next start.
"""


def _destination(ports: Ports, environment: Mapping[str, str]) -> str:
    """As far as the settings say it without being read in full."""
    provider = environment.get(BATCH_PROVIDER) or "smtp"
    if provider != "smtp":
        return f"through {provider}" + (", the stand-in, to the inbox" if provider == "graph" and ports.graph else "")
    server, port = environment.get(SMTP_SERVER, ""), environment.get(SMTP_PORT, "")
    if (server, port) == (HOST, str(ports.smtp)):
        return "to the inbox"
    return f"to {server or 'the server of smtp_preset'}, as your settings say, not to the inbox"


async def run(services: Services, ports: Ports, local: Path) -> int:
    """Everything's life and orderly end. The exit code: 0 when asked to end, 1 when a service failed."""
    life = asyncio.create_task(live(services, ports, local))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means: stay
            asyncio.get_running_loop().add_signal_handler(number, end, number, life, services)
    try:
        await life
    except asyncio.CancelledError:
        say("\nEnding, once what is being sent is finished. Ctrl-C kills at once.")
        return 0
    except ExceptionGroup as group:
        failures, bugs = group.split((ServiceEnded, ServiceNotReady, OSError))
        if failures is None or bugs:
            raise
        say("\n", *failures.exceptions, "\nEverything else ends too.")
        return 1
    finally:
        for service in services.last_first():
            await service.stop()
    return 1


def end(number: int, life: asyncio.Task[None], services: Services) -> None:
    """Ends the life at the first signal. Only a Ctrl-C while it ends kills: a SIGTERM may well come twice,
    once to the whole process group and once more from make."""
    if life.done() and number == signal.SIGINT:
        for service in services.last_first():
            service.kill()
        say("Killed.")
        os._exit(130)
    life.cancel()


@contextmanager
def only_run(local: Path) -> Iterator[None]:
    """Keeps a second run off the same folder; the kernel frees the lock however we end."""
    with (local / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"Another `make run` uses {local}: end it, or set LOCAL_DIR to another.") from error
        yield


def main() -> int:
    local = ROOT / (os.environ.get("LOCAL_DIR") or ".local")
    for folder in ("azurite", "inbox", "logs"):
        (local / folder).mkdir(parents=True, exist_ok=True)
    try:
        ports = Ports.from_environment(os.environ)
        services = plan(ports, local, os.environ)
        with only_run(local):
            require_free_ports(ports)
            return asyncio.run(run(services, ports, local))
    except (AlreadyRunning, PortError, SettingsError) as error:
        say(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
