"""The doctor asks an app by its address, and tells what that finds with its own settings."""

import json

import pytest

from email_core.doctor.__main__ import main
from tests.support.app import running_app
from tests.support.azurite import free_port
from tests.support.inbox import running_inbox


def doctor(capsys, address):
    code = main(["--url", address, "--json"], {})
    sections = json.loads(capsys.readouterr().out)["sections"]
    return code, {(part["title"], one["what"]): one["verdict"] for part in sections for one in part["findings"]}


@pytest.mark.slow
def test_app_that_is_well_is_told_to_be(storage_connection, capsys):
    with running_inbox() as inbox, running_app(storage_connection, inbox.port) as client:
        code, found = doctor(capsys, str(client.base_url))
    assert code == 0
    assert found["App", "health"] == "ok"
    assert found["Storage", "table emails"] == "ok"
    assert found[f"SMTP (127.0.0.1:{inbox.port})", "connect"] == "ok"


@pytest.mark.slow
def test_what_the_app_cannot_reach_is_told_with_exit_code_1(storage_connection, capsys):
    port = free_port()
    with running_app(storage_connection, port) as client:
        code, found = doctor(capsys, str(client.base_url))
    assert code == 1
    assert found["App", "health"] == "ok"
    assert found[f"SMTP (127.0.0.1:{port})", "connect"] == "failed"
