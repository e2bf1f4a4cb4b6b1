from dataclasses import replace
from datetime import timedelta

import pytest

from email_core.delivery_state import Event, Status
from email_core.distributor import Distributor, DistributorState
from email_core.errors import StorageUnavailable
from email_core.parameters import Parameters
from email_core.parking import HORIZON
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Outcome, OutcomeKind, Provider, Submission
from email_core.record import EmailRecord, Mode, Turn
from email_core.stores.base import Doorbell, StoredEmail
from email_core.stores.memory import (
    MemoryDistributorStore,
    MemoryDoorbells,
    MemoryEmailStore,
    MemoryProviderStates,
    MemoryTimerRuns,
    MemoryWindowStore,
)
from email_core.sweeper import AT_ONCE, OVERDUE, UNSEEN, WHOLE, Care, Sweep, Sweeper, care_for, ranges_worth_reading
from email_core.throttle import Throttle
from email_core.throttling import MINUTE as MINUTE_GRAIN
from email_core.throttling import Window
from email_core.timer_runs import LAST_SWEEP, TimerRuns
from tests.support.emails import NOON, Clock, email

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
LONG_AGO = NOON - timedelta(hours=1)
WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)
FAR_OFF = NOON + HORIZON + SECOND
LAST = NOON - 5 * MINUTE  # when the last sweep began
RUNG = LAST + HORIZON  # what was parked until then it has rung
SWEEP = Sweep(began=NOON, since=dict.fromkeys(Mode, LAST))


def claimed(lease_until) -> EmailRecord:
    return email(LONG_AGO).after(Event.CLAIM, LONG_AGO, lease_until=lease_until)


def parked_until(due, at=LONG_AGO, **about) -> EmailRecord:
    return email(at, parked=True, next_attempt_at=due, **about)


def deferred_until(due, at) -> EmailRecord:
    return replace(parked_until(due), updated_at=at)


# what it is, the record -> what it needs at noon
CARES = [
    ("just accepted", email(NOON), Care.NOTHING),
    ("late, but not too late", email(NOON - OVERDUE + SECOND), Care.NOTHING),
    ("overdue", email(NOON - OVERDUE), Care.MARK),
    ("overdue for a retry", email(LONG_AGO, next_attempt_at=NOON - OVERDUE), Care.MARK),
    ("to be retried later", email(LONG_AGO, next_attempt_at=NOON + MINUTE), Care.NOTHING),
    ("scheduled, its doorbell rings itself", email(LONG_AGO, send_at=NOON + MINUTE), Care.NOTHING),
    ("overdue, but just rung again", email(LONG_AGO, rung_at=NOON - MINUTE), Care.NOTHING),
    ("overdue since it was rung again", email(LONG_AGO, rung_at=NOON - OVERDUE), Care.MARK),
    ("parked and far off", parked_until(FAR_OFF), Care.NOTHING),
    ("parked and its time comes", parked_until(FAR_OFF - SECOND), Care.RING),
    ("parked, and the last sweep left it to this one", parked_until(RUNG + SECOND), Care.RING),
    ("parked, and the last sweep has rung it", parked_until(RUNG), Care.NOTHING),
    ("the same, and it is due", parked_until(NOON - OVERDUE + SECOND), Care.NOTHING),
    ("the same, and its doorbell is lost", parked_until(NOON - OVERDUE), Care.MARK),
    ("deferred when the last sweep may have looked", deferred_until(RUNG, LAST - UNSEEN + SECOND), Care.RING),
    ("deferred before that", deferred_until(RUNG, LAST - UNSEEN), Care.NOTHING),
    ("parked by a request that was as slow as may be", parked_until(RUNG, LAST - timedelta(seconds=230)), Care.RING),
    ("parked as no mail was sent", parked_until(NOON, NOON - MINUTE), Care.MARK),
    ("the same just before its time", parked_until(NOON + MINUTE, NOON - MINUTE), Care.MARK),
    ("held", email(LONG_AGO, held=True), Care.NOTHING),
    ("being sent", claimed(NOON + SECOND), Care.NOTHING),
    ("claimed by a worker that died", claimed(NOON), Care.RELEASE),
]


