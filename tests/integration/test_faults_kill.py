"""The app killed with SIGKILL at each step of accept and send: nothing is lost, and nothing arrives twice but where the
answer of the SMTP server died with the process.

The real app runs in the local runner; the proxy before its storage, or its SMTP server, kills it when the step is
reached. `DROPPED`: the step's request never reached the storage; `LOST_ANSWER`: it did, and nobody got the answer.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from email_core.delivery_state import Status
from tests.support.eventually import eventually
from tests.support.faults import (
    FatalInbox,
    Victim,
    after_hours,
    arrivals,
    create_account,
    is_claim_or_return,
    is_end,
    is_insert,
    post,
    running_fatal_inbox,
    unconfirmed,
)
from tests.support.storage_proxy import DROPPED, LOST_ANSWER, is_kind, running_storage_proxy

pytestmark = pytest.mark.slow

LARGE = {"text": "x" * 100_000}  # its content goes to a blob
DEFERRED = {"to": ["greylisted@example.com"]}
is_upload, is_put, is_delete = is_kind("blob put"), is_kind("queue put"), is_kind("queue delete")

NOT_KEPT, SENT, SENT_AGAIN = None, ["delivered"], ["unconfirmed", "delivered"]

# where it dies: at which storage request, the how-manieth; the email -> its record's attempts, how often it arrived
STORAGE_STEPS = [
    ("accept: before the content is uploaded", is_upload, 1, DROPPED, LARGE, NOT_KEPT, 0),
    ("accept: after the upload", is_upload, 1, LOST_ANSWER, LARGE, NOT_KEPT, 0),
    ("accept: before the email is inserted", is_insert, 1, DROPPED, {}, NOT_KEPT, 0),
    ("accept: after the insert", is_insert, 1, LOST_ANSWER, {}, SENT, 1),
    ("accept: after the insert of one with a blob", is_insert, 1, LOST_ANSWER, LARGE, SENT, 1),
    ("accept: before the doorbell", is_put, 1, DROPPED, {}, SENT, 1),
    ("accept: after the doorbell, before the answer", is_put, 1, LOST_ANSWER, {}, SENT, 1),
    ("send: before the claim", is_claim_or_return, 1, DROPPED, {}, SENT, 1),
    ("send: after the claim, before the hand-over", is_claim_or_return, 1, LOST_ANSWER, {}, SENT_AGAIN, 1),
    ("send: delivered, before it is recorded", is_end, 1, DROPPED, {}, SENT_AGAIN, 2),
    ("send: delivered and recorded", is_end, 1, LOST_ANSWER, {}, SENT, 1),
    ("send: before the host deletes the doorbell", is_delete, 1, DROPPED, {}, SENT, 1),
    ("send: deferred, before it is recorded", is_claim_or_return, 2, DROPPED, DEFERRED, SENT_AGAIN, 1),
    ("send: deferred, before the next doorbell", is_put, 2, DROPPED, DEFERRED, ["transient", "delivered"], 1),
    ("send: deferred, after the next doorbell", is_put, 2, LOST_ANSWER, DEFERRED, ["transient", "delivered"], 1),
]
SMTP_STEPS = [
    ("at_rcpt", SENT_AGAIN, 1),  # inside the dialogue, before the content: the server got nothing
    ("at_content", SENT_AGAIN, 2),  # the server has the content, and its answer finds nobody
]


@pytest.fixture
def account(storage_connection: str) -> str:
    asyncio.run(create_account(storage_connection))
    return storage_connection


def check(account: str, inbox: FatalInbox, attempts: list[str] | None, arrived: int) -> None:
    records = asyncio.run(after_hours(account, inbox))
    assert [record.status for record in records] == ([] if attempts is None else [Status.SENT])
    assert [[one.outcome for one in record.attempts] for record in records] == ([] if attempts is None else [attempts])
    assert arrivals(inbox) == ({records[0].message_id: arrived} if arrived else {})


@pytest.mark.parametrize(
    ("is_step", "nth", "action", "fields", "attempts", "arrived"),
    [step[1:] for step in STORAGE_STEPS],
    ids=[step[0] for step in STORAGE_STEPS],
)
def test_app_killed_at_a_storage_request(account, tmp_path, is_step, nth, action, fields, attempts, arrived):
    victim = Victim()
    with running_fatal_inbox() as inbox, running_storage_proxy(account) as proxy:
        with victim.running(proxy.connection, inbox.port, tmp_path) as app:
            proxy.faults.append(victim.fault(is_step, action, nth))
            accepted = post(app, **fields)
            assert victim.was_killed()
        check(account, inbox, attempts, arrived)
    assert accepted is None or attempts is not NOT_KEPT


@pytest.mark.parametrize(("moment", "attempts", "arrived"), SMTP_STEPS, ids=[step[0] for step in SMTP_STEPS])
def test_app_killed_inside_the_smtp_dialogue(account, tmp_path, moment, attempts, arrived):
    victim = Victim()
    with running_fatal_inbox() as inbox:
        setattr(inbox, moment, victim.kill)
        with victim.running(account, inbox.port, tmp_path) as app:
            assert post(app)
            assert victim.was_killed()
        check(account, inbox, attempts, arrived)


@pytest.mark.parametrize(
    ("is_step", "nth"),
    [(is_insert, 3), (is_put, 20), (is_claim_or_return, 2), (is_end, 2), (is_delete, 20)],
    ids=["insert", "doorbell", "claim", "end", "host's delete"],
)
@pytest.mark.parametrize("action", [DROPPED, LOST_ANSWER], ids=["not done", "done"])
def test_app_killed_with_many_emails_in_flight(account, tmp_path, is_step, nth, action):
    victim = Victim()
    with running_fatal_inbox() as inbox, running_storage_proxy(account) as proxy:
        with victim.running(proxy.connection, inbox.port, tmp_path) as app, ThreadPoolExecutor(16) as callers:
            proxy.faults.append(victim.fault(is_step, action, nth))
            accepted = set(callers.map(lambda _: post(app), range(60))) - {None}
            assert victim.was_killed()
        records = asyncio.run(after_hours(account, inbox))
        arrived = arrivals(inbox)
    assert accepted <= {record.id for record in records}
    assert Counter(record.status for record in records) == {Status.SENT: len(records)}
    assert set(arrived) == {record.message_id for record in records}
    assert [one for one in records if arrived[one.message_id] > 1 + unconfirmed(one)] == []


def test_app_that_is_started_again_sends_what_the_killed_one_accepted(account, tmp_path):
    victim, successor = Victim(), Victim()
    with running_fatal_inbox() as inbox, running_storage_proxy(account) as proxy:
        with victim.running(proxy.connection, inbox.port, tmp_path) as app:
            proxy.faults.append(victim.fault(is_put, LOST_ANSWER))
            assert post(app) is None
            assert victim.was_killed()
        with successor.running(account, inbox.port, tmp_path):
            eventually(lambda: inbox.emails)
        assert list(arrivals(inbox).values()) == [1]
