"""`make doctor` looks with the settings that `make run` gives to the functions."""

import json
import os
import shutil

import pytest

from dev import doctor
from dev.run import ROOT


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copy(ROOT / "local.settings.sample.json", tmp_path)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    return tmp_path


def test_settings_of_the_file_are_looked_at_and_the_sample_s_mean_this_machine(root, monkeypatch):
    values = json.loads((root / "local.settings.sample.json").read_text())
    values["Values"]["EmailParameters__default_sender"] = "ann@contoso.com"
    (root / "local.settings.json").write_text(json.dumps(values))
    monkeypatch.setenv("INBOX_SMTP_PORT", "2525")
    seen = []
    monkeypatch.setattr(doctor, "run", lambda settings: seen.append(settings) or 0)
    assert doctor.main() == 0
    assert seen[0]["EmailParameters__default_sender"] == "ann@contoso.com"
    assert seen[0]["EmailParameters__smtp_port"] == "2525"


@pytest.mark.parametrize(("listens", "code", "is_told"), [(False, 1, True), (True, 1, False), (False, 0, False)])
def test_where_something_failed_and_no_storage_runs_here_other_ports_are_told_of(
    root, monkeypatch, capsys, listens, code, is_told
):
    shutil.copy(root / "local.settings.sample.json", root / "local.settings.json")
    monkeypatch.setattr(doctor, "is_answered", lambda port: listens and port == 20002)
    monkeypatch.setattr(doctor, "run", lambda settings: code)
    monkeypatch.setenv("AZURITE_PORT", "20000")
    assert doctor.main() == code
    assert ("Nobody listens on port 20002" in capsys.readouterr().err) is is_told


def test_storage_of_one_s_own_is_not_looked_for_on_this_machine(root, monkeypatch, capsys):
    shutil.copy(root / "local.settings.sample.json", root / "local.settings.json")
    monkeypatch.setenv("EmailStorage", "AccountName=a")
    monkeypatch.setattr(doctor, "is_answered", lambda port: False)
    monkeypatch.setattr(doctor, "run", lambda settings: 1)
    assert doctor.main() == 1
    assert capsys.readouterr().err == ""


def test_stand_in_of_graph_is_trusted_where_it_is_wanted(root, monkeypatch):
    for name, value in {"GRAPH": "fake", "SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": ""}.items():
        monkeypatch.setenv(name, value)
    shutil.copy(root / "local.settings.sample.json", root / "local.settings.json")
    monkeypatch.setattr(doctor, "run", lambda settings: 0)
    assert doctor.main() == 0
    bundle = str(root / ".local/graph/authorities.pem")
    assert (os.environ["SSL_CERT_FILE"], os.environ["REQUESTS_CA_BUNDLE"]) == (bundle, bundle)


def test_file_that_cannot_be_read_is_told(root, capsys):
    assert doctor.main() == 2
    assert "local.settings.json must be JSON" in capsys.readouterr().err