@pytest.mark.parametrize(("record", "care"), [one[1:] for one in CARES], ids=[one[0] for one in CARES])
def test_care(record, care):
    assert care_for(record, SWEEP, NOON) is care


# when it is due -> what it needs where one sweep was missed
MISSED = [
    (NOON, Care.NOTHING),
    (NOON + SECOND, Care.RING),
    (FAR_OFF - SECOND, Care.RING),
    (FAR_OFF, Care.NOTHING),
]


@pytest.mark.parametrize(("due", "care"), MISSED)
def test_parked_mail_after_a_sweep_that_was_missed(due, care):
    sweep = replace(SWEEP, since=dict.fromkeys(Mode, NOON - HORIZON))
    assert care_for(parked_until(due), sweep, NOON) is care


@pytest.mark.parametrize("since", [{}, dict.fromkeys(Mode, NOON - HORIZON - SECOND)])
def test_parked_mail_is_marked_where_no_sweep_was_kept_for_a_while(since):
    sweep = replace(SWEEP, since=since)
    cares = [care_for(parked_until(due), sweep, NOON) for due in (NOON, NOON + SECOND, FAR_OFF - SECOND, FAR_OFF)]
    assert cares == [Care.MARK, Care.MARK, Care.MARK, Care.NOTHING]


def test_parked_mail_is_rung_that_the_last_sweep_did_not_send():
    sweep = replace(SWEEP, since={Mode.INTERACTIVE: LAST})
    cares = {mode: care_for(parked_until(RUNG, mode=mode), sweep, NOON) for mode in Mode}
    assert cares == {Mode.BATCH: Care.MARK, Mode.INTERACTIVE: Care.NOTHING}


def test_what_was_brought_forward_is_marked_unless_it_is_still_far_off():
    for record in (parked_until(RUNG), parked_until(FAR_OFF - SECOND), email(NOON)):
        assert care_for(record, SWEEP, NOON, moved=True) is Care.MARK
    assert care_for(parked_until(FAR_OFF), SWEEP, NOON, moved=True) is Care.NOTHING


def test_distributor_s_run_marks_all_parked_batch_mail_that_is_not_far_off():
    run = replace(SWEEP, releases_batch=True)
    dues = (NOON, RUNG, RUNG + SECOND, FAR_OFF)
    cares = {mode: [care_for(parked_until(due, mode=mode), run, NOON) for due in dues] for mode in Mode}
    assert cares[Mode.BATCH] == [Care.MARK, Care.MARK, Care.MARK, Care.NOTHING]
    assert cares[Mode.INTERACTIVE] == [Care.NOTHING, Care.NOTHING, Care.RING, Care.NOTHING]


def test_batch_mail_waits_while_the_distributor_does_not_send_but_interactive_mail_does_not():
    for parked in (True, False):
        batch, interactive = (email(LONG_AGO, parked=parked, mode=mode) for mode in Mode)
        sweep = replace(SWEEP, sends=frozenset({Mode.INTERACTIVE}))
        assert care_for(batch, sweep, NOON) is Care.NOTHING
        assert care_for(interactive, sweep, NOON) is Care.MARK


# batch mail between two runs of the distributor and after the last -> what it needs
RELEASED = [
    ("its doorbell is lost", email(LONG_AGO, rung_at=NOON - OVERDUE), Care.MARK),
    ("its doorbell is there", email(LONG_AGO, rung_at=NOON), Care.NOTHING),
    ("deferred until a time that comes", parked_until(FAR_OFF - SECOND, rung_at=LONG_AGO), Care.MARK),
    ("deferred until a time that is far off", parked_until(FAR_OFF, rung_at=LONG_AGO), Care.NOTHING),
    ("parked as the distributor was switched off", email(LONG_AGO, parked=True, rung_at=LONG_AGO), Care.NOTHING),
    ("never released", email(LONG_AGO, parked=True), Care.NOTHING),
    ("scheduled, and never released", parked_until(FAR_OFF - SECOND), Care.NOTHING),
]


