import json

import pytest

from local_runner.connections import resolve_connection
from local_runner.errors import SettingsError
from local_runner.host_json import QueueOptions, queue_options, read_host_json
from local_runner.settings import apply_settings, expand, is_disabled, load_local_settings, read_local_settings


def write(folder, name, content):
    (folder / name).write_text(json.dumps(content))
    return folder


def test_values_become_environment_variables(tmp_path):
    root = write(tmp_path, "local.settings.json", {"IsEncrypted": False, "Values": {"A": "1", "B": True, "C": 7}})
    environ = {}
    assert load_local_settings(root, environ) is None
    assert environ == {"A": "1", "B": "true", "C": "7", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


def test_variable_that_is_set_wins_and_an_empty_one_does_not():
    environ = {"A": "mine", "B": ""}
    apply_settings({"A": "file", "B": "file"}, environ)
    assert (environ["A"], environ["B"]) == ("mine", "file")


@pytest.mark.parametrize(
    "content", [{"Values": {}}, {"IsEncrypted": True}, [], {"IsEncrypted": False, "Values": {"A": {}}}]
)
def test_settings_file_that_the_host_would_not_read_is_refused(tmp_path, content):
    with pytest.raises(SettingsError):
        read_local_settings(write(tmp_path, "local.settings.json", content))


def test_missing_settings_file_says_what_to_copy(tmp_path):
    environ = {}
    assert "cp local.settings.sample.json local.settings.json" in load_local_settings(tmp_path, environ)
    assert environ["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"


def test_setting_references_are_replaced_wherever_they_stand():
    assert expand("0 */%N% * * * *", {"N": "5"}, "x") == "0 */5 * * * *"


def test_reference_to_a_missing_setting_names_it():
    with pytest.raises(SettingsError, match=r"function purge.*the setting WHEN is missing"):
        expand("%WHEN%", {}, "function purge")


@pytest.mark.parametrize(("value", "disabled"), [("1", True), ("True", True), ("0", False), ("", False)])
def test_function_is_disabled_by_its_setting(value, disabled):
    assert is_disabled("sender", {"AzureWebJobs.sender.Disabled": value}) is disabled


def test_missing_host_json_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"host\.json is missing"):
        read_host_json(tmp_path)


def test_host_json_gives_prefix_and_queue_options(tmp_path):
    queues = {"batchSize": 4, "newBatchThreshold": 2, "maxPollingInterval": "00:00:01.5", "messageEncoding": "none"}
    options = read_host_json(
        write(tmp_path, "host.json", {"extensions": {"http": {"routePrefix": "/v1/"}, "queues": queues}})
    )
    assert options.route_prefix == "v1"
    assert options.queues == QueueOptions(4, 2, 5, 1.5, 0, "none")


@pytest.mark.parametrize(
    "queues",
    [
        {"batchSize": 33},
        {"batchSize": 0},
        {"batchSize": True},
        {"newBatchThreshold": -1},
        {"maxDequeueCount": 0},
        {"visibilityTimeout": 30},
        {"messageEncoding": "hex"},
    ],
)
def test_queue_option_out_of_its_range_is_refused_by_name(queues):
    (name,) = queues
    with pytest.raises(SettingsError, match=name):
        queue_options(queues)


@pytest.mark.parametrize(
    "environ",
    [{"Mail": "x", "AzureWebJobsMail": "Account=1"}, {"Mail": "Account=1"}],
    ids=["the prefixed name first", "the name itself"],
)
def test_connection_is_found_by_its_name(environ):
    assert resolve_connection("Mail", environ, "f").connection_string == "Account=1"


def test_binding_without_a_connection_uses_azure_web_jobs_storage():
    assert resolve_connection(None, {"AzureWebJobsStorage": "Account=1"}, "f").connection_string == "Account=1"


def test_connection_by_identity_has_an_address():
    found = resolve_connection("Mail", {"Mail__queueServiceUri": "https://a.queue.core.windows.net"}, "f")
    assert (found.service_uri, found.connection_string) == ("https://a.queue.core.windows.net", "")


def test_development_storage_is_at_the_emulators_port():
    found = resolve_connection("Mail", {"Mail": "UseDevelopmentStorage=true", "AZURITE_PORT": "20000"}, "f")
    assert "QueueEndpoint=http://127.0.0.1:20001/devstoreaccount1;" in found.connection_string


def test_missing_connection_names_the_settings_that_would_do():
    with pytest.raises(SettingsError, match=r"function sender needs the setting Mail .*Mail__queueServiceUri"):
        resolve_connection("Mail", {"Mail": ""}, "sender")


def test_connection_does_not_show_its_key():
    assert "secret" not in repr(resolve_connection("Mail", {"Mail": "AccountKey=secret"}, "f"))
