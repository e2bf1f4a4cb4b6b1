"""The runner as a developer starts it: a process, its log, its signals."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from tests.support.eventually import eventually
from tests.support.local_runner import running_runner, start_runner, write_app

WEB = """
@app.route(route="hello/{name}", methods=["GET"], auth_level="anonymous")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello " + req.route_params["name"])
"""
SLOW_WEB = """
import asyncio
@app.route(route="slow", auth_level="anonymous")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(float(req.params["seconds"]))
    return func.HttpResponse("done")
"""
SENDER = """
import asyncio, os
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="Mail")
async def sender(msg: func.QueueMessage) -> None:
    await asyncio.sleep(float(os.environ.get("SECONDS", "0")))
"""
TICK = """
@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def tick(timer: func.TimerRequest) -> None: ...
"""


@pytest.fixture
def work(storage_connection):
    policy = TextBase64EncodePolicy()
    with QueueClient.from_connection_string(storage_connection, "work", message_encode_policy=policy) as queue:
        queue.create_queue()
        yield queue


def left(queue):
    return queue.get_queue_properties().approximate_message_count


def test_functions_are_listed_and_served_until_sigterm(tmp_path):
    with running_runner(write_app(tmp_path, WEB + TICK, **{"AzureWebJobs.tick.Disabled": "1"})) as runner:
        assert f"Functions:\n\n\thello: [GET] http://localhost:{runner.port}/api/hello/{{name}}\n" in runner.log
        assert "Function tick is disabled." in runner.log
        assert httpx.get(runner.url("/api/hello/you")).text == "hello you"
        assert httpx.post(runner.url("/api/hello/you")).status_code == 404
        assert runner.stop() == 0


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (SENDER, "function sender needs the setting Mail"),
        (WEB + "other = app", "exactly one FunctionApp"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_app_that_cannot_start_ends_with_its_reason(tmp_path, app, message):
    runner = start_runner(write_app(tmp_path, app, QUEUE="work"))
    assert runner.process.wait(timeout=20) == 1
    assert message in runner.log


def test_port_in_use_is_a_message_and_not_a_traceback(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        runner = start_runner(write_app(tmp_path, WEB), port=port)
        assert runner.process.wait(timeout=20) == 1
    assert f"port {port} is in use" in runner.log
    assert "Traceback" not in runner.log


@pytest.mark.slow
def test_running_message_and_request_are_finished_before_the_end(tmp_path, work, storage_connection):
    work.send_message("one")
    app = write_app(tmp_path, SENDER + SLOW_WEB, QUEUE="work", Mail=storage_connection, SECONDS="0.5")
    with running_runner(app) as runner:
        runner.logs("Executing 'Functions.sender'")
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(httpx.get, runner.url("/api/slow?seconds=0.5"))
            runner.logs("Executing 'Functions.slow'")
            assert runner.stop(signal.SIGINT) == 0
        assert answer.result().text == "done"
        assert "Executed 'Functions.sender' (Succeeded" in runner.log
    assert left(work) == 0


@pytest.mark.slow
def test_function_run_by_hand_is_finished_before_the_end(tmp_path, work, storage_connection):
    app = write_app(tmp_path, SENDER, QUEUE="work", Mail=storage_connection, SECONDS="0.5")
    with running_runner(app) as runner:
        assert httpx.post(runner.url("/admin/functions/sender"), json={"input": "x"}).status_code == 202
        assert runner.stop() == 0
        assert "Executed 'Functions.sender' (Succeeded" in runner.log


@pytest.mark.slow
def test_message_that_does_not_end_in_time_is_canceled_and_kept(tmp_path, work, storage_connection):
    work.send_message("one")
    app = write_app(tmp_path, SENDER, QUEUE="work", Mail=storage_connection, SECONDS="60")
    with running_runner(app, "--drain-seconds", "0.3") as runner:
        runner.logs("Executing 'Functions.sender'")
        assert runner.stop() == 0
        assert "Executed 'Functions.sender' (Canceled" in runner.log
    assert left(work) == 1


@pytest.mark.slow
def test_second_signal_ends_at_once(tmp_path, work, storage_connection):
    work.send_message("one")
    app = write_app(tmp_path, SENDER, QUEUE="work", Mail=storage_connection, SECONDS="60")
    with running_runner(app) as runner:
        runner.logs("Executing 'Functions.sender'")
        runner.process.send_signal(signal.SIGTERM)
        runner.logs("Stopping")
        assert runner.stop() == 1


@pytest.mark.slow
def test_two_runners_share_the_messages_of_one_queue_and_one_timer(tmp_path, work, storage_connection):
    for number in range(60):
        work.send_message(f"message {number}")
    queues = {"batchSize": 4, "newBatchThreshold": 0, "maxPollingInterval": "00:00:00.2"}
    app = write_app(tmp_path, SENDER + TICK, queues, QUEUE="work", Mail=storage_connection, SECONDS="0.3")
    with running_runner(app) as one, running_runner(app) as other:
        eventually(lambda: left(work) == 0, "the queue is empty")
        eventually(lambda: (one.log + other.log).count("Executed 'Functions.tick'") >= 1, "the timer ran")
        runs = [log.count("Executed 'Functions.sender' (Succeeded") for log in (one.log, other.log)]
        assert sum(runs) == 60
        assert min(runs) > 0
        assert 0 in [log.count("Functions.tick' (") for log in (one.log, other.log)]


@pytest.mark.slow
def test_timer_moves_to_another_runner_when_its_own_is_killed(tmp_path):
    app = write_app(tmp_path, TICK)
    with running_runner(app) as one, running_runner(app) as other:
        one.logs("Executed 'Functions.tick'")
        one.process.kill()
        other.logs("Executed 'Functions.tick'")