@pytest.mark.parametrize(("record", "care"), [one[1:] for one in RELEASED], ids=[one[0] for one in RELEASED])
def test_what_a_run_has_released_goes_on_without_another(record, care):
    between = replace(SWEEP, sends=frozenset({Mode.INTERACTIVE}), goes_on=True)
    assert care_for(record, between, NOON) is care
    assert care_for(record, replace(between, goes_on=False), NOON) is Care.NOTHING


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("parked", [True, False])
def test_no_mail_is_rung_while_none_is_sent_but_a_dead_worker_s_is_released(mode, parked):
    sweep = replace(SWEEP, sends=frozenset())
    record = email(LONG_AGO, parked=parked, mode=mode)
    assert (care_for(record, sweep, NOON), care_for(record, sweep, NOON, moved=True)) == (Care.NOTHING, Care.NOTHING)
    assert care_for(claimed(NOON), sweep, NOON) is Care.RELEASE


@pytest.mark.parametrize("record", [email(LONG_AGO), parked_until(LONG_AGO, LONG_AGO - DAY)])
def test_doorbell_behind_a_backlog_is_late_and_not_lost(record):
    assert care_for(record, replace(SWEEP, heads={Mode.BATCH: LONG_AGO}), NOON) is Care.NOTHING
    assert care_for(record, replace(SWEEP, heads={Mode.BATCH: LONG_AGO + OVERDUE}), NOON) is Care.MARK
    assert care_for(record, replace(SWEEP, heads={Mode.INTERACTIVE: LONG_AGO}), NOON) is Care.MARK


def test_long_sweep_releases_what_a_worker_left_since_it_began():
    record, before_its_end = claimed(NOON + 6 * MINUTE), NOON + 6 * MINUTE - SECOND
    assert care_for(record, SWEEP, before_its_end) is Care.NOTHING
    assert care_for(record, SWEEP, NOON + 6 * MINUTE) is Care.RELEASE


@pytest.mark.parametrize("heads", [{}, {Mode.BATCH: NOON - SECOND}])
def test_long_sweep_takes_no_doorbell_for_lost_that_may_wait_in_a_queue_which_it_has_filled(heads):
    record = email(NOON + SECOND)
    assert care_for(record, replace(SWEEP, heads=heads), NOON + 8 * MINUTE) is Care.NOTHING


class Smtp(Provider):
    name = "smtp"

    async def submit(self, submission: Submission) -> Outcome:
        raise AssertionError("the sweeper sends nothing: it rings")


class World:
    def __init__(self, *records: EmailRecord, holds: bool = False, **parameters) -> None:
        self.records = records
        self.windows = MemoryWindowStore()
        self.clock = Clock()
        self.emails = MemoryEmailStore()
        self.doorbells = MemoryDoorbells()
        self.switch = MemoryDistributorStore()
        self.timers = MemoryTimerRuns()
        distributor = Distributor(self.switch, self.clock, holds=holds)
        self.provider = Smtp()
        self.pauses = ProviderPauses(MemoryProviderStates(), self.clock)
        self.sweeper = Sweeper(
            emails=self.emails,
            doorbells=self.doorbells,
            distributor=distributor,
            providers={"smtp": self.provider},
            pauses=self.pauses,
            throttle=Throttle(self.windows, Parameters(**parameters), self.clock),
            runs=TimerRuns(self.timers, self.clock),
            clock=self.clock,
        )

    async def sweep(self, **about):
        for record in self.records:
            await self.emails.insert(record, b"")
        self.records = ()
        return await self.sweeper.sweep(self.clock() + MINUTE, **about)

    async def swept(self, began):
        """A sweep has cared for all mail."""
        for mode in Mode:
            await self.timers.write(LAST_SWEEP[mode], began)

    async def lasts(self):
        """When the last sweep of each mode began."""
        return {mode: await self.timers.read(LAST_SWEEP[mode]) for mode in Mode}

    @property
    def rung(self) -> list[str]:
        return [bell.email_id for bell, _ in self.doorbells.rung]


