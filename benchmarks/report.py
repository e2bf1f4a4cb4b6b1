"""What a benchmark prints: Markdown, so that it can stand in README.md as it is."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tests.support.azurite import ROOT

Cell = str | float | int


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def heading(name: str, purpose: str) -> None:
    say(f"\n## {name}\n\n{purpose}\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    say(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        say(f"| {' | '.join(map(_cell, row))} |")
    say()


def _cell(value: Cell) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def machine() -> None:
    azurite = json.loads((ROOT / "dev/node_modules/azurite/package.json").read_text())["version"]
    say(
        f"{_cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, Azurite {azurite} in memory, {date.today()}, "
        f"load before the run {os.getloadavg()[0]:.1f}"
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown processor"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")
