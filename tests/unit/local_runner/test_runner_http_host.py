import logging

import azure.functions as func
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from local_runner import http_host
from local_runner.admin import AdminEndpoints, BackgroundTasks
from local_runner.app_index import IndexedFunction
from local_runner.http_host import FunctionsEndpoint
from local_runner.invocation import Invoker
from local_runner.routing import RoutingTable
from tests.support.memory import traced


def http(call, route="x/{id?}"):
    return IndexedFunction("web", call, {"type": "httpTrigger", "name": "req", "route": route})


@pytest.fixture
def background():
    return BackgroundTasks()


@pytest.fixture
async def client_of(background):
    """A client of a host with the functions given."""
    invoker, clients = Invoker(), []

    def client(*functions):
        admin = AdminEndpoints(list(functions), invoker, background.start)
        endpoint = FunctionsEndpoint(RoutingTable(functions, "api"), invoker)
        app = Starlette(routes=[*admin.routes(), Route("/{path:path}", endpoint)])
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:7071"))
        return clients[-1]

    yield client
    await background.finish()
    for one in clients:
        await one.aclose()
    invoker.close()


async def test_request_reaches_the_function_as_the_worker_gives_it(client_of):
    seen = []

    def web(req):
        seen.append(req)
        return func.HttpResponse()

    headers = [("X-Many", "1"), ("X-Many", "2")]
    await client_of(http(web)).put("/api/x/7?a=1&a=2&empty=", headers=headers, json={"b": 1})
    (request,) = seen
    assert (request.method, request.url) == ("PUT", "http://localhost:7071/api/x/7?a=1&a=2&empty=")
    assert dict(request.params) == {"a": "1,2"}
    assert dict(request.route_params) == {"id": "7"}
    assert dict(request.headers)["x-many"] == "1,2"
    assert request.get_json() == {"b": 1}


async def test_chunked_body_arrives_empty(client_of):
    async def web(req):
        return func.HttpResponse(str(len(req.get_body())))

    async def chunks():
        yield b"abc"

    assert (await client_of(http(web)).post("/api/x", content=chunks())).text == "0"


async def test_a_large_body_arrives_whole_and_is_not_held_twice(client_of):
    seen = []

    def web(req):
        seen.append(req.get_body())

    async def pieces():
        for number in range(50):
            yield bytes([number]) * 100_000

    client = client_of(http(web))
    with traced() as allocated:
        await client.post("/api/x", content=pieces(), headers={"content-length": "5000000"})
    assert seen == [b"".join([bytes([number]) * 100_000 for number in range(50)])]
    assert allocated.peak < 1.3 * 5_000_000


async def test_answer_keeps_status_headers_body_and_charset(client_of):
    def web(req):
        headers = {"X-A": "1", "Set-Cookie": "a=b"}
        return func.HttpResponse("ä", status_code=202, headers=headers, mimetype="text/html", charset="latin-1")

    answer = await client_of(http(web)).get("/api/x")
    assert (answer.status_code, answer.content) == (202, b"\xe4")
    assert answer.headers["content-type"] == "text/html; charset=latin-1"
    assert (answer.headers["x-a"], answer.headers["set-cookie"]) == ("1", "a=b")


@pytest.mark.parametrize(
    ("returned", "status", "content_type"),
    [
        ("text", 200, "text/plain; charset=utf-8"),
        (func.HttpResponse(b"{}", mimetype="application/json"), 200, "application/json"),
        (None, 204, None),
        ({"not": "an answer"}, 500, None),
    ],
)
async def test_what_a_function_returns_decides_the_answer(client_of, returned, status, content_type):
    answer = await client_of(http(lambda req: returned)).get("/api/x")
    assert (answer.status_code, answer.headers.get("content-type")) == (status, content_type)


@pytest.mark.parametrize("error", [ValueError("of the app"), SystemExit(3)])
async def test_exception_is_an_empty_500_and_a_traceback_in_the_log(client_of, caplog, error):
    async def web(req):
        raise error

    answer = await client_of(http(web)).get("/api/x")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "Executed 'Functions.web' (Failed" in caplog.text
    assert "Traceback" in caplog.text


async def test_body_over_the_limit_is_refused_without_running(client_of, monkeypatch):
    monkeypatch.setattr(http_host, "BODY_LIMIT", 3)
    assert (await client_of(http(lambda req: "ran")).post("/api/x", content=b"1234")).status_code == 413


async def test_unmatched_path_is_404(client_of):
    assert (await client_of(http(lambda req: "ran")).get("/api/y")).status_code == 404


async def test_each_invocation_is_one_pair_of_lines(client_of, caplog):
    caplog.set_level(logging.INFO, "local_runner")
    await client_of(http(lambda req: "ran")).get("/api/x")
    executing, executed = [record.getMessage() for record in caplog.records if record.name.startswith("local_runner")]
    assert executing.startswith("Executing 'Functions.web' (Reason='")
    assert executed.startswith("Executed 'Functions.web' (Succeeded, Id=")


def queue_function(call):
    return IndexedFunction("sender", call, {"type": "queueTrigger", "name": "msg", "queueName": "work"})


async def test_function_can_be_run_by_hand_with_its_input(client_of, background):
    bodies = []
    answer = await client_of(queue_function(lambda msg: bodies.append(msg.get_body()))).post(
        "/admin/functions/SENDER", json={"input": "täxt"}
    )
    assert answer.status_code == 202
    await background.finish()
    assert bodies == ["täxt".encode()]


@pytest.mark.parametrize(
    ("name", "request_", "status"),
    [
        ("missing", {"json": {}}, 404),
        ("web", {"json": {}}, 400),
        ("sender", {"json": {"input": 7}}, 400),
        ("sender", {"json": []}, 400),
        ("sender", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    ],
)
async def test_run_by_hand_that_makes_no_sense_is_refused(client_of, name, request_, status):
    client = client_of(http(lambda req: "ran"), queue_function(print))
    assert (await client.post(f"/admin/functions/{name}", **request_)).status_code == status


async def test_admin_lists_functions_and_says_that_it_runs(client_of):
    client = client_of(queue_function(print))
    assert [one["name"] for one in (await client.get("/admin/functions")).json()] == ["sender"]
    assert (await client.get("/admin/host/status")).json()["state"] == "Running"