def reads_of(emails: MemoryEmailStore) -> list[tuple[str, str]]:
    """The ends of the ranges that are read of it."""
    reads: list[tuple[str, str]] = []
    unsent = emails.unsent

    async def counted(*ends):
        reads.append(ends)
        return await unsent(*ends)

    emails.unsent = counted
    return reads


async def test_lost_doorbell_is_rung_once_and_not_again_by_the_next_sweep():
    lost = email(LONG_AGO)
    world = World(lost, email(NOON))
    report = await world.sweep()
    assert (world.rung, report.cared[Care.MARK], report.finished) == ([lost.id], 1, True)
    await world.sweep()
    assert world.rung == [lost.id]


async def test_parked_email_is_rung_for_the_time_it_is_due_without_being_read_or_written():
    parked = parked_until(NOON + 9 * MINUTE)
    world = World()
    reads = reads_of(world.emails)
    stored = await world.emails.insert(parked, b"Hello")
    await world.swept(LAST)
    await world.sweep()
    assert world.doorbells.rung == [(Doorbell.of(stored), 9 * MINUTE)]
    assert (await world.emails.get(parked.id), reads) == (stored, [])
    assert await carried(world) == {parked.id: b"Hello"}


async def test_parked_email_is_rung_by_one_of_two_sweeps_in_a_row():
    now, later = parked_until(NOON + HORIZON), parked_until(FAR_OFF)
    world = World(now, later)
    await world.sweep()
    assert world.rung == [now.id]
    world.clock.advance(minutes=5)
    await world.sweep()
    assert world.rung == [now.id, later.id]


async def test_sweep_after_one_that_was_missed_rings_what_both_had_to():
    records = [parked_until(NOON + HORIZON + minutes * MINUTE) for minutes in (1, 9)]
    world = World(*records)
    await world.sweep()
    world.clock.advance(minutes=10)
    await world.sweep()
    assert sorted(world.rung) == sorted(record.id for record in records)


async def test_what_the_storage_did_not_ring_is_rung_by_the_next_sweep():
    world = World(*(parked_until(NOON + HORIZON) for _ in range(2)))
    await world.swept(LAST)
    ring, rung = world.doorbells.ring, []

    async def fails_once(doorbell, delay):
        world.clock.advance(seconds=1)
        rung.append(doorbell.email_id)
        if len(rung) == 1:
            raise StorageUnavailable("put a doorbell")
        await ring(doorbell, delay)

    world.doorbells.ring = fails_once
    report = await world.sweep()
    assert (report.cared, report.failures, report.finished, report.is_complete) == ({Care.RING: 1}, 1, True, False)
    world.clock.advance(minutes=5)
    began = world.clock()
    await world.sweep()
    assert rung[0] in world.rung
    assert await world.lasts() == dict.fromkeys(Mode, began)


async def test_email_of_which_the_storage_does_not_tell_its_turn_is_a_failure_and_the_others_are_rung():
    lost, in_line = email(LONG_AGO), parked_until(FAR_OFF, turn=Turn(number=9, limit="1 a minute"))
    world = World(lost, in_line, email(NOON), smtp_per_minute_limit=1)

    async def away(*_):
        raise StorageUnavailable("read a window")

    world.windows.read = away
    report = await world.sweep()
    assert (report.cared, report.failures, world.rung) == ({Care.NOTHING: 1, Care.MARK: 1}, 1, [lost.id])


async def test_sweep_while_all_mail_is_held_is_none_that_the_next_one_could_go_by():
    world = World(parked_until(NOON + HORIZON), holds=True)
    assert (await world.sweep()).finished
    assert (world.rung, await world.lasts()) == ([], dict.fromkeys(Mode))


