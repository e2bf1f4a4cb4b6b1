"""What `python -m email_core.doctor` makes of settings that are wrong, and of its own arguments."""

import json
from contextlib import nullcontext

import pytest
from azure.core.credentials import AccessToken

from email_core.doctor import examination
from email_core.doctor.__main__ import main
from email_core.doctor.finding import Verdict
from email_core.parameter_layers import layers
from tests.support.azurite import free_port
from tests.support.emails import NOON
from tests.support.smtp_server import secrets

KEY = "a2V5IHRoYXQgaXMgc2VjcmV0"


class NoResolver:
    """Nobody is asked: a test that comes here would ask the network."""


def doctor(capsys, settings, *arguments):
    code = main([*arguments, "--json"], settings, NoResolver())
    text = capsys.readouterr().out
    return code, {section["title"]: section["findings"] for section in json.loads(text)["sections"]}, text


def test_without_any_setting_each_one_that_is_missing_is_named(capsys):
    code, sections, _ = doctor(capsys, {})
    assert code == 1
    assert [(one["verdict"], one["what"]) for one in sections["Configuration"]] == [
        ("failed", "EmailStorage"),
        ("ok", "parameters"),
    ]
    assert [(one["verdict"], one["what"]) for one in sections["SMTP"]] == [("failed", "smtp")]
    assert "the parameter smtp_server" in sections["SMTP"][0]["fix"]
    assert {one["verdict"] for one in sections["Storage"]} == {"skipped"}


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"EmailParameters__smtp_port": "many"}, "EmailParameters__smtp_port"),
        ({"EmailParameters__smtp_server": "a b"}, "EmailParameters__smtp_server"),
        ({"EmailStorage": f"AccountKey={KEY}"}, "EmailStorage"),
        ({"EmailStorage__queueServiceUri": "https://contoso.queue.core.windows.net"}, "EmailStorage__tableServiceUri"),
    ],
)
def test_setting_that_is_wrong_is_told_with_its_fix_and_the_rest_is_looked_at(capsys, settings, setting):
    code, sections, text = doctor(capsys, settings)
    problems = [one for one in sections["Configuration"] if one["verdict"] == "failed"]
    assert (code, setting in [one["what"] for one in problems]) == (1, True)
    assert all(one["fix"] for one in problems)
    assert {"Storage", "Identity", "Secrets", "Distributor and timers"} <= set(sections)
    assert KEY not in text


def test_server_that_does_not_answer_is_told_in_lines_for_people(capsys):
    settings = {"EmailParameters__smtp_server": "127.0.0.1", "EmailParameters__smtp_port": str(free_port())}
    code = main([], settings, NoResolver())
    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert any(line.startswith("  failed   connect ") for line in lines)
    assert lines[-1].endswith(" warnings.")


def test_sender_that_nobody_named_is_told_for_each_provider(capsys, tmp_path):
    settings = {
        "LOCAL_DIR": str(tmp_path),  # without a client secret nobody is asked for a token
        "EmailParameters__smtp_server": "127.0.0.1",
        "EmailParameters__smtp_port": str(free_port()),
        "EmailParameters__graph_credential": "secret",
        "EmailParameters__graph_tenant_id": "contoso.com",
        "EmailParameters__graph_client_id": "1",
    }
    _, sections, _ = doctor(capsys, settings)
    for name in ("smtp", "graph"):
        (finding,) = sections[f"DNS, for {name}"]
        assert (finding["verdict"], "default_sender" in finding["detail"]) == ("skipped", True)


@pytest.mark.parametrize("arguments", [["--from", "ann@contoso.com"], ["--to", "nobody"], ["--to"], ["smtp"]])
def test_call_that_makes_no_sense_is_refused_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as refusal:
        main(arguments, {}, NoResolver())
    assert refusal.value.code == 2
    assert "usage: doctor" in capsys.readouterr().err


class Credential:
    def __init__(self) -> None:
        self.asked = []

    async def get_token(self, scope):
        self.asked.append(scope)
        return AccessToken("opaque", int(NOON.timestamp()))


async def test_identities_of_the_storage_and_of_the_vault_get_a_token_for_what_they_are_for(monkeypatch):
    chosen, credential = [], Credential()
    monkeypatch.setattr(
        examination, "credential", lambda settings, setting: chosen.append(setting) or nullcontext(credential)
    )
    settings = {
        "EmailStorage__queueServiceUri": "https://contoso.queue.core.windows.net",
        "EmailStorage__credential": "managedidentity",
        "EmailSecrets__vaultUri": "https://contoso.vault.azure.cn/",
    }
    parts = examination.Parts(layers({}, {}), None, secrets(), None, examination.Clients(None, None, None), ())
    findings = [await check for check in examination._identity_checks(settings, parts)]
    assert [finding.verdict for finding in findings] == [Verdict.OK] * 2
    assert [finding.detail.partition(":")[0] for finding in findings] == [
        "managed identity",
        "the first identity that is found",
    ]
    assert chosen == ["EmailStorage", "EmailSecrets"]
    assert credential.asked == ["https://storage.azure.com/.default", "https://vault.azure.cn/.default"]
