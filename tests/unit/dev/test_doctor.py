"""`make doctor` looks with the settings that `make run` gives to the functions."""

import json
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


def test_file_that_cannot_be_read_is_told(root, capsys):
    assert doctor.main() == 2
    assert "local.settings.json must be JSON" in capsys.readouterr().err
