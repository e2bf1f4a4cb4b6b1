"""Doorbells twice, late, lost, garbled, and some that fail: the table is the truth, so each email is sent once."""

import asyncio
import base64
import json
import random
import shutil
from datetime import timedelta

import pytest

from email_core.delivery_state import Status
from email_core.record import Mode
from email_core.stores.base import View
from tests.support.azurite import ROOT
from tests.support.eventually import eventually
from tests.support.faults import (
    Victim,
    Worker,
    after_hours,
    arrivals,
    create_account,
    is_claim_or_return,
    post,
    running_fatal_inbox,
    worker,
)
from tests.support.storage_proxy import Fault, answering, running_storage_proxy

pytestmark = pytest.mark.slow

EMAILS = 15


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def without(name: str):
    def cut(text: str) -> str:
        doorbell = json.loads(text)
        del doorbell[name]
        return json.dumps(doorbell)

    return cut


def with_changed(**values):
    return lambda text: json.dumps(json.loads(text) | values)


# what has become of a doorbell in the queue: the messages in its place
GARBLINGS = {
    "twice": lambda text: [encoded(text)] * 2,
    "ten times": lambda text: [encoded(text)] * 10,
    "lost": lambda text: [],
    "cut off": lambda text: [encoded(text[: len(text) // 2])],
    "empty": lambda text: [""],
    "not base64": lambda text: ["%%%"],
    "no UTF-8": lambda text: [base64.b64encode(b"\xff\xfe").decode()],
    "no JSON object": lambda text: [encoded("[1]")],
    "no email": lambda text: [encoded(without("email")(text))],
    "an email's id that is none": lambda text: [encoded(with_changed(email="../../x")(text))],
    "another email": lambda text: [encoded(with_changed(email="8236207412345-03-k3j9x2m4pqrs")(text))],
    "no such mode": lambda text: [encoded(with_changed(mode="fast")(text))],
    "old version": lambda text: [encoded(with_changed(etag="W/\"datetime'2020-01-01T00%3A00%3A00Z'\"")(text))],
    "record of another form": lambda text: [encoded(with_changed(record={"status": "Unsent"})(text))],
    "due without a time zone": lambda text: [encoded(with_changed(due="2026-01-01T00:00:00")(text))],
    "due never": lambda text: [encoded(with_changed(due=None)(text))],
}


async def garble(one: Worker, garbling, dice: random.Random) -> None:
    """Takes every doorbell out of the queue, and puts in what has become of it, in any order."""
    messages = []
    for queue in one.queues:
        async for message in queue.receive_messages():
            await queue.delete_message(message)
            messages += [(queue, content) for content in garbling(base64.b64decode(message.content).decode())]
    dice.shuffle(messages)
    for queue, content in messages:
        await queue.send_message(content)


@pytest.mark.parametrize("garbling", GARBLINGS.values(), ids=GARBLINGS)
async def test_email_is_sent_once_whatever_has_become_of_its_doorbell(storage_connection, garbling):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            await one.accept(2)
            await one.accept(1, mode=Mode.INTERACTIVE)
            await garble(one, garbling, random.Random(0))
            await one.bring_to_end()
            records = await one.records()
    assert [record.status for record in records] == [Status.SENT] * 3
    assert arrivals(inbox) == {record.message_id: 1 for record in records}


async def test_sweep_does_its_work_while_the_queue_s_head_is_garbled(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            await one.accept()
            texts = ["%%%", "", encoded("[1]"), encoded('{"due":"2026-01-01T00:00:00"}'), encoded('{"due":7}')]
            await garble(one, lambda _: texts, random.Random(0))
            one.clock.advance(minutes=11)
            report = await one.core.sweeper.sweep(one.clock() + timedelta(minutes=5))
    assert report.finished


async def test_emails_are_sent_once_by_three_workers_whose_doorbells_are_all_in_disorder(storage_connection):
    dice = random.Random(7)
    with running_fatal_inbox() as inbox:
        async with (
            worker(storage_connection, inbox) as one,
            worker(storage_connection, inbox) as two,
            worker(storage_connection, inbox) as three,
        ):
            for workers in (one, two, three):
                await workers.accept(EMAILS)
            await garble(one, lambda text: dice.choice(list(GARBLINGS.values()))(text), dice)
            await asyncio.gather(*(each.answer_all() for each in (one, two, three)))
            await one.bring_to_end()
            records = await one.records()
    assert {record.status for record in records} == {Status.SENT}
    assert arrivals(inbox) == {record.message_id: 1 for record in records}
    assert len(records) == 3 * EMAILS


async def test_doorbell_that_rings_late_sends_what_no_sweep_has_rung(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            await one.accept()
            one.clock.advance(days=1)
            await one.answer_all()
            (record,) = await one.records(View.HISTORY)
    assert arrivals(inbox) == {record.message_id: 1}


async def test_doorbells_of_an_ended_email_do_nothing(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            (accepted,) = await one.accept()
            texts = []
            await garble(one, lambda text: texts.append(text) or [encoded(text)] * 20, random.Random(0))
            await one.core.outbox.cancel(accepted.id)
            await one.answer_all()
            (record,) = await one.records()
    assert (record.status, inbox.emails) == (Status.CANCELED, [])


def app_that_gives_up_at_once(root):
    """The app as it is, but a failed doorbell comes back at once, not in 30 s."""
    host = json.loads((ROOT / "host.json").read_text())
    host["extensions"]["queues"] |= {"visibilityTimeout": "00:00:00", "maxPollingInterval": "00:00:00.1"}
    root.mkdir()
    (root / "host.json").write_text(json.dumps(host))
    shutil.copy(ROOT / "function_app.py", root)
    return root


def test_doorbell_that_fails_five_times_is_recorded_and_the_email_is_sent_later(storage_connection, tmp_path):
    """In the real app: its claims fail as often as the host tries, and then the poison trigger writes."""
    asyncio.run(create_account(storage_connection))
    root, victim = app_that_gives_up_at_once(tmp_path / "app"), Victim()
    claims_fail = Fault(is_claim_or_return, answering(403), nth=range(1, 6))  # 403: the client does not repeat it
    with running_fatal_inbox() as inbox, running_storage_proxy(storage_connection, claims_fail) as proxy:
        with victim.running(proxy.connection, inbox.port, tmp_path, root) as app:
            email_id = post(app)
            (attempt,) = eventually(lambda: app.get(f"/api/emails/{email_id}").json()["attempts"])
        (record,) = asyncio.run(after_hours(storage_connection, inbox))
    assert (attempt["outcome"], claims_fail.happened) == ("put aside", 5)
    assert [one.outcome for one in record.attempts] == ["put aside", "delivered"]
    assert arrivals(inbox) == {record.message_id: 1}
