"""The queue listener against the emulator's queues."""

import asyncio
import base64
from contextlib import asynccontextmanager

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient

from local_runner.app_index import IndexedFunction
from local_runner.connections import QueueConnection
from local_runner.host_json import QueueOptions
from local_runner.invocation import Invoker
from local_runner.queue_listener import LeaseTimes, QueueListener
from local_runner.storage_queue import LostMessageError, QueueServices

OPTIONS = QueueOptions(max_dequeue_count=2, max_polling_interval=0.1)


@pytest.fixture
async def storage(storage_connection):
    async with QueueServiceClient.from_connection_string(storage_connection) as client:
        yield client


@pytest.fixture
async def services():
    async with QueueServices() as opened:
        yield opened


@pytest.fixture
async def work(storage):
    return await storage.create_queue("work")


@pytest.fixture
def opened(services, storage_connection):
    return services.queue(QueueConnection(storage_connection), "work")


@asynccontextmanager
async def listening(queue, call, lease=None):
    function = IndexedFunction("sender", call, {"type": "queueTrigger", "name": "msg", "queueName": "work"})
    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(QueueListener(function, queue, OPTIONS, Invoker(), lease).run(stopping))
        yield
        stopping.set()


async def until(condition):
    while not await condition():  # noqa: ASYNC110  (the emulator tells nobody when a queue is empty)
        await asyncio.sleep(0.02)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


async def test_function_receives_text_and_metadata_and_the_message_is_gone(opened, work):
    sent = await work.send_message(encoded("täxt"))
    seen = []
    async with listening(opened, lambda msg: seen.append(msg)):
        await until(lambda: empty(work))
    (message,) = seen
    assert (message.get_body().decode(), message.id, message.dequeue_count) == ("täxt", sent.id, 1)
    assert message.insertion_time == sent.inserted_on
    assert message.expiration_time == sent.expires_on
    assert message.time_next_visible > message.insertion_time
    assert message.pop_receipt


async def empty(queue):
    return (await queue.get_queue_properties()).approximate_message_count == 0


async def test_message_that_always_fails_ends_in_the_poison_queue_unchanged(opened, work, storage):
    await work.send_message(encoded("täxt"))
    counts = []

    def fail(msg):
        counts.append((msg.dequeue_count, msg.get_body().decode()))
        raise RuntimeError("of the app")

    async with listening(opened, fail):
        await until(lambda: empty(work))
    (poison,) = await storage.get_queue_client("work-poison").peek_messages(2)
    assert counts == [(1, "täxt"), (2, "täxt")]
    assert poison.content == encoded("täxt")
    assert poison.expires_on.year == 9999


async def test_lease_is_renewed_while_the_function_runs(opened, work):
    await work.send_message(encoded("slow"))
    runs = []

    async def longer_than_the_lease(msg):
        runs.append(msg.id)
        await asyncio.sleep(1.6)

    async with listening(opened, longer_than_the_lease, LeaseTimes(length=1, renew_after=0.4)):
        await until(lambda: empty(work))
    assert len(runs) == 1


async def test_message_deleted_by_another_is_lost(opened, work):
    await work.send_message(encoded("x"))
    (message,) = await opened.receive(16, 600)
    await opened.hide(message.id, message.pop_receipt, 600)
    with pytest.raises(LostMessageError):
        await opened.delete(message.id, message.pop_receipt)  # not the latest receipt


async def test_missing_queue_is_an_error_and_is_not_created(opened, storage):
    with pytest.raises(ResourceNotFoundError):
        await opened.receive(16, 600)
    assert [queue async for queue in storage.list_queues()] == []
