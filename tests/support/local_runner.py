"""The local runner as a process of its own, on an app written for the test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.azurite import free_port
from tests.support.eventually import eventually

PROJECT = Path(__file__).parents[2]
LEFT_OUT = ("AzureWebJobsStorage", "HTTP_PORT", "LOCAL_DIR")


def write_app(root: Path, source: str, queues: dict[str, Any] | None = None, **values: str) -> Path:
    """A Functions app in `root`; `queues` goes into host.json, `values` into local.settings.json."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n" + source)
    (root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues or {}}}))
    (root / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return root


@dataclass(frozen=True)
class Runner:
    process: subprocess.Popen
    port: int
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def logs(self, text: str, times: int = 1) -> None:
        """Waits until the log has `text` at least so many times."""
        eventually(lambda: self.log.count(text) >= times, f"{text!r} {times} times in:\n{self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def start_runner(root: Path, *options: str, port: int | None = None, **environ: str) -> Runner:
    port = port or free_port()
    log_file = root / f"{port}.log"
    inherited = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_runner", "--root", str(root), "--port", str(port), *options],
            cwd=PROJECT,
            env={**inherited, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Runner(process, port, log_file)


@contextmanager
def running_runner(root: Path, *options: str, **environ: str) -> Iterator[Runner]:
    runner = start_runner(root, *options, **environ)
    try:
        runner.logs("ready")
        yield runner
    finally:
        runner.process.kill()
        runner.process.wait(timeout=10)
