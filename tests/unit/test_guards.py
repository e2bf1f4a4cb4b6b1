"""What must be true of the app as a whole, before anybody calls it."""

import inspect
import json
import pkgutil
import re
import subprocess
import sys
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import combinations

import azure.functions as func
import pytest
from croniter import croniter

import email_functions
from email_core.distributor import TICK_SECOND
from email_core.idempotency import IN_FLIGHT
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.sign_in.base import MODE_SETTING
from email_core.storage_clients import STORAGE_SETTING
from email_core.stores.base import POISON, QUEUE_NAMES
from email_core.timer_runs import PERIODS
from email_functions.operations import OPERATIONS, Access
from tests.support.azurite import ROOT
from tests.support.doors import functions, trigger_of
from tests.support.emails import NOON
from tests.support.parameters import parameters_from_settings

NAMES = [function.get_function_name() for function in functions()]
FUNCTIONS = {function.get_function_name(): function for function in functions()}
HTTP = {name: trigger_of(one) for name, one in FUNCTIONS.items() if trigger_of(one)["type"] == "httpTrigger"}

CATCH_ALL = "wrong_call"

# Opens nothing, starts nothing, asks nobody: what the worker needs of an import.
IMPORT_WITHOUT_IO = """
import sys

FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "sqlite3.connect")

def watch(event, args):
    if event in FORBIDDEN or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")):
        raise AssertionError(f"{event} {args} while importing")

sys.addaudithook(watch)
import function_app
print(len(function_app.app.get_functions()))
"""


def test_the_app_is_imported_with_an_empty_environment_and_no_io():
    run = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", IMPORT_WITHOUT_IO],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) == len(NAMES)


def test_function_app_shows_the_worker_exactly_one_app():
    source = (ROOT / "function_app.py").read_text()
    assert source.count("func.FunctionApp(") == 1


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(email_functions.__path__)])
def test_every_blueprint_is_registered(module):
    source = (ROOT / "email_functions" / f"{module}.py").read_text()
    is_registered = f"register_functions({module}.blueprint)" in (ROOT / "function_app.py").read_text()
    assert is_registered == ("func.Blueprint()" in source)


