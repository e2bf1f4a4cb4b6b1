import json
from pathlib import Path

import pytest

from dev.environment import SettingsError, local_environment, read_values, storage_connection
from dev.ports import Ports

PORTS = Ports(http=1, blob=2, queue=3, table=4, smtp=5, inbox=6)
SAMPLE = read_values(Path(__file__).parents[3] / "local.settings.sample.json")
LOCAL = storage_connection(PORTS)


def environment(settings: dict[str, str] = SAMPLE, **inherited: str) -> dict[str, str]:
    return local_environment(PORTS, settings, SAMPLE, inherited)


def test_the_samples_values_become_what_runs_on_this_machine():
    found = environment()
    assert found["EmailStorage"] == found["AzureWebJobsStorage"] == LOCAL
    assert found["EmailParameters__smtp_server"] == "127.0.0.1"
    assert found["EmailParameters__smtp_port"] == "5"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EmailStorage", "DefaultEndpointsProtocol=https;AccountName=real"),
        ("EmailParameters__smtp_server", "smtp.example.com"),
        ("EmailParameters__smtp_port", "587"),
    ],
)
def test_what_a_developer_set_is_kept(name, value):
    assert environment(SAMPLE | {name: value})[name] == value
    assert environment(**{name: value})[name] == value


def test_a_real_mail_server_keeps_its_port_though_it_is_the_samples():
    assert (
        environment(SAMPLE | {"EmailParameters__smtp_server": "smtp.example.com"})["EmailParameters__smtp_port"]
        == (SAMPLE["EmailParameters__smtp_port"])
    )


def test_access_is_local_unless_a_developer_says_otherwise():
    assert environment({})["EmailAccess__mode"] == environment()["EmailAccess__mode"] == "local"
    assert environment(SAMPLE | {"EmailAccess__mode": "entra"})["EmailAccess__mode"] == "entra"


def test_storage_by_identity_gets_no_connection_string():
    settings = {"EmailStorage__tableServiceUri": "https://real.table.core.windows.net"}
    assert "EmailStorage" not in environment(settings)


def test_the_inherited_environment_wins_over_the_file_unless_it_is_empty():
    assert environment({"Greeting": "file"}, Greeting="shell")["Greeting"] == "shell"
    assert environment({"Greeting": "file"}, Greeting="")["Greeting"] == "file"


def test_the_connection_names_every_service_at_its_port():
    assert [part for part in LOCAL.split(";") if "Endpoint=" in part] == [
        "BlobEndpoint=http://127.0.0.1:2/devstoreaccount1",
        "QueueEndpoint=http://127.0.0.1:3/devstoreaccount1",
        "TableEndpoint=http://127.0.0.1:4/devstoreaccount1",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"Values": []})])
def test_an_unreadable_file_is_named(tmp_path, text):
    path = tmp_path / "local.settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"local\.settings\.json"):
        read_values(path)


def test_values_that_are_not_text_read_as_json_writes_them(tmp_path):
    path = tmp_path / "local.settings.json"
    path.write_text('{"Values": {"Flag": true, "Number": 3}}')
    assert read_values(path) == {"Flag": "true", "Number": "3"}
