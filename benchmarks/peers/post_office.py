"""django-post_office, on SQLite in WAL mode, sending with two processes and its default batch.

It is installed into a virtual environment of its own, `.local/post-office`, and runs there as a process.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import report
from tests.support.azurite import ROOT

HOME = ROOT / ".local/post-office"
VERSION = "3.12.0"
PROGRAM = Path(__file__).with_name("post_office_program.py")


def emails_a_second(smtp_port: int, emails: int) -> dict[str, float]:
    """`accept`, `send`, and both one after the other, which is its best case: nothing waits for SQLite's lock."""
    python = _installed()
    with TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603
            [python, "-P", str(PROGRAM), folder, str(smtp_port), str(emails)],
            capture_output=True,
            text=True,
            timeout=300,
        )
    if done.returncode:
        sys.exit(f"django-post_office failed:\n{done.stdout}\n{done.stderr}")
    accept, send = map(float, done.stdout.split()[-2:])
    return {"accept": emails / accept, "send": emails / send, "both": emails / (accept + send)}


def _installed() -> str:
    python = HOME / "bin/python"
    stamp = HOME / VERSION
    if not stamp.exists():
        report.say(f"(installing django-post_office {VERSION} into {HOME.relative_to(ROOT)})\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)  # noqa: S603
        packages = [f"django-post_office=={VERSION}", "Django>=5.2,<6"]
        subprocess.run(  # noqa: S603
            [python, "-m", "pip", "install", "--quiet", *packages],
            check=True,
            stderr=subprocess.DEVNULL,
            env=os.environ,
        )
        stamp.touch()
    return str(python)