async def test_sweep_while_the_distributor_is_off_is_none_that_the_next_one_could_go_by_for_batch_mail():
    batch, interactive = (parked_until(NOON + HORIZON, mode=mode) for mode in Mode)
    world = World(batch, interactive)
    await world.switch.write(DistributorState(enabled=False), None)
    await world.sweep()
    assert (world.rung, await world.lasts()) == ([interactive.id], {Mode.BATCH: None, Mode.INTERACTIVE: NOON})
    await world.sweep(releases_batch=True)
    assert (world.rung, await world.lasts()) == ([interactive.id, batch.id], dict.fromkeys(Mode, NOON))


async def test_sweep_that_a_clock_in_the_future_has_noted_keeps_no_mail_waiting():
    parked = parked_until(NOON + HORIZON)
    world = World(parked)
    await world.timers.write(LAST_SWEEP[Mode.BATCH], NOON + DAY)
    await world.sweep()
    assert (world.rung, await world.lasts()) == ([parked.id], dict.fromkeys(Mode, NOON))


async def test_email_that_waits_for_a_provider_goes_when_its_pause_is_lifted_and_not_before():
    waits = email(LONG_AGO, next_attempt_at=NOON + 9 * MINUTE, waits_for_provider=True)
    retried = email(LONG_AGO, next_attempt_at=NOON + 15 * MINUTE)
    world = World(waits, retried)
    await world.pauses.learn(world.provider, WRONG_PASSWORD, NOON)
    await world.sweep()
    assert world.rung == []
    await world.pauses.lift(world.provider)
    await world.sweep()
    assert world.doorbells.rung == [(Doorbell(waits.id, waits.mode), timedelta(0))]
    record = (await world.emails.get(waits.id)).record
    assert (record.next_attempt_at, record.waits_for_provider, record.parked) == (NOON, False, False)


async def test_email_that_waits_for_a_provider_stays_while_the_distributor_does_not_send():
    world = World(email(LONG_AGO, next_attempt_at=NOON + MINUTE, waits_for_provider=True))
    await world.switch.write(DistributorState(enabled=False), None)
    await world.sweep()
    assert world.rung == []


async def test_released_email_is_unsent_in_doubt_and_rung():
    record = claimed(NOON)
    world = World(record)
    await world.sweep()
    released = (await world.emails.get(record.id)).record
    assert (released.status, released.in_doubt, released.next_attempt_at) == (Status.UNSENT, True, NOON)
    assert world.rung == [record.id]


async def test_run_of_the_distributor_rings_what_is_parked():
    parked = email(LONG_AGO, parked=True)
    world = World(parked)
    await world.switch.write(DistributorState(every_minutes=60), None)
    await world.sweep()
    assert world.rung == []
    await world.sweep(releases_batch=True)
    assert world.rung == [parked.id]


@pytest.mark.parametrize(("enabled", "times"), [(True, 1), (False, 0)])
async def test_deferral_by_the_last_run_is_rung_once_unless_the_distributor_was_switched_off(enabled, times):
    deferred = parked_until(NOON + HORIZON, rung_at=LONG_AGO)
    world = World(deferred)
    over = DistributorState(enabled=enabled, every_minutes=60, end_after_runs=1, runs=1)
    await world.switch.write(over, None)
    for _ in range(3):
        await world.sweep()
        world.clock.advance(minutes=5)
    assert world.rung == [deferred.id] * times


async def test_sweep_that_runs_out_of_time_says_so_and_the_next_one_goes_on():
    records = [email(LONG_AGO - SECOND * number) for number in range(100)]
    world = World(*records)
    ring = world.doorbells.ring

    async def slow_ring(*about):
        world.clock.advance(seconds=1)
        await ring(*about)

    world.doorbells.ring = slow_ring
    assert not (await world.sweep()).finished
    first = len(world.rung)
    assert 0 < first < 100
    await world.sweep()
    assert len(set(world.rung)) == len(world.rung) > first


