"""Storage that refuses, hangs, drops connections and loses answers: what was accepted is sent once, and the callers'
202s and the table agree."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import pytest
from azure.core.exceptions import AzureError

from email_core import storage_clients
from email_core.delivery_state import Status
from email_core.errors import StorageUnavailable
from email_core.record import EmailRecord
from email_core.stores.azure import rest
from tests.support.eventually import eventually
from tests.support.faults import (
    FatalInbox,
    Victim,
    Worker,
    after_hours,
    arrivals,
    create_account,
    is_claim_or_return,
    is_end,
    is_insert,
    post,
    running_fatal_inbox,
    unconfirmed,
    worker,
)
from tests.support.storage_proxy import (
    DROPPED,
    HANGING,
    HANGING_ANSWER,
    LOST_ANSWER,
    Fault,
    answering,
    is_kind,
    late,
    running_storage_proxy,
    storage_proxy,
)

pytestmark = pytest.mark.slow

EMAILS = 100
STEPS = {"insert": is_insert, "put": is_kind("queue put"), "claim or return": is_claim_or_return, "end": is_end}
TROUBLES = {  # what, and to which requests of a step
    "500, longer than the client tries": (answering(500), range(1, 7)),
    "503 once": (answering(503), {1}),
    "dropped": (DROPPED, range(1, 5)),
    "lost answer": (LOST_ANSWER, {1}),
    "lost answers": (LOST_ANSWER, range(1, 4)),
}


@asynccontextmanager
async def troubled_worker(connection: str, inbox: FatalInbox, *faults: Fault, seed: int = 0):
    """A worker whose account is sound while it is made, and then has the faults."""
    async with storage_proxy(connection, seed=seed) as proxy, worker(proxy.connection, inbox) as one:
        proxy.faults += faults
        yield one


async def accept_one_by_one(one: Worker, count: int) -> set[str]:
    """The ids of those that were accepted; the others raised StorageUnavailable, and nothing else."""

    async def accept() -> str | None:
        try:
            (record,) = await one.accept()
        except StorageUnavailable:
            return None
        return record.id

    return set(await asyncio.gather(*(accept() for _ in range(count)))) - {None}


def agree(accepted: set[str], records: list[EmailRecord], inbox: FatalInbox) -> None:
    """Nothing that was accepted is missing, all that is kept was sent, and what came twice was in doubt."""
    arrived = arrivals(inbox)
    assert accepted <= {record.id for record in records}
    assert [record for record in records if record.status is not Status.SENT] == []
    assert set(arrived) == {record.message_id for record in records}
    assert [one for one in records if arrived[one.message_id] > 1 + unconfirmed(one)] == []


@pytest.mark.parametrize(("action", "nth"), TROUBLES.values(), ids=TROUBLES)
@pytest.mark.parametrize("when", STEPS.values(), ids=STEPS)
async def test_emails_are_sent_once_though_requests_of_a_step_go_wrong(storage_connection, when, action, nth):
    fault = Fault(when, action, nth)
    with running_fatal_inbox() as inbox:
        async with troubled_worker(storage_connection, inbox, fault) as one:
            accepted = await accept_one_by_one(one, 10)
            await one.answer_all()
        records = await after_hours(storage_connection, inbox)
    assert fault.happened
    agree(accepted, records, inbox)
    assert sum(arrivals(inbox).values()) == len(records)  # the process lived: no answer of the SMTP server was lost


@pytest.mark.parametrize("action", [HANGING, HANGING_ANSWER], ids=["before it is done", "after it is done"])
async def test_emails_are_sent_once_though_each_step_hangs(storage_connection, monkeypatch, action):
    monkeypatch.setitem(storage_clients._TIMEOUTS, "read_timeout", 0.5)
    monkeypatch.setattr(rest, "READ_SECONDS", 0.5)
    faults = [Fault(when, action, nth={1}) for when in STEPS.values()]
    with running_fatal_inbox() as inbox:
        async with troubled_worker(storage_connection, inbox, *faults) as one:
            accepted = await accept_one_by_one(one, 10)
            await one.answer_all()
        records = await after_hours(storage_connection, inbox)
    assert [fault.happened for fault in faults] == [1, 1, 1, 1]
    agree(accepted, records, inbox)
    assert sum(arrivals(inbox).values()) == len(records)


@pytest.mark.parametrize("seed", [1, 2])
async def test_hundred_emails_are_sent_once_though_every_twentieth_request_goes_wrong(storage_connection, seed):
    faults = [
        Fault(lambda _: True, action, chance=0.05 / 4)
        for action in (answering(500), answering(503), DROPPED, LOST_ANSWER)
    ]
    with running_fatal_inbox() as inbox:
        async with troubled_worker(
            storage_connection, inbox, *faults, Fault(lambda _: True, late(0.02), chance=0.05), seed=seed
        ) as one:
            accepted = await accept_one_by_one(one, EMAILS)
            for _ in range(3):
                with suppress(AzureError):  # the test's own look at the queue goes through the proxy too
                    await one.answer_all()
        records = await after_hours(storage_connection, inbox)
    agree(accepted, records, inbox)
    assert len(accepted) >= EMAILS * 0.9


AWAY = {
    "tables answer 503": Fault(lambda request: request.service == "table", answering(503)),
    "tables answer 500": Fault(lambda request: request.service == "table", answering(500)),
    "tables drop connections": Fault(lambda request: request.service == "table", DROPPED),
    "blobs answer 503": Fault(lambda request: request.service == "blob", answering(503)),
}


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY)
def test_api_answers_503_while_the_storage_is_away_and_keeps_its_word(storage_connection, tmp_path, fault):
    asyncio.run(create_account(storage_connection))
    app_process = Victim()
    body = {"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Statement", "text": "x" * 100_000}
    with running_fatal_inbox() as inbox, running_storage_proxy(storage_connection, fault) as proxy:
        with app_process.running(proxy.connection, inbox.port, tmp_path) as app:
            refused = app.post("/api/emails", json=body)
            proxy.faults.clear()
            accepted = {post(app) for _ in range(3)}
            eventually(lambda: len(inbox.emails) == 3)
        records = asyncio.run(after_hours(storage_connection, inbox))
    assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/problem+json")
    assert accepted == {record.id for record in records}
    agree(accepted, records, inbox)


def test_api_accepts_while_the_queues_are_away_and_the_sweeper_rings(storage_connection, tmp_path):
    asyncio.run(create_account(storage_connection))
    app_process = Victim()
    puts_fail = Fault(is_kind("queue put"), answering(503))
    with running_fatal_inbox() as inbox, running_storage_proxy(storage_connection, puts_fail) as proxy:
        with app_process.running(proxy.connection, inbox.port, tmp_path) as app, ThreadPoolExecutor(8) as callers:
            accepted = set(callers.map(lambda _: post(app), range(8)))
        assert inbox.emails == []
        records = asyncio.run(after_hours(storage_connection, inbox))
    assert accepted == {record.id for record in records}
    agree(accepted, records, inbox)
