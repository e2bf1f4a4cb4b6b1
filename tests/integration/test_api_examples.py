"""Each example of docs/reference/api.md, copied into a shell as a reader would, is answered as the page says."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from email_functions.operations import OPERATIONS
from tests.support.app import running_app
from tests.support.azurite import ROOT
from tests.support.inbox import running_inbox

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/reference/api.md").read_text()
LOCAL = "http://127.0.0.1:7071/api"
WITHOUT_EXAMPLE = {"show_docs_part"}  # the page asks for its parts by itself

# What the reader's own curl does, and a line on the error output of what was asked and answered.
CURL = r"""#!/bin/sh
exec "$REAL_CURL" --noproxy '*' --silent --show-error \
  --write-out '%{stderr}%{method} %{url_effective} %{http_code}\n' "$@"
"""


@dataclass(frozen=True)
class Example:
    """A block of the page, and the status that it names next."""

    text: str
    status: int

    @property
    def name(self) -> str:
        method = re.search(r"-X (\w+)", self.text)
        return " ".join(filter(None, [method and method[1], *re.findall(r"\$BASE/([^\"?]+)", self.text)]))


@dataclass(frozen=True)
class Ran:
    method: str
    path: str
    status: int
    words: str


def blocks() -> tuple[str, list[Example]]:
    """What a reader sets first, and the examples."""
    found = re.findall(r"^```sh\n(.+?)^```\n(.*?)(?=^```sh\n|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    settings = "".join(text for text, _ in found if "curl" not in text)
    named = [(text, re.match(r"\n\*\*(\d{3})\*\*", after)) for text, after in found if "curl" in text]
    assert [text for text, status in named if status is None] == [], "name the status after the block, as **200**"
    return settings, [Example(text, int(status[1])) for text, status in named]


SETTINGS, EXAMPLES = blocks()


@pytest.fixture(scope="module")
def ran(azurite, tmp_path_factory) -> list[Ran]:
    """All examples, one after the other: each may build on those before it."""
    folder = tmp_path_factory.mktemp("reader")
    secrets = {"LOCAL_DIR": str(folder / "local")}
    with running_inbox() as inbox, running_app(azurite.new_account(), inbox.port, **secrets) as app:
        environment = environment_of(folder)
        return [run(example, f"{app.base_url}/api", folder, environment) for example in EXAMPLES]


def environment_of(folder: Path) -> dict[str, str]:
    curl = folder / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(CURL)
    curl.chmod(0o755)
    real = subprocess.run(["which", "curl"], capture_output=True, text=True, check=True).stdout.strip()
    return os.environ | {"REAL_CURL": real, "PATH": f"{curl.parent}:{os.environ['PATH']}", "ID": ""}


def run(example: Example, base: str, folder: Path, environment: dict[str, str]) -> Ran:
    script = f"set -eu\n{SETTINGS.replace(LOCAL, base)}\n{example.text}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{example.text}\n{done.stderr}"
    method, address, status = done.stderr.split()[-3:]
    if status == "202":
        environment["ID"] = json.loads(done.stdout)["id"]  # as a reader copies it
    return Ran(method, address.removeprefix(base).lstrip("/").partition("?")[0], int(status), done.stdout)


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[one.name for one in EXAMPLES])
def test_example_is_answered_as_the_page_says(ran, number):
    assert ran[number].status == EXAMPLES[number].status, ran[number].words


def test_every_call_has_an_example(ran):
    shown = {
        name
        for name, operation in OPERATIONS.items()
        if any(operation.method == one.method and operation.matches(one.path) for one in ran)
    }
    assert set(OPERATIONS) - shown == WITHOUT_EXAMPLE


def test_page_names_the_address_that_the_app_has_on_this_machine():
    assert f"BASE={LOCAL}" in SETTINGS