def test_function_names_are_unique_whatever_their_case():
    assert len({name.lower() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_asynchronous(name):
    assert inspect.iscoroutinefunction(FUNCTIONS[name].get_user_function())


@pytest.mark.parametrize("name", NAMES)
def test_the_host_takes_the_names_of_all_bindings(name):
    for binding in FUNCTIONS[name].get_bindings():
        assert binding.name == "$return" or re.fullmatch("[a-zA-Z][a-zA-Z0-9]{0,127}", binding.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_worker_takes_the_annotations(name):
    hints = inspect.get_annotations(FUNCTIONS[name].get_user_function(), eval_str=True)
    assert hints.pop("return") is (func.HttpResponse if name in HTTP else None)
    assert list(hints) == [trigger_of(FUNCTIONS[name])["name"]]


def test_every_queue_has_its_trigger_on_the_apps_own_storage():
    triggers = [trigger_of(function) for function in functions()]
    queues = [trigger for trigger in triggers if trigger["type"] == "queueTrigger"]
    assert sorted(trigger["queueName"] for trigger in queues) == sorted(
        name + end for name in QUEUE_NAMES.values() for end in ("", POISON)
    )
    assert {trigger["connection"] for trigger in queues} == {STORAGE_SETTING}
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", trigger["queueName"]) for trigger in queues)  # else no queue


# ---- timers

TIMERS = {name: trigger_of(one)["schedule"] for name, one in FUNCTIONS.items() if "schedule" in trigger_of(one)}


def test_every_timer_is_watched():
    assert set(TIMERS) == set(PERIODS)


@pytest.mark.parametrize("name", TIMERS)
def test_timer_is_expected_as_often_as_its_schedule_says(name):
    runs = croniter(TIMERS[name], NOON, second_at_beginning=True, ret_type=datetime)
    first, second = runs.get_next(), runs.get_next()
    assert second - first == PERIODS[name]


def test_distributor_knows_at_which_second_its_timer_ticks():
    assert TIMERS["run_distributor"] == f"{TICK_SECOND.seconds} * * * * *"


# ---- routes


def example_of(route):
    """A path that only this route is meant for."""
    return re.sub(r"\{\*?\w+\}", "8227505999999-03-k3j9x2m4pqrs", route)


def hides(route, path):
    if "*" in route:
        return True
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path, re.IGNORECASE)


def test_no_route_hides_a_later_one():
    """Routes are tried in the order of the functions' names; a literal has no precedence over a parameter."""
    hidden = [
        (earlier, later)
        for earlier, later in combinations(sorted(HTTP, key=str.lower), 2)
        if hides(HTTP[earlier]["route"], example_of(HTTP[later]["route"]))
        and {*HTTP[earlier]["methods"]} & {*HTTP[later]["methods"]}
    ]
    assert hidden == []


@pytest.mark.parametrize("name", HTTP)
def test_a_route_is_one_that_the_host_serves(name):
    assert re.fullmatch(r"(?!admin|runtime)[a-z{][A-Za-z0-9{}*./-]*", HTTP[name]["route"])
    assert HTTP[name]["methods"], "without methods it would take GET and POST"


def test_every_operation_has_its_door_and_every_door_its_operation():
    """So that no function is left without a rule of who may call it."""
    wanted = {name: (one.route, one.methods, one.auth_level) for name, one in OPERATIONS.items()}
    assert {name: found_in(one) for name, one in HTTP.items() if name != CATCH_ALL} == wanted


def found_in(trigger):
    return trigger["route"], tuple(map(str, trigger["methods"])), trigger["authLevel"]


def test_what_is_no_call_comes_to_the_catch_all_and_nothing_else_does():
    assert max(HTTP, key=str.lower) == CATCH_ALL
    assert "*" in HTTP[CATCH_ALL]["route"]
    assert not any("*" in one["route"] for name, one in HTTP.items() if name != CATCH_ALL)


OPEN = {"health", "read_openapi", "show_docs", "show_docs_part", CATCH_ALL}


@pytest.mark.parametrize("name", HTTP)
def test_only_health_and_the_documentation_are_open_to_all(name):
    assert (str(HTTP[name]["authLevel"]).lower().endswith("anonymous")) == (name in OPEN)


KEYS = {  # which key opens a call, by who may make it
    Access.OPEN: func.AuthLevel.ANONYMOUS,
    Access.SIGNED_IN: func.AuthLevel.ADMIN,
    Access.SEND: func.AuthLevel.FUNCTION,
    Access.READ: func.AuthLevel.FUNCTION,
    Access.READ_OWN: func.AuthLevel.FUNCTION,
    Access.SEND_OWN: func.AuthLevel.FUNCTION,
    Access.CONTENT: func.AuthLevel.ADMIN,
    Access.ADMIN: func.AuthLevel.ADMIN,
}
LEVELS = """
import function_app

for function in function_app.app.get_functions():
    trigger = function.get_trigger().get_dict_repr()
    if trigger["type"] == "httpTrigger":
        print(function.get_function_name(), trigger["authLevel"].name)
"""


@pytest.mark.parametrize("mode", [None, "", "keys", "local", "Entra", "entra ,keys"])
def test_host_asks_for_keys_whatever_else_is_set(mode, monkeypatch):
    if mode is not None:
        monkeypatch.setenv(MODE_SETTING, mode)
    assert {name: one.auth_level for name, one in OPERATIONS.items()} == {
        name: KEYS[one.access] for name, one in OPERATIONS.items()
    }


def test_host_asks_for_no_key_where_tokens_are_checked():
    run = subprocess.run(
        [sys.executable, "-B", "-c", LEVELS],
        cwd=ROOT,
        env={MODE_SETTING: "entra"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert dict(line.split() for line in run.stdout.splitlines()) == dict.fromkeys(HTTP, "ANONYMOUS"), run.stderr


def test_each_door_sees_mail_as_its_caller_does():
    """`call.mail` decides what a caller sees and changes; the outbox itself does not ask."""
    past_it = re.compile(r"outbox\.(read|list|content|draft_of|cancel|resend|mark_sent)\(")
    doors = sorted((ROOT / "email_functions").glob("*.py"))
    assert [door.name for door in doors if past_it.search(door.read_text())] == []


# ---- settings


def test_host_json_says_what_the_core_relies_on():
    host = json.loads((ROOT / "host.json").read_text())
    assert host["version"] == "2.0"
    assert host["telemetryMode"] == "OpenTelemetry"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    required = {
        "batchSize": 16,
        "newBatchThreshold": 8,
        "maxDequeueCount": 5,
        "maxPollingInterval": "00:00:02",
        "messageEncoding": "base64",
    }
    assert host["extensions"]["queues"].items() >= required.items()
    assert host["extensions"]["http"] == {"routePrefix": "api"}


SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())
SETTINGS_OF_THE_HOST = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


def test_the_sample_can_be_used_as_it_is():
    assert SAMPLE["IsEncrypted"] is False
    assert all(isinstance(value, str) for value in SAMPLE["Values"].values())
    assert parameters_from_settings(SAMPLE["Values"]).smtp_server


@pytest.mark.parametrize("setting", SAMPLE["Values"])
def test_every_setting_of_the_sample_is_known(setting):
    names = {SETTING_PREFIX + row.name for row in fields(Parameters)}
    assert setting in SETTINGS_OF_THE_HOST | {STORAGE_SETTING, MODE_SETTING} | names


def test_only_the_assembly_reads_the_environment():
    """A setting that is read elsewhere is missing in a test's own core, and in the reference."""
    readers = [
        path.relative_to(ROOT).as_posix()
        for package in ("email_core", "email_functions")
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(r"os\.(environ|getenv)", path.read_text())
    ]
    commands = {"email_core/create_storage.py", "email_core/doctor/__main__.py", "email_core/parameter_file.py"}
    assert set(readers) <= {"email_core/assembly.py"} | commands


def test_an_idempotency_key_is_kept_for_as_long_as_the_host_lets_its_request_run():
    hours, minutes, seconds = map(int, json.loads((ROOT / "host.json").read_text())["functionTimeout"].split(":"))
    assert timedelta(hours=hours, minutes=minutes, seconds=seconds) <= IN_FLIGHT
