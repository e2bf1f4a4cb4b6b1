"""The registration script against a stand-in of the Azure CLI: what it does, twice, only said, and taken back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.az import EMPTY
from tests.support.azurite import ROOT

SCRIPT = ROOT / "infra/scripts/register-graph-app.sh"
IDENTITY = ["--credential", "identity", "--identity", "mi-1"]
FEDERATION = ["--credential", "federation", "--identity", "mi-1"]
SECRET = ["--credential", "secret", "--vault", "vault-1"]
RESTRICTED = [*FEDERATION, "--mailboxes", "senders@contoso.com"]


class Machine:
    """A path with the stand-ins of az and pwsh, and nothing else but the system's own."""

    def __init__(self, folder: Path) -> None:
        self.file, self.shells = folder / "state.json", folder / "pwsh.log"
        self.path = folder / "bin"
        self.path.mkdir()
        self._command("az", f'exec "{sys.executable}" "{ROOT}/tests/fakes/az.py" "{self.file}" "$@"')
        self._command("pwsh", f'printf "%s " "$@" >>"{self.shells}"; echo >>"{self.shells}"')

    def _command(self, name: str, line: str) -> None:
        (self.path / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.path / name).chmod(0o755)

    def run(self, *options: str, fails: bool = False) -> str:
        environment = os.environ | {"PATH": f"{self.path}:{os.environ['PATH']}"}
        ran = subprocess.run(["bash", str(SCRIPT), *options], env=environment, capture_output=True, text=True)
        assert (ran.returncode != 0) is fails, ran.stderr
        return ran.stdout + ran.stderr

    @property
    def state(self) -> dict:
        return json.loads(self.file.read_text()) if self.file.exists() else EMPTY

    @property
    def exchange(self) -> list[str]:
        return self.shells.read_text().splitlines() if self.shells.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_managed_identity_itself_is_granted_mail_send_and_needs_no_app(machine):
    told = machine.run(*IDENTITY)
    assert machine.state["grants"]["mi-1"] == {"grant-role-send": "role-send"}
    assert machine.state["apps"] == {}
    assert "graph_credential = identity" in told


def test_large_mail_needs_a_second_permission(machine):
    machine.run(*IDENTITY, "--large-mail")
    assert set(machine.state["grants"]["mi-1"].values()) == {"role-send", "role-readwrite"}


def test_app_trusts_the_managed_identity(machine):
    told = machine.run(*FEDERATION)
    (trust,) = machine.state["trusts"]["app-1"]
    assert trust == {
        "name": "email-subsystem-mi-1",
        "issuer": "https://login.microsoftonline.com/tenant-1/v2.0",
        "subject": "mi-1",
        "audiences": ["api://AzureADTokenExchange"],
    }
    assert machine.state["grants"]["sp-of-app-1"] == {"grant-role-send": "role-send"}
    assert ("graph_tenant_id = tenant-1" in told, "graph_client_id = app-1" in told) == (True, True)


def test_client_secret_goes_into_the_vault_and_nowhere_else(machine):
    told = machine.run(*SECRET)
    assert machine.state["vault"] == {"graph-client-secret": "secret-of-app-1"}
    assert "secret-of-app-1" not in told


@pytest.mark.parametrize("options", [IDENTITY, FEDERATION, SECRET])
def test_second_run_changes_nothing(machine, options):
    machine.run(*options)
    before = machine.file.stat().st_mtime_ns
    told = machine.run(*options)
    assert machine.file.stat().st_mtime_ns == before
    assert "already" in told


@pytest.mark.parametrize("options", [IDENTITY, FEDERATION, SECRET, RESTRICTED])
def test_what_if_says_it_and_does_nothing(machine, options):
    assert "would " in machine.run(*options, "--what-if")
    assert (machine.state, machine.exchange) == (EMPTY, [])


@pytest.mark.parametrize("options", [IDENTITY, FEDERATION, SECRET])
def test_undo_takes_everything_back(machine, options):
    machine.run(*options, "--large-mail")
    machine.run(*options, "--undo")
    grants = {principal: roles for principal, roles in machine.state["grants"].items() if roles}
    assert machine.state | {"grants": grants, "deleted": []} == EMPTY


