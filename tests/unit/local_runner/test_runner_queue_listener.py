import asyncio

import pytest
from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError
from azure.storage.queue import QueueMessage

from local_runner.app_index import IndexedFunction
from local_runner.host_json import QueueOptions
from local_runner.invocation import Invoker
from local_runner.queue_listener import LeaseTimes, QueueListener, poll_delay
from local_runner.storage_queue import LostMessageError

OPTIONS = QueueOptions(2, 1, 3, max_polling_interval=0.01, visibility_timeout=7, message_encoding="none")


class FakeQueue:
    """Hands out `batches` in turn, an error among them is raised; notes what is done to messages."""

    name = "work"

    def __init__(self, *batches):
        self.batches = list(batches)
        self.received = []
        self.calls = []
        self.empty = asyncio.Event()
        self.renewals = 0
        self.renewed_twice = asyncio.Event()
        self.lost = False

    async def receive(self, count, lease):
        self.received.append(count)
        if not self.batches:
            self.empty.set()
            return []
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch

    async def hide(self, message_id, pop_receipt, seconds):
        self.renewals += seconds == LEASE.length
        if self.renewals == 2:
            self.renewed_twice.set()
        self.calls.append(("hide", message_id, pop_receipt, seconds))
        return f"{pop_receipt}+"

    async def delete(self, message_id, pop_receipt):
        if self.lost:
            raise LostMessageError
        self.calls.append(("delete", message_id, pop_receipt))

    async def poison(self, content):
        self.calls.append(("poison", content))


LEASE = LeaseTimes(length=600, renew_after=300)


def message(number=1, dequeue_count=1, content="text"):
    return QueueMessage(content, id=f"m{number}", pop_receipt="r", dequeue_count=dequeue_count)


def sender(call):
    return IndexedFunction("sender", call, {"type": "queueTrigger", "name": "msg", "queueName": "work"})


async def run(queue, call, options=OPTIONS, lease=LEASE):
    """Runs a listener until the queue was found empty and all messages are done."""
    stopping = asyncio.Event()
    listener = asyncio.create_task(QueueListener(sender(call), queue, options, Invoker(), lease).run(stopping))
    async with asyncio.timeout(5):
        await queue.empty.wait()
        stopping.set()
        await listener
    return queue.calls


async def succeed(msg):
    pass


async def fail(msg):
    raise RuntimeError("of the app")


async def test_message_is_deleted_after_success():
    assert await run(FakeQueue([message()]), succeed) == [("delete", "m1", "r")]


async def test_message_is_hidden_for_the_visibility_timeout_after_failure():
    assert await run(FakeQueue([message(dequeue_count=2)]), fail) == [("hide", "m1", "r", 7)]


async def test_message_that_failed_for_the_last_time_is_poisoned_then_deleted():
    calls = await run(FakeQueue([message(dequeue_count=3)]), fail)
    assert calls == [("poison", "text"), ("delete", "m1", "r")]


async def test_message_received_too_often_is_poisoned_without_running():
    assert await run(FakeQueue([message(dequeue_count=4)]), succeed) == [("poison", "text"), ("delete", "m1", "r")]


async def test_undecodable_message_is_poisoned_as_it_was_at_first_sight():
    calls = await run(FakeQueue([message(content="{not base64}")]), succeed, QueueOptions())
    assert calls == [("poison", "{not base64}"), ("delete", "m1", "r")]


async def test_running_message_keeps_its_lease_and_is_deleted_with_the_latest_receipt():
    queue = FakeQueue([message()])

    async def until_renewed_twice(msg):
        await queue.renewed_twice.wait()

    await run(queue, until_renewed_twice, lease=LeaseTimes(length=600, renew_after=0.001))
    assert queue.calls[-1][:2] == ("delete", "m1")
    assert queue.calls[-1][2] == "r" + "+" * queue.renewals


async def test_next_batch_is_received_as_soon_as_few_enough_run():
    release, both_run = [asyncio.Event(), asyncio.Event()], asyncio.Event()
    queue = FakeQueue([message(0), message(1)])

    async def wait(msg):
        if msg.id == "m1":
            both_run.set()
        await release[int(msg.id[1:])].wait()

    stopping = asyncio.Event()
    listener = asyncio.create_task(QueueListener(sender(wait), queue, OPTIONS, Invoker()).run(stopping))
    async with asyncio.timeout(5):
        await both_run.wait()
        await asyncio.sleep(0.02)
        assert len(queue.received) == 1  # two run, more than newBatchThreshold
        release[0].set()
        await queue.empty.wait()  # one runs: it asked again
        stopping.set()
        release[1].set()
        await listener


async def test_missing_queue_is_logged_once_and_polled_on(caplog):
    missing = ResourceNotFoundError("404")
    assert await run(FakeQueue(missing, missing, [message()]), succeed) == [("delete", "m1", "r")]
    assert caplog.text.count("the queue work does not exist") == 1


async def test_storage_that_is_away_is_waited_for():
    assert await run(FakeQueue(ServiceRequestError("refused"), [message()]), succeed) == [("delete", "m1", "r")]


async def test_message_taken_away_by_another_ends_nothing_else(caplog):
    queue = FakeQueue([message()])
    queue.lost = True
    await run(queue, succeed)
    assert "message m1 was changed or deleted by another" in caplog.text


async def test_canceled_message_is_left_to_come_back():
    queue, running = FakeQueue([message()]), asyncio.Event()

    async def never_ends(msg):
        running.set()
        await asyncio.Event().wait()

    listener = asyncio.create_task(QueueListener(sender(never_ends), queue, OPTIONS, Invoker()).run(asyncio.Event()))
    await running.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    assert queue.calls == []


@pytest.mark.parametrize(
    ("empty_polls", "jitter", "seconds"),
    [
        (0, 1.2, 0.1),
        (1, 1.0, 0.2),  # 100 ms + 2^0 * 100 ms
        (1, 0.8, 0.18),
        (3, 1.2, 0.58),  # 100 ms + 1.2 * 2^2 * 100 ms
        (5, 1.0, 1.7),
        (6, 1.0, 2.0),  # 3.3 s, capped
        (10_000, 1.0, 2.0),
    ],
)
def test_back_off_doubles_up_to_the_longest_wait(empty_polls, jitter, seconds):
    assert poll_delay(empty_polls, 2.0, jitter) == pytest.approx(seconds)
