"""Two workers race for the same email, a thousand times: one submission each."""

import asyncio
from collections import Counter

import pytest

from email_core.delivery_state import Status
from email_core.providers.base import Outcome, OutcomeKind, Provider, Submission
from email_core.stores.base import Doorbell
from tests.support.faults import Worker, worker

pytestmark = pytest.mark.slow

RACES, SIDE_BY_SIDE = 1_000, 4  # few at once: those who lose are taken out of a transaction one by one


class CountingProvider(Provider):
    name = "smtp"

    def __init__(self) -> None:
        self.submitted: Counter[str] = Counter()

    async def submit(self, submission: Submission) -> Outcome:
        self.submitted[submission.message_id] += 1
        await asyncio.sleep(0)  # the other one gets its turn
        return Outcome(kind=OutcomeKind.DELIVERED, reply="250")


async def race(workers: tuple[Worker, ...], emails: list[str], *, doorbells_carry_the_email: bool) -> None:
    store = workers[0].core.outbox._emails
    stored = await asyncio.gather(*map(store.get, emails))
    bells = [Doorbell.of(one) for one in stored]
    if not doorbells_carry_the_email:
        bells = [Doorbell(bell.email_id, bell.mode) for bell in bells]
    await asyncio.gather(*(one.core.delivery.answer(bell) for bell in bells for one in workers))


async def test_of_two_workers_that_race_for_an_email_one_submits_it(storage_connection):
    provider = CountingProvider()
    async with worker(storage_connection, provider) as one, worker(storage_connection, provider) as two:
        for start in range(0, RACES, SIDE_BY_SIDE):
            accepted = await one.accept(SIDE_BY_SIDE)
            in_turn = (one, two) if start // SIDE_BY_SIDE % 2 else (two, one)
            carried = start % (4 * SIDE_BY_SIDE) < 2 * SIDE_BY_SIDE
            await race(in_turn, [record.id for record in accepted], doorbells_carry_the_email=carried)
        records = await one.records()
    assert Counter(record.status for record in records) == {Status.SENT: RACES}
    assert {record.claims for record in records} == {1}
    assert provider.submitted == {record.message_id: 1 for record in records}
