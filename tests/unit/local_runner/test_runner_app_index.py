import sys

import pytest

from local_runner.app_index import load_functions
from local_runner.errors import LoadError

APP = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "function_app", raising=False)

    def loaded(source, environ=None):
        (tmp_path / "function_app.py").write_text(source)
        return load_functions(tmp_path, environ or {})

    yield loaded
    sys.modules.pop("function_app", None)


def http(name, parameters="req: func.HttpRequest", returns=" -> func.HttpResponse", route="x"):
    return f"@app.route(route={route!r})\ndef {name}({parameters}){returns}: ...\n"


def test_functions_are_in_the_order_of_their_names_whatever_the_case(load):
    functions = load(APP + http("b") + http("C") + http("a_b") + http("aB"))
    assert [function.name for function in functions] == ["aB", "a_b", "b", "C"]


def test_triggers_are_known_by_kind_and_argument(load):
    source = """
@app.queue_trigger(arg_name="msg", queue_name="work", connection="Mail")
async def sender(msg: func.QueueMessage) -> None: ...
@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *", run_on_startup=True)
def sweep(timer: func.TimerRequest, context: func.Context): ...
"""
    sender, sweep = load(APP + source)
    assert (sender.kind, sender.argument, sender.is_async) == ("queueTrigger", "msg", True)
    assert (sender.trigger["queueName"], sender.trigger["connection"]) == ("work", "Mail")
    assert (sweep.kind, sweep.trigger["runOnStartup"], sweep.takes_context) == ("timerTrigger", True, True)


def test_disabled_function_is_marked(load):
    (function,) = load(APP + http("a"), {"AzureWebJobs.a.Disabled": "true"})
    assert function.disabled


def test_missing_function_app_file_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"function_app\.py is missing"):
        load_functions(tmp_path, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "has none"),
        (APP + "other = func.FunctionApp()", "has 2 .app, other."),
        (APP + "same = app", "has 2"),
        ("import nothing_of_this_name", "cannot be imported"),
        (APP + http("a") + "@app.function_name('a')\n" + http("b"), "unique"),
        (APP + "@app.route(route='x', trigger_arg_name='a_b')\ndef a(a_b): ...", "no underscore"),
        (APP + "@app.function_name('1st')\n" + http("a"), "function name '1st'"),
        (APP + http("a", route="admin/x"), "begins with admin"),
        (APP + http("a", parameters="request"), "no parameter named as its arg_name, 'req'"),
        (APP + http("a", parameters="req, extra=1"), "no binding fills the parameter extra"),
        (APP + http("a", returns=" -> dict"), "does not load"),
        (APP + http("a", returns=" -> 'Missing'"), "annotation cannot be resolved"),
        (APP + "@app.blob_trigger(arg_name='b', path='p', connection='c')\ndef a(b): ...", "no blobTrigger binding"),
    ],
)
def test_app_that_azure_would_not_run_is_refused_with_the_reason(load, source, message):
    with pytest.raises(LoadError, match=message):
        load(source)
