"""`make setup`: prepares this machine for the project, and does only what changed since the last time.

It runs on whatever `python3` the system has, with the standard library alone, so that it can say what is
missing instead of failing on it: keep it readable by Python 3.8.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.prerequisites import PYTHONS, SetupError, describe_python, find_node, find_python

ROOT = Path(__file__).parents[1]


class Stamp:
    """Remembers which inputs a folder was made from.

    It says "unfinished" from the first step to the last, so that whatever interrupts a set-up, the next one
    knows, and starts that folder over.
    """

    def __init__(self, folder: Path, inputs: list[Path]) -> None:
        self._file = folder / ".made-from"
        self._inputs = inputs

    def is_current(self) -> bool:
        return self._read() == self._digest()

    def is_unfinished(self) -> bool:
        return self._read() == "unfinished"

    def begin(self) -> None:
        self._file.write_text("unfinished")

    def finish(self) -> None:
        self._file.write_text(self._digest())

    def _read(self) -> str:
        return self._file.read_text() if self._file.exists() else ""

    def _digest(self) -> str:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self._inputs]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def tell(text: str, end: str = "\n") -> None:
    """On stderr: what the commands after it say, as `make doctor ARGS=--json` does, stands alone on stdout."""
    print(text, end=end, file=sys.stderr, flush=True)


@contextmanager
def progress(step: str) -> Iterator[None]:
    started = time.monotonic()
    tell(f"setup: {step} ...", end="")
    try:
        yield
    except BaseException:
        tell(" no")
        raise
    tell(f" {time.monotonic() - started:.1f} s")


def run_quietly(command: list[str], cwd: Path) -> None:
    """Runs a tool whose output matters only when it fails."""
    result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise SetupError(f"`{' '.join(command)}` failed:\n{result.stdout}")


def venv_version(venv: Path) -> tuple[int, int] | None:
    """The version a virtual environment was made with; None if it is not usable."""
    python = describe_python(str(venv / "bin/python"))
    if python is None or subprocess.run([venv / "bin/python", "-c", "import pip"], capture_output=True).returncode:
        return None
    return python.version


def set_up_python(root: Path, chosen: str) -> bool:
    """Makes .venv what requirements.txt and pyproject.toml say; tells whether there was anything to do.

    A Python named by `chosen` replaces one of another version; otherwise a working .venv is kept.
    """
    venv = root / ".venv"
    python = str(venv / "bin/python")
    stamp = Stamp(venv, [root / "requirements.txt", root / "pyproject.toml"])
    if stamp.is_current() and os.path.exists(python) and not chosen:
        return False
    wanted = [find_python(chosen).version] if chosen else list(PYTHONS)
    usable = not stamp.is_unfinished() and venv_version(venv) in wanted
    if usable and stamp.is_current():
        return False
    if not usable:
        base = find_python(chosen)
        with progress(f"creating .venv with {base.name}"):
            run_quietly([base.executable, "-m", "venv", "--clear", str(venv)], root)
    stamp.begin()
    with progress("installing the Python packages (a minute the first time)"):
        run_quietly([python, "-m", "pip", "install", "--quiet", "pip>=25.1"], root)  # 25.1 knows --group
        run_quietly([python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt", "--group", "dev"], root)
    stamp.finish()
    return True


def set_up_node(root: Path) -> bool:
    """Installs what dev/package-lock.json names; npm ci empties the folder first, so it heals itself."""
    stamp = Stamp(root / "dev/node_modules", [root / "dev/package.json", root / "dev/package-lock.json"])
    if stamp.is_current():
        return False
    find_node()
    with progress("installing the emulated storage and the local inbox from npm"):
        # No package here needs its install script, so none may run one.
        run_quietly(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], root / "dev")
    stamp.finish()
    return True


def set_up_settings(root: Path) -> bool:
    settings = root / "local.settings.json"
    if settings.exists():
        return False
    with progress("creating local.settings.json from local.settings.sample.json"):
        unfinished = root / "local.settings.json.new"
        shutil.copyfile(root / "local.settings.sample.json", unfinished)
        unfinished.replace(settings)
    return True


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """`make run` and `make test` in two terminals must not both fill .venv."""
    import fcntl  # not on Windows, which must get as far as its message

    folder = os.open(root / "dev", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(root: Path, chosen_python: str) -> None:
    if os.name == "nt":
        raise SetupError("Windows needs WSL: install it with `wsl --install`, then run this there.")
    with one_at_a_time(root):
        done = [set_up_python(root, chosen_python), set_up_node(root), set_up_settings(root)]
    tell("setup: done" if any(done) else "setup: nothing to do")


def main() -> int:
    try:
        set_up(ROOT, os.environ.get("PYTHON", ""))
    except SetupError as error:
        tell(f"setup: {error}")
        return 1
    except KeyboardInterrupt:
        tell("setup: interrupted; the next run does the step again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
