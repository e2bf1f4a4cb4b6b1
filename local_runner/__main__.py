"""The command line: `python -m local_runner --help`."""

import argparse
import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from local_runner.app_index import IndexedFunction, load_functions
from local_runner.errors import LoadError, RunnerError, SettingsError
from local_runner.host import bound_socket, make_plan, serve
from local_runner.host_json import read_host_json
from local_runner.routing import RoutingTable
from local_runner.settings import load_local_settings

LOG_FORMAT = "[%(asctime)s.%(msecs)03d] %(message)s"
DEFAULT_PORT = 7071


def main(arguments: list[str] | None = None) -> int:
    """Runs the app until a signal. Returns the exit code: 0 drained, 1 could not start."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, datefmt="%H:%M:%S", stream=sys.stderr)
    for chatty in ("azure", "uvicorn"):  # a line or more for each request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options = parse(arguments)
    try:
        drained = run(options.root.resolve(), options.port, options.drain_seconds)
    except RunnerError as error:
        if isinstance(error, LoadError) and error.__cause__:
            traceback.print_exception(error.__cause__)  # the app's own mistake: where it is matters
        print(f"local_runner: {error}", file=sys.stderr)
        return 1
    if not drained:
        logging.shutdown()
        os._exit(0)  # a thread that did not end would hold up an orderly exit for ever
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m local_runner", description="Runs a Functions app without Core Tools.")
    parser.add_argument("--root", type=Path, default=Path(), help="folder with function_app.py (the current one)")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (HTTP_PORT, else 7071)")
    parser.add_argument("--drain-seconds", type=float, default=30.0, help="how long to wait for what runs at the end")
    return parser.parse_args(arguments)


def run(root: Path, port: int | None, drain_seconds: float) -> bool:
    """Returns whether everything that ran could finish. Raises RunnerError if the app cannot be started."""
    options = read_host_json(root)
    if hint := load_local_settings(root, os.environ):
        print(f"local_runner: {hint}", file=sys.stderr)
    os.chdir(root)  # as the worker: relative paths in the app are relative to it
    plan = make_plan(load_functions(root, os.environ), options, os.environ)
    with bound_socket(port or default_port(os.environ)) as listening:
        print(function_list(plan.functions, plan.routes, listening.getsockname()[1]), flush=True)
        local_dir = Path(os.environ.get("LOCAL_DIR") or ".local")
        return asyncio.run(serve(plan, listening, local_dir, drain_seconds))


def default_port(environ: Mapping[str, str]) -> int:
    text = environ.get("HTTP_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or int(text) > 65535:
        raise SettingsError(f"HTTP_PORT must be a port number, not {text!r}")
    return int(text)


def function_list(functions: list[IndexedFunction], routes: RoutingTable, port: int) -> str:
    """The list that `func start` prints: HTTP functions first, then the others, then what is disabled."""
    http = [
        f"\t{route.function.name}: [{','.join(route.function.methods)}] http://localhost:{port}{route.path}"
        for route in routes.routes
    ]
    enabled = [function for function in functions if not function.disabled]
    others = [f"\t{function.name}: {function.kind}" for function in enabled if function.kind != "httpTrigger"]
    disabled = [f"\tFunction {function.name} is disabled." for function in functions if function.disabled]
    return "\n\n".join(["Functions:", *http, *others, *disabled]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