@pytest.mark.parametrize(("since", "again"), [(LAST, AT_ONCE), (LONG_AGO, 0)])
async def test_what_a_sweep_without_an_end_has_rung_is_rung_again_unless_none_has_ended_for_long(since, again):
    records = [parked_until(NOON + HORIZON) for _ in range(AT_ONCE + 1)]
    world = World(*records)
    await world.swept(since)
    ring = world.doorbells.ring

    async def slow_ring(*about):
        world.clock.advance(seconds=2)
        await ring(*about)

    world.doorbells.ring = slow_ring
    assert not (await world.sweep()).finished
    assert (len(world.rung), await world.lasts()) == (AT_ONCE, dict.fromkeys(Mode, since))
    world.doorbells.ring = ring
    assert (await world.sweep()).finished
    assert set(world.rung) == {record.id for record in records}
    assert len(world.rung) == AT_ONCE + 1 + again


async def test_past_partition_without_unsent_mail_is_settled_and_not_looked_at_again():
    world = World(email(NOON - DAY, status=Status.SENT), email(NOON, status=Status.SENT), email(NOON - DAY, shard=1))
    assert (await world.sweep()).settled == 1
    assert len(await world.emails.unsettled_partitions()) == 2


async def test_email_that_a_worker_claims_meanwhile_is_left_to_it():
    lost = email(LONG_AGO)
    world = World(lost)
    waiting = world.emails.waiting

    async def claimed_meanwhile(partition, whole):
        async for stored in waiting(partition, whole):
            await world.emails.update(stored, replace(stored.record, claims=1))
            yield stored

    world.emails.waiting = claimed_meanwhile
    await world.sweep()
    assert world.rung == []


def parked(count: int, **about) -> list[EmailRecord]:
    return [email(LONG_AGO - SECOND * number, parked=True, **about) for number in range(count)]


def newer() -> list[EmailRecord]:
    """As many as are listed with their content."""
    return [email(NOON) for _ in range(WHOLE)]


async def carried(world: World) -> dict[str, bytes | None]:
    """The content that each doorbell brings with the email as it stands in the table."""
    brought = [bell.stored for bell, _ in world.doorbells.rung if bell.stored]
    for stored in brought:
        assert await world.emails.get(stored.record.id) == stored
    return {stored.record.id: stored.inline for stored in brought}


async def test_doorbells_of_neighbours_carry_them_after_one_read():
    world = World(*newer(), *parked(AT_ONCE))
    reads = reads_of(world.emails)
    await world.sweep()
    assert len(reads) == 1
    assert await carried(world) == dict.fromkeys(world.rung, b"")
    assert len(world.rung) == AT_ONCE


async def test_newest_emails_doorbells_carry_them_without_any_read():
    world = World(*parked(WHOLE))
    reads = reads_of(world.emails)
    await world.sweep()
    assert (reads, await carried(world)) == ([], dict.fromkeys(world.rung, b""))
    assert len(world.rung) == WHOLE


async def test_content_is_not_read_while_no_batch_mail_is_sent():
    off = World(email(LONG_AGO, mode=Mode.INTERACTIVE), *parked(2))
    await off.switch.write(DistributorState(enabled=False), None)
    wholes = []
    for world in (off, World(*parked(2), holds=True), World(*parked(2))):
        waiting = world.emails.waiting

        def seen(partition, whole, waiting=waiting):
            wholes.append(whole)
            return waiting(partition, whole)

        world.emails.waiting = seen
        await world.sweep()
    assert wholes == [0, 0, WHOLE]
    assert await carried(off) == {}
    assert len(off.rung) == 1


async def test_lone_email_behind_the_newest_is_rung_without_being_read():
    (one,) = parked(1)
    world = World(*newer(), one)
    reads = reads_of(world.emails)
    await world.sweep()
    assert (world.rung, reads, await carried(world)) == ([one.id], [], {})


async def test_doorbell_carries_an_email_whose_content_is_in_a_blob_without_any_read():
    world = World(*parked(3, size=100_000))
    reads = reads_of(world.emails)
    for record in world.records:
        await world.emails.insert(record, bytes(100_000))
    world.records = ()
    await world.sweep()
    assert (reads, await carried(world)) == ([], dict.fromkeys(world.rung))


