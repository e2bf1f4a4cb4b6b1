"""The doctor inside of the app, for administrators."""

import pytest

KEY = "a2V5IHRoYXQgaXMgc2VjcmV0"


@pytest.fixture
def wrong_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("EmailStorage", f"AccountKey={KEY}")
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    for name in ("EmailParameters__smtp_server", "EmailSecrets__vaultUri"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("wrong_settings")
async def test_findings_of_the_process_s_own_settings_are_answered(doors):
    answer = await doors.get("/api/doctor")
    assert answer.status == 200
    sections = {section["title"]: section["findings"] for section in answer.json["sections"]}
    storage = next(one for one in sections["Configuration"] if one["what"] == "EmailStorage")
    assert storage["verdict"] == "failed"
    assert storage["fix"]
    assert answer.json["counts"]["failed"] >= 1
    assert KEY not in answer.body.decode()