def test_secret_that_was_deleted_must_be_recovered_before_another_is_made(machine):
    machine.run(*SECRET)
    machine.run(*SECRET, "--undo")
    told = machine.run(*SECRET, fails=True)
    assert ("keyvault secret recover" in told, machine.state["vault"]) == (True, {})


def test_undo_of_nothing_is_no_failure(machine):
    assert "no app registration" in machine.run(*FEDERATION, "--undo")


def test_undo_can_be_looked_at_first(machine):
    machine.run(*SECRET)
    before = machine.state
    assert "would delete" in machine.run(*SECRET, "--undo", "--what-if")
    assert machine.state == before


def test_mailboxes_are_restricted_in_exchange_and_the_broad_consent_is_gone(machine):
    machine.run(*FEDERATION)
    machine.run(*RESTRICTED)
    (line,) = machine.exchange
    assert "restrict-mailboxes.ps1 -Action restrict -AppId app-1 -ObjectId sp-of-app-1" in line
    assert "-Group senders@contoso.com" in line
    assert machine.state["grants"]["sp-of-app-1"] == {}


def test_restriction_takes_back_the_consent_for_large_mail_too(machine):
    machine.run(*FEDERATION, "--large-mail")
    machine.run(*RESTRICTED)
    assert machine.state["grants"]["sp-of-app-1"] == {}


def test_what_exchange_has_for_one_environment_is_not_changed_by_another(machine):
    machine.run(*RESTRICTED, "--name", "Test")
    machine.run(*RESTRICTED, "--name", "Prod")
    names = [line.partition("-Name ")[2].split()[0] for line in machine.exchange]
    assert names == ["email-subsystem-app-1", "email-subsystem-app-2"]


def test_app_that_two_identities_may_use_trusts_each_of_them(machine):
    for identity in ("11111111-1", "22222222-2"):
        machine.run("--credential", "federation", "--identity", identity)
    assert [one["name"] for one in machine.state["trusts"]["app-1"]] == [
        "email-subsystem-11111111",
        "email-subsystem-22222222",
    ]


@pytest.mark.parametrize(("name", "cloud"), [("AzureUSGovernment", "us_gcc_high"), ("AzureChinaCloud", "china")])
def test_cloud_is_a_parameter_where_it_is_another(machine, name, cloud):
    machine.file.write_text(json.dumps(EMPTY | {"cloud": name}))
    assert f"graph_cloud = {cloud}" in machine.run(*IDENTITY)


def test_restriction_is_released(machine):
    machine.run(*RESTRICTED)
    machine.run(*RESTRICTED, "--undo")
    assert "-Action release" in machine.exchange[-1]


def test_another_secret_is_made_only_when_asked_for(machine):
    machine.run(*SECRET)
    assert "put it into" in machine.run(*SECRET, "--renew")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--credential", "password"],
        ["--credential", "certificate"],
        ["--credential", "identity"],
        ["--credential", "secret"],
        [*IDENTITY, "--name", "it's"],
        [*IDENTITY, "--unknown"],
        [*IDENTITY, "--mailboxes", "$(reboot)"],
    ],
)
def test_wrong_options_are_told_before_anything_is_done(machine, options):
    assert "register-graph-app:" in machine.run(*options, fails=True) or options == []
    assert machine.state == EMPTY


def test_several_apps_of_one_name_are_left_alone(machine):
    machine.file.write_text(json.dumps(EMPTY | {"apps": {"a": "Email subsystem", "b": "Email subsystem"}}))
    assert "several" in machine.run(*FEDERATION, fails=True)


def test_powershell_script_has_the_same_options():
    shell, powershell = SCRIPT.read_text(), SCRIPT.with_suffix(".ps1").read_text()
    for option in ("credential", "identity", "vault", "name", "large-mail", "mailboxes", "renew", "undo"):
        assert f"--{option}" in shell
        assert f"] ${option.title().replace('-', '')}" in powershell
    assert "SupportsShouldProcess" in powershell  # -WhatIf