async def test_email_that_changes_after_it_was_listed_is_left_alone_and_its_neighbours_are_rung():
    one, *others = parked(3)
    world = World(*newer(), one, *others)
    unsent = world.emails.unsent

    async def claimed_before_it_is_read(*ends):
        stored = await world.emails.get(one.id)
        await world.emails.update(stored, replace(stored.record, claims=1))
        return await unsent(*ends)

    world.emails.unsent = claimed_before_it_is_read
    await world.sweep()
    assert set(world.rung) == {record.id for record in others} == set(await carried(world))
    assert (await world.emails.get(one.id)).record.parked


async def test_emails_that_cannot_be_read_now_are_rung_all_the_same(caplog):
    world = World(*newer(), *parked(2))

    async def away(*_):
        raise StorageUnavailable("test")

    world.emails.unsent = away
    await world.sweep()
    assert (len(world.rung), await carried(world)) == (2, {})
    assert "without their content" in caplog.text


# how large each listed email is, and whether it is wanted -> the places of the ranges' ends
RANGES = [
    ([(100, True)] * 3, [(0, 2)]),
    ([(100, True)], []),
    ([(100, False)] * 3, []),
    ([(100, True), (100, False), (100, True), (100, False)], [(0, 2)]),
    ([(100, True), (60_000, False), (100, True)], [(0, 2)]),  # less than what is worth a request
    ([(100, True), (60_000, False), (60_000, False), (100, True)], []),
    ([(100, True), (9_000_000, False), (100, True)], [(0, 2)]),  # its content is in a blob
    ([(100, True)] * 2 + [(60_000, False)] * 2 + [(100, True)] * 2, [(0, 1), (4, 5)]),
    ([(100, True)] + [(100, False)] * 40 + [(100, True)], []),
]


@pytest.mark.parametrize(("listed", "ranges"), RANGES)
def test_ranges_worth_reading(listed, ranges):
    emails = [StoredEmail(email(size=size), "x", None) for size, _ in listed]
    ids = [one.record.id for one in emails]
    wanted = {id for id, (_, is_wanted) in zip(ids, listed, strict=True) if is_wanted}
    assert ranges_worth_reading(emails, wanted) == [(ids[first], ids[last]) for first, last in ranges]


async def test_email_parked_far_back_in_the_line_is_rung_when_the_limit_is_removed():
    waiting = email(LONG_AGO, parked=True, next_attempt_at=NOON + 60 * MINUTE, turn=Turn(number=9, limit="1 a minute"))
    world = World(waiting)
    await world.sweep()
    assert world.rung == [waiting.id]


async def test_cancelled_mail_in_a_line_holds_up_nobody_behind_it():
    """A thousand were cancelled, which nobody was told of; the three that are left come to their turn soon."""
    left = [
        email(LONG_AGO, parked=True, next_attempt_at=NOON + 60 * MINUTE, turn=Turn(number=number, limit="1 a minute"))
        for number in (1001, 1002, 1003)
    ]
    world = World(*left, smtp_per_minute_limit=1, throttle_mode="strict")
    await world.windows.write("smtp", Window(issued=1003, served=0, moved_at=MINUTE_GRAIN.at(NOON)), None)
    await world.sweep()
    assert world.rung == []
    assert ((await world.windows.read("smtp"))[0].served, world.rung) == (1000, [])
    await world.sweep()
    assert set(world.rung) == {one.id for one in left}


async def test_line_is_counted_only_where_all_unsent_mail_was_seen():
    world = World(email(LONG_AGO, turn=Turn(number=5)), smtp_per_minute_limit=1)
    await world.windows.write("smtp", Window(issued=9, served=0, moved_at=MINUTE_GRAIN.at(NOON)), None)
    await world.emails.insert(world.records[0], b"")
    await world.sweeper.sweep(NOON)
    assert (await world.windows.read("smtp"))[0].served == 0
