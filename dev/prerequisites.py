"""Finds the Python and the Node.js that set-up needs, or says what to install. Readable by Python 3.8."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

PYTHONS = ((3, 11), (3, 12), (3, 13))
OLDEST_NODE = 20
DESCRIBE_PYTHON = """
import importlib.util as u, json, sys
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps([list(sys.version_info[:2]), base, u.find_spec("ensurepip") is not None]))
"""


class SetupError(Exception):
    """Something that only the developer can mend; the text says what to do."""


class Python(NamedTuple):
    version: tuple[int, int]
    executable: str  # outside of any virtual environment, so that ours may be deleted under it
    has_ensurepip: bool

    @property
    def name(self) -> str:
        return f"Python {self.version[0]}.{self.version[1]}"


def describe_python(name: str) -> Python | None:
    """Asks an interpreter about itself; None if it cannot answer (missing, or a shim that leads nowhere)."""
    try:
        answer = subprocess.run([name, "-c", DESCRIBE_PYTHON], capture_output=True, text=True, check=True).stdout
        version, executable, has_ensurepip = json.loads(answer)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return Python((version[0], version[1]), executable, has_ensurepip)


def find_python(chosen: str) -> Python:
    """The interpreter that PYTHON names; without it ours, else the first of 3.12, 3.13 and 3.11 on PATH."""
    names = [chosen] if chosen else [sys.executable, "python3.12", "python3.13", "python3.11"]
    found = [python for python in map(describe_python, names) if python is not None]
    fitting = [python for python in found if python.version in PYTHONS]
    if not fitting:
        seen = ", ".join(python.name for python in found) or "none"
        where = f"PYTHON={chosen}" if chosen else "PATH"
        raise SetupError(
            f"Python 3.11, 3.12 or 3.13 is needed; {where} has: {seen}.\n"
            "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)\n"
            "or name one that is not on PATH: make setup PYTHON=/path/to/python3.12"
        )
    python = fitting[0]
    if not python.has_ensurepip:
        raise SetupError(
            f"{python.executable} cannot create virtual environments: its module ensurepip is missing.\n"
            f"Debian, Ubuntu: apt-get install python3-venv (or python3.{python.version[1]}-venv)"
        )
    return python


def find_node() -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else ""
    major = re.match(r"v(\d+)\.", version)
    if npm is None or major is None or int(major.group(1)) < OLDEST_NODE:
        raise SetupError(
            f"Node.js {OLDEST_NODE} or newer and npm are needed (the storage and the inbox run on them); "
            f"PATH has: node {version or 'none'}, npm {npm or 'none'}.\n"
            "Install them (Debian 13 or newer: apt-get install nodejs npm; macOS: brew install node;\n"
            "elsewhere: a version manager such as nvm or fnm)"
        )
