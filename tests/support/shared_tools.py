"""Checkers of what we send to others, by their own machine-readable contracts: a folder `shared` beside the project's.

Where it is not there, these checks are left out, and a test says so.
"""

import importlib
import sys
from types import ModuleType

import pytest

from tests.support.azurite import ROOT

TOOLS = ROOT.parent / "shared" / "tools"
NOT_HERE = f"the checkers are not here: {TOOLS.relative_to(ROOT.parent)} beside the project's folder"


def checker(name: str) -> ModuleType | None:
    if not (TOOLS / f"{name}.py").exists():
        return None
    if str(TOOLS) not in sys.path:
        sys.path.append(str(TOOLS))
    return importlib.import_module(name)


def needs_checker(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(checker(name) is None, reason=NOT_HERE)
