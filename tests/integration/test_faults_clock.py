"""Clocks that are wrong, that jump, and that differ; and timers that did not run for a week."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from email_core.delivery_state import Status
from email_core.record import Mode
from email_core.stores.base import View
from tests.support.faults import MovedClock, Worker, arrivals, running_fatal_inbox, worker

pytestmark = pytest.mark.slow

LONG = timedelta(minutes=5)

# how far the clock of who accepts is ahead, and of who sends
CLOCKS = {
    "forward by a day after accept": ({}, {"days": 1}),
    "backward by an hour after accept": ({}, {"hours": -1}),
    "a day ahead at accept": ({"days": 1}, {}),
    "an hour behind at accept": ({"hours": -1}, {}),
    "minutes apart": ({"minutes": 3}, {"minutes": -3}),
}


@pytest.mark.parametrize(("accepts", "sends"), CLOCKS.values(), ids=CLOCKS)
@pytest.mark.parametrize("mode", Mode)
async def test_email_is_sent_once_though_the_clock_moved(storage_connection, accepts, sends, mode):
    with running_fatal_inbox() as inbox:
        async with (
            worker(storage_connection, inbox, MovedClock(**accepts)) as one,
            worker(storage_connection, inbox, MovedClock(**sends)) as two,
        ):
            await one.accept(5, mode=mode)
            await two.answer_all()
            two.clock.ahead = max(two.clock.ahead, one.clock.ahead)  # in the end it is right
            await two.bring_to_end()
            records = await two.records()
    assert [record.status for record in records] == [Status.SENT] * 5
    assert arrivals(inbox) == {record.message_id: 1 for record in records}


async def test_workers_whose_clocks_differ_by_minutes_send_each_email_once(storage_connection):
    with running_fatal_inbox() as inbox:
        async with (
            worker(storage_connection, inbox, MovedClock(minutes=-2)) as slow,
            worker(storage_connection, inbox, MovedClock()) as right,
            worker(storage_connection, inbox, MovedClock(minutes=2)) as fast,
        ):
            workers = (slow, right, fast)
            await asyncio.gather(*(one.accept(20) for one in workers))
            for _ in range(3):
                await asyncio.gather(
                    *(one.answer_all() for one in workers),
                    *(one.core.sweeper.sweep(one.clock() + LONG) for one in workers),
                )
            await right.bring_to_end()
            records = await right.records()
    assert [record.status for record in records] == [Status.SENT] * 60
    assert arrivals(inbox) == {record.message_id: 1 for record in records}


async def test_scheduled_email_waits_for_its_time_and_is_sent_once_by_a_clock_that_jumps_over_it(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            await one.accept(3, send_at=datetime.now(UTC) + timedelta(hours=5))
            one.clock.advance(hours=4)
            await one.core.sweeper.sweep(one.clock() + LONG)
            await one.answer_all()
            assert inbox.emails == []
            one.clock.advance(days=1)
            await one.bring_to_end()
            records = await one.records()
    assert [record.status for record in records] == [Status.SENT] * 3
    assert arrivals(inbox) == {record.message_id: 1 for record in records}


async def test_clock_that_goes_back_after_the_claim_sends_nothing_twice(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one:
            inbox.at_content = lambda: one.clock.advance(hours=-1)
            await one.accept()
            await one.answer_all()
            (record,) = await one.records()
    assert (record.status, len(inbox.emails)) == (Status.SENT, 1)


async def test_distributor_that_is_switched_is_seen_by_a_worker_whose_clock_went_back(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox) as one, worker(storage_connection, inbox) as other:
            await one.accept()
            one.clock.advance(hours=-1)
            await switch(other, enabled=False)
            (parked,) = await one.accept()
    assert parked.parked


async def switch(one: Worker, *, enabled: bool) -> None:
    await one.core.distribution.change(lambda state, now: replace(state, enabled=enabled))


async def test_what_a_missed_week_left_expires_and_is_purged(storage_connection):
    """Mail of ten days, some sent and some not; then nothing runs for a week after its time is over."""
    with running_fatal_inbox() as inbox:
        async with worker(
            storage_connection,
            inbox,
            MovedClock(days=-60),
            email_history_days=10,
            email_expiration_days=5,
        ) as one:
            for _ in range(5):
                await one.accept(3)
                await one.answer_all()
                await one.accept(2, send_at=one.clock() + timedelta(hours=12))
                await one.accept(
                    1, expires_at=one.clock() + timedelta(days=90), send_at=one.clock() + timedelta(days=80)
                )
                one.clock.advance(days=2)
            one.clock.advance(days=7)
            expired = await one.core.retention.expire(one.clock() + LONG)
            await one.core.sweeper.sweep(one.clock() + LONG)
            purged = await one.core.retention.purge(one.clock() + LONG)
            left = await one.records(View.HISTORY)
            unsent = await one.records(View.UNSENT)
            one.clock.advance(days=11)
            purged_later = await one.core.retention.purge(one.clock() + LONG)
            nothing = await one.records(View.HISTORY)
    assert (expired.emails, expired.finished) == (10, True)
    assert {record.status for record in unsent} == {Status.UNSENT}
    assert (len(inbox.emails), len(unsent)) == (15, 5)
    assert (purged.emails, purged.finished) == (15 - sum(one.status is Status.SENT for one in left), True)
    assert (purged_later.emails, nothing) == (len(left), [])


async def test_expiry_and_purge_that_run_out_of_time_go_on_where_they_stopped(storage_connection):
    with running_fatal_inbox() as inbox:
        async with worker(storage_connection, inbox, MovedClock(days=-100)) as one:
            for _ in range(3):
                await one.accept(40, send_at=one.clock() + timedelta(hours=12))
                one.clock.advance(days=1)
            one.clock.advance(days=40)
            reports = [
                await one.core.retention.expire(one.clock() + timedelta(seconds=span)) for span in (-1, 0.05, 300)
            ]
            one.clock.advance(days=40)
            assert not (await one.core.retention.purge(one.clock())).finished
            purged = await one.core.retention.purge(one.clock() + LONG)
            assert await one.records() == []
    assert (reports[0].emails, reports[0].finished, reports[2].finished) == (0, False, True)
    assert sum(report.emails for report in reports) == 120
    assert (purged.emails, inbox.emails) == (120, [])
