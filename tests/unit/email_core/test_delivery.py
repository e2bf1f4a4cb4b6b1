"""The send path over the memory stores, with a provider that answers as told."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from email_core.content import InlineContent
from email_core.day_limit import account_of
from email_core.delivery import EARLY, LEASE, MOST_POISONINGS, Delivery
from email_core.delivery_state import Event, Status
from email_core.distributor import Distributor, DistributorState
from email_core.errors import EmailNotFound, LostRace, StorageUnavailable
from email_core.handover import MOST_QUESTIONS
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.parking import waits_for_its_time
from email_core.provider_pause import FIRST_PAUSE, ProviderPauses, ProviderState, row_of
from email_core.providers.base import (
    Envelope,
    Outcome,
    OutcomeKind,
    Proof,
    Provider,
    RecipientReply,
    RecipientVerdict,
    Submission,
)
from email_core.record import Attempt, EmailRecord, Mode, RecipientResult, Turn
from email_core.stores.base import INLINE_CONTENT_LIMIT, Doorbell
from email_core.stores.memory import (
    MemoryDistributorStore,
    MemoryDoorbells,
    MemoryEmailStore,
    MemoryProviderStates,
    MemoryWindowStore,
)
from email_core.throttle import AHEAD, Throttle
from email_core.throttling import DAY, MINUTE, Window
from tests.support.emails import NOON, Clock, email

MIME = b"Subject: Statement\r\n\r\nHello\r\n"
LARGE = MIME + b"x" * INLINE_CONTENT_LIMIT  # its content is fetched
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK")
BUSY = Outcome(kind=OutcomeKind.TRANSIENT, reply="421 busy")
REFUSED = Outcome(kind=OutcomeKind.PERMANENT, reply="550 no")
BOB, EVE = Address("bob@example.com"), Address("eve@example.com")
ACCEPTED = RecipientReply(RecipientVerdict.ACCEPTED, "250 OK")
LATER = RecipientReply(RecipientVerdict.LATER, "450 later")


class ScriptedProvider(Provider):
    name = "smtp"

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.submissions: list[Submission] = []
        self.proof = Proof.NONE
        self.handle: str | None = None
        self.discarded: list[tuple[str | None, bool]] = []

    async def submit(self, submission: Submission) -> Outcome:
        self.submissions.append(submission)
        if self.handle:
            await submission.keep_handle(self.handle)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def was_sent(self, envelope: Envelope) -> Proof:
        return self.proof

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        self.discarded.append((envelope.handle, in_doubt))


class World:
    """One email in the outbox, and everything that answers its doorbell."""

    def __init__(self, *outcomes: Outcome | Exception, parameters: Parameters | None = None) -> None:
        self.provider = ScriptedProvider(*outcomes)
        self.switch = MemoryDistributorStore()
        self.states = MemoryProviderStates()
        self.emails = MemoryEmailStore()
        self.doorbells = MemoryDoorbells()
        self.clock = Clock()
        self.pauses = ProviderPauses(self.states, self.clock)
        self.windows = MemoryWindowStore()
        self.delivery = Delivery(
            emails=self.emails,
            doorbells=self.doorbells,
            providers={"smtp": self.provider},
            parameters=parameters or Parameters(),
            distributor=Distributor(self.switch, self.clock),
            pauses=self.pauses,
            throttle=Throttle(
                self.windows, parameters or Parameters(), self.clock, chance=lambda: 0.0, pause=self.pause
            ),
            clock=self.clock,
            chance=lambda: 0.0,
            pause=self.pause,
        )

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    async def keep(self, record: EmailRecord, mime: bytes = MIME) -> Doorbell:
        await self.emails.insert(record, mime)
        return Doorbell(record.id, record.mode)

    async def record(self, bell: Doorbell) -> EmailRecord:
        return (await self.emails.get(bell.email_id)).record


async def test_delivered_email_is_sent_with_the_provider_s_reply():
    world = World(DELIVERED)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.ended_at) == (Status.SENT, NOON)
    assert [(one.provider, one.outcome, one.reply) for one in record.attempts] == [("smtp", "delivered", "250 OK")]
    assert world.doorbells.rung == []


async def test_log_names_the_outcome_and_its_diagnosis_and_no_words_of_the_provider(caplog):
    world = World(Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 hunter2", stage="auth", code=535))
    bell = await world.keep(email())
    with caplog.at_level(logging.INFO):
        await world.delivery.answer(bell)
    diagnosis = (await world.record(bell)).attempts[0].diagnosis
    assert f"is Unsent after 1 try and 0 deferrals: configuration ({diagnosis})" in caplog.text
    assert "hunter2" not in caplog.text


async def test_reply_that_is_no_text_is_kept_as_far_as_it_can_be_stored():
    world = World(replace(DELIVERED, reply="250 \udcfcbernommen"))
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).attempts[0].reply == "250 ?bernommen"


async def test_outcome_whose_words_no_store_takes_is_recorded_without_them():
    world = World(replace(DELIVERED, trace="request-id 1"))
    bell = await world.keep(email())
    end = world.emails.end

    async def picky(stored, record):
        if "OK" in record.attempts[-1].reply or record.attempts[-1].trace:
            raise UnicodeError
        return await end(stored, record)

    world.emails.end = picky
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.attempts[0].outcome) == (Status.SENT, "delivered")
    assert "could not be stored" in record.attempts[0].reply


async def test_provider_gets_the_envelope_and_the_content():
    world = World(DELIVERED)
    record = email(to=(BOB,), cc=(Address("BOB@example.com"),), bcc=(EVE,), mailbox="ann.miller@contoso.com")
    await world.delivery.answer(await world.keep(record))
    assert world.provider.submissions == [
        Submission(
            sender="ann@contoso.com",
            mailbox="ann.miller@contoso.com",
            recipients=("bob@example.com", "eve@example.com"),
            bcc=("eve@example.com",),
            message_id=record.message_id,
            content=InlineContent(MIME),
            since=record.created_at,
            seconds=329 + record.size / 25_000,  # of a lease of 360
        )
    ]


async def test_second_doorbell_sends_nothing_more():
    world = World(DELIVERED)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    await world.delivery.answer(bell)
    assert len(world.provider.submissions) == 1


async def test_doorbell_of_an_unknown_email_ends_quietly():
    await World().delivery.answer(Doorbell(email().id, Mode.BATCH))


async def test_transient_failure_returns_to_the_outbox_and_rings_when_it_is_due():
    world = World(BUSY, DELIVERED)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.next_attempt_at) == (Status.UNSENT, NOON + timedelta(seconds=30))
    assert world.doorbells.rung == [(bell, timedelta(seconds=30))]
    world.clock.advance(seconds=30)
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT


async def test_permanent_failure_ends_as_failed_without_another_doorbell():
    world = World(REFUSED)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.FAILED
    assert world.doorbells.rung == []


async def test_early_doorbell_comes_back_in_time_and_sends_nothing():
    world = World()
    bell = await world.keep(email(send_at=NOON + timedelta(minutes=2)))
    await world.delivery.answer(bell)
    assert world.doorbells.rung == [(bell, timedelta(minutes=2))]
    assert world.provider.submissions == []


async def test_doorbell_that_is_early_by_the_clocks_difference_sends():
    world = World(DELIVERED)
    bell = await world.keep(email(send_at=NOON + EARLY))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT


@pytest.mark.parametrize(
    "about",
    [
        {"expires_at": NOON},
        {"at": NOON - timedelta(days=30)},
        {"at": NOON - timedelta(days=60), "send_at": NOON - timedelta(days=30)},
        {"expires_at": NOON, "next_attempt_at": NOON + timedelta(hours=1)},
    ],
)
async def test_email_past_its_time_expires_and_is_not_sent(about):
    world = World()
    bell = await world.keep(email(**about))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.EXPIRED


async def test_scheduled_email_expires_30_days_after_its_time_not_after_accept():
    world = World(DELIVERED)
    bell = await world.keep(email(NOON - timedelta(days=40), send_at=NOON))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT


async def test_retry_is_rung_at_the_expiry_where_that_comes_first():
    world = World(BUSY)
    bell = await world.keep(email(expires_at=NOON + timedelta(seconds=10)))
    await world.delivery.answer(bell)
    assert world.doorbells.rung == [(bell, timedelta(seconds=10))]


async def test_doorbell_that_comes_early_for_the_expiry_sends_nothing_before_its_time():
    world = World(DELIVERED)
    bell = await world.keep(email(expires_at=NOON + EARLY, next_attempt_at=NOON + timedelta(hours=1)))
    await world.delivery.answer(bell)
    assert (world.provider.submissions, world.doorbells.rung) == ([], [(bell, EARLY)])


async def test_claimed_email_is_left_to_its_worker_until_the_lease_is_over():
    world = World(DELIVERED)
    record = email()
    bell = await world.keep(record)
    stored = await world.emails.get(record.id)
    await world.emails.update(stored, record.after(Event.CLAIM, NOON, claims=1, lease_until=NOON + LEASE))
    await world.delivery.answer(bell)
    assert (world.provider.submissions, world.doorbells.rung) == ([], [])
    world.clock.advance(seconds=LEASE.total_seconds())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT
    assert (await world.record(bell)).claims == 2


async def carrying(world: World, record: EmailRecord) -> Doorbell:
    """The doorbell of a new email, as it was rung when that was accepted."""
    await world.keep(record)
    return Doorbell.of(await world.emails.get(record.id))


async def claimed_meanwhile(world: World) -> tuple[Doorbell, Doorbell]:
    """A second doorbell of an email that a worker has claimed is answered: the email's own, and what rings then."""
    bell = await carrying(world, record := email())
    claim = record.after(Event.CLAIM, NOON, claims=1, lease_until=NOON + LEASE)
    await world.emails.update(bell.stored, claim)
    await world.delivery.answer(bell)
    ((after_lease, delay),) = world.doorbells.rung
    assert delay == LEASE + EARLY
    world.doorbells.rung.clear()
    return bell, after_lease


async def test_email_whose_claim_was_written_and_not_answered_is_sent_when_the_lease_is_over():
    world = World(DELIVERED)
    bell = await carrying(world, email())
    update = world.emails.update

    async def answer_is_lost(stored, record):
        await update(stored, record)
        raise StorageUnavailable("claim")

    world.emails.update = answer_is_lost
    with pytest.raises(StorageUnavailable):
        await world.delivery.answer(bell)
    world.emails.update = update
    await world.delivery.answer(bell)  # the host shows it again
    ((after_lease, delay),) = world.doorbells.rung
    assert (world.provider.submissions, delay) == ([], (await world.record(bell)).lease_until + EARLY - NOON)
    world.clock.now += delay
    await world.delivery.answer(after_lease)
    record = await world.record(bell)
    assert (record.status, [one.outcome for one in record.attempts]) == (Status.SENT, ["unconfirmed", "delivered"])


# what the worker wrote before its lease was over
@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (Event.RETURN, {"next_attempt_at": NOON + LEASE}),
        (Event.RETURN, {"next_attempt_at": NOON + 2 * LEASE}),
        (Event.SEND, {}),
    ],
)
async def test_doorbell_after_the_lease_ends_quietly_where_the_worker_went_on(event, changes):
    world = World()
    bell, after_lease = await claimed_meanwhile(world)
    stored = await world.emails.get(bell.email_id)
    done = stored.record.after(event, NOON, **changes)
    await (world.emails.end if done.ended else world.emails.update)(stored, done)
    world.clock.now += LEASE + EARLY
    await world.delivery.answer(after_lease)
    assert (world.provider.submissions, world.doorbells.rung) == ([], [])


async def test_doorbell_after_the_lease_never_leads_to_another_one():
    world = World()
    bell, after_lease = await claimed_meanwhile(world)
    await world.delivery.answer(after_lease)  # too early
    stored = await world.emails.get(bell.email_id)
    await world.emails.update(stored, replace(stored.record, claims=2, lease_until=NOON + 2 * LEASE))
    world.clock.now += LEASE + EARLY
    await world.delivery.answer(after_lease)  # another worker has claimed it since
    assert (world.provider.submissions, world.doorbells.rung) == ([], [])


async def test_loser_of_the_claim_sends_nothing():
    world = World()
    bell = await world.keep(email())

    async def lost(*_):
        raise LostRace(bell.email_id)

    world.emails.update = lost
    await world.delivery.answer(bell)
    assert world.provider.submissions == []


async def test_outcome_of_a_worker_that_lost_its_lease_is_not_written_over_the_other_s():
    world = World(BUSY)
    bell = await world.keep(email())
    submit = world.provider.submit

    async def another_worker_takes_over(submission):
        stored = await world.emails.get(bell.email_id)
        await world.emails.update(stored, replace(stored.record, claims=99))
        return await submit(submission)

    world.provider.submit = another_worker_takes_over
    await world.delivery.answer(bell)
    assert (await world.record(bell)).claims == 99
    assert (await world.record(bell)).attempts == ()
    assert world.doorbells.rung == []


async def test_doorbell_that_carries_the_email_needs_no_read():
    world = World(DELIVERED)
    await world.keep(email())
    (stored,) = world.emails._emails.values()
    world.emails.get = None
    await world.delivery.answer(Doorbell.of(stored))
    assert len(world.provider.submissions) == 1


async def test_doorbell_that_carries_an_older_version_is_answered_from_the_table():
    world = World(DELIVERED)
    bell = await world.keep(email())
    old = await world.emails.get(bell.email_id)
    await world.emails.update(old, replace(old.record, deferrals=1))
    await world.delivery.answer(Doorbell.of(old))
    assert (await world.record(bell)).status is Status.SENT
    await world.delivery.answer(Doorbell.of(old))
    assert len(world.provider.submissions) == 1


async def test_outcome_is_recorded_as_soon_as_the_storage_is_back():
    world = World(DELIVERED)
    bell = await world.keep(email())
    end, failures = world.emails.end, [StorageUnavailable("test")] * 3

    async def end_after_failures(*writes):
        if failures:
            raise failures.pop()
        await end(*writes)

    world.emails.end = end_after_failures
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT
    assert len(world.provider.submissions) == 1


async def test_doorbell_that_fails_does_not_record_the_outcome_twice():
    world = World(BUSY)
    bell = await world.keep(email())
    update, written = world.emails.update, []

    async def counted(*write):
        written.append(write[1].status)
        return await update(*write)

    async def never(*_):
        raise StorageUnavailable("test")

    world.emails.update, world.doorbells.ring = counted, never
    with pytest.raises(StorageUnavailable):
        await world.delivery.answer(bell)
    assert written == [Status.SENDING, Status.UNSENT]


async def test_recording_is_given_up_when_the_lease_is_over():
    world = World(DELIVERED)
    bell = await world.keep(email())

    async def never(*_):
        raise StorageUnavailable("test")

    world.emails.end = never
    with pytest.raises(StorageUnavailable):
        await world.delivery.answer(bell)
    assert LEASE - timedelta(seconds=60) < world.clock.now - NOON <= LEASE


@pytest.mark.parametrize("minutes", [11, 60 * 24 * 100])
async def test_retry_that_is_far_off_is_parked_without_a_doorbell(minutes):
    wait = timedelta(minutes=minutes)
    world = World(Outcome(kind=OutcomeKind.TRANSIENT, reply="452 quota", retry_after=wait))
    bell = await world.keep(email(expires_at=NOON + 2 * wait))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).parked
    assert world.doorbells.rung == []


async def test_doorbell_of_batch_mail_parks_it_while_the_distributor_is_off():
    world = World(DELIVERED)
    await world.switch.write(DistributorState(enabled=False), None)
    batch, interactive = await world.keep(email()), await world.keep(email(mode=Mode.INTERACTIVE))
    await world.delivery.answer(batch)
    await world.delivery.answer(interactive)
    assert [(await world.record(bell)).parked for bell in (batch, interactive)] == [True, False]
    assert [(await world.record(bell)).status for bell in (batch, interactive)] == [Status.UNSENT, Status.SENT]


@pytest.mark.parametrize("end", [{"end_after_runs": 1}, {"end_date": NOON.date() - timedelta(days=1)}])
@pytest.mark.parametrize(("enabled", "status"), [(True, Status.SENT), (False, Status.UNSENT)])
async def test_what_the_last_run_has_rung_is_sent_unless_the_distributor_was_switched_off(end, enabled, status):
    world = World(DELIVERED)
    await world.switch.write(DistributorState(enabled=enabled, every_minutes=5, runs=1, **end), None)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is status


async def test_retry_of_what_the_last_run_has_rung_gets_its_doorbell():
    world = World(BUSY, DELIVERED)
    await world.switch.write(DistributorState(every_minutes=5, end_after_runs=1, runs=1), None)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    (retry, wait), *_ = world.doorbells.rung[-1:]
    world.clock.advance(seconds=wait.total_seconds())
    await world.delivery.answer(retry)
    assert (await world.record(bell)).status is Status.SENT


PARKED_UNTIL_NOON = {"parked": True, "next_attempt_at": NOON}  # and rung by the sweeper, which does not write it


async def test_email_that_was_parked_is_not_any_more_when_it_is_claimed():
    world = World(DELIVERED)
    bell = await world.keep(email(NOON - timedelta(hours=1), **PARKED_UNTIL_NOON))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.parked) == (Status.SENT, False)


async def test_email_whose_time_comes_while_the_distributor_is_off_is_parked_for_that_and_written_once():
    world = World()
    await world.switch.write(DistributorState(enabled=False), None)
    bell = await world.keep(email(NOON - timedelta(hours=1), **PARKED_UNTIL_NOON))
    assert waits_for_its_time(await world.record(bell))
    await world.delivery.answer(bell)
    stored = await world.emails.get(bell.email_id)
    assert (stored.record.parked, waits_for_its_time(stored.record)) == (True, False)
    await world.delivery.answer(bell)
    assert await world.emails.get(bell.email_id) == stored


LIMITED = Parameters(smtp_per_minute_limit=1)
SECOND = timedelta(seconds=60.5)  # when the second email may go


async def test_email_over_the_limit_returns_to_the_queue_and_is_sent_at_its_moment():
    world = World(DELIVERED, DELIVERED, parameters=LIMITED)
    first, second = await world.keep(email()), await world.keep(email())
    await world.delivery.answer(first)
    await world.delivery.answer(second)
    record = await world.record(second)
    assert (record.status, record.deferrals, record.tries, record.claims) == (Status.UNSENT, 1, 0, 0)
    assert world.doorbells.rung == [(second, SECOND - AHEAD)]
    world.clock.now = record.next_attempt_at
    await world.delivery.answer(second)
    record = await world.record(second)
    assert (record.status, world.clock.now) == (Status.SENT, NOON + SECOND)
    assert record.deferred == "deferred once by the limit of 1 a minute of smtp"


async def test_claimed_email_that_missed_its_moment_returns_without_a_try():
    world = World(DELIVERED, DELIVERED, parameters=LIMITED)
    first, second = await world.keep(email()), await world.keep(email())
    update, slow = world.emails.update, timedelta(seconds=1)

    async def slow_update(*about):
        world.clock.now += slow
        return await update(*about)

    world.emails.update = slow_update
    await world.delivery.answer(first)  # missed, and there is room for another moment
    await world.delivery.answer(second)
    assert (await world.record(first)).status is Status.SENT
    world.clock.now = (await world.record(second)).turn.permit_at
    slow = timedelta(seconds=1)
    await world.windows.write(
        "smtp", Window(reserved=((MINUTE.at(world.clock.now + slow), 1),)), (await world.windows.read("smtp"))[1]
    )
    await world.delivery.answer(second)
    record = await world.record(second)
    assert (record.status, record.deferrals, record.tries, record.in_doubt) == (Status.UNSENT, 2, 0, False)


async def test_claimed_email_that_was_not_tried_returns_without_doubt_as_soon_as_the_storage_is_back():
    world = World(parameters=LIMITED)
    late, full = timedelta(seconds=1), MINUTE.at(NOON + timedelta(seconds=1))
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(NOON), 1), (full, 1))), None)
    brought = Turn(permit_at=NOON, permit_limit=1)
    bell = await world.keep(email(turn=brought, deferrals=1, updated_at=NOON - late))
    update, failures = world.emails.update, [None, StorageUnavailable("test")]

    async def update_after_a_failure(*about):
        world.clock.now += late
        if failures and (failure := failures.pop(0)):
            raise failure
        return await update(*about)

    world.emails.update = update_after_a_failure
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.deferrals, record.in_doubt) == (Status.UNSENT, 2, False)


async def test_interactive_mail_is_not_deferred():
    world = World(DELIVERED, DELIVERED, parameters=LIMITED)
    for _ in range(2):
        await world.delivery.answer(await world.keep(email(mode=Mode.INTERACTIVE)))
    assert len(world.provider.submissions) == 2


async def test_throttle_answer_of_the_provider_slows_the_next_down():
    too_much = Outcome(kind=OutcomeKind.TRANSIENT, reply="432 4.3.2 sender thread limit exceeded", code=432)
    world = World(too_much, parameters=Parameters(smtp_per_minute_limit=100))
    await world.delivery.answer(await world.keep(email()))
    window, _ = await world.windows.read("smtp")
    assert window.slowed_to == 0.5


LOST = RecipientResult(Status.SENDING, "lost")
LOST_ATTEMPT = Attempt(NOON, "smtp", "unconfirmed", "lost", 0.1)
HOLD = Parameters(unconfirmed_policy="hold")


def in_doubt(at: datetime = NOON, **about) -> EmailRecord:
    return email(at, **{"attempts": (LOST_ATTEMPT,), "results": {BOB.address: LOST}, **about})


async def test_email_in_doubt_is_sent_again_with_the_same_message_id():
    world = World(DELIVERED)
    record = in_doubt()
    await world.delivery.answer(await world.keep(record))
    assert [one.message_id for one in world.provider.submissions] == [record.message_id]


async def test_email_in_doubt_is_held_where_the_parameter_says_so():
    world = World(parameters=HOLD)
    bell = await world.keep(in_doubt())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.held, record.attempts[-1].outcome) == (Status.UNSENT, True, "held")
    assert (world.doorbells.rung, world.provider.submissions) == ([], [])
    await world.delivery.answer(bell)
    assert world.provider.submissions == []


@pytest.mark.parametrize("parameters", [Parameters(), HOLD])
@pytest.mark.parametrize(("proof", "submissions"), [(Proof.SENT, 0), (Proof.NOT_SENT, 1)])
async def test_proof_of_the_provider_settles_the_doubt(parameters, proof, submissions):
    world = World(DELIVERED, parameters=parameters)
    world.provider.proof = proof
    bell = await world.keep(in_doubt())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT
    assert len(world.provider.submissions) == submissions


async def test_email_waits_for_proof_that_comes_later():
    world = World(parameters=HOLD)
    world.provider.proof = Proof.LATER
    bell = await world.keep(in_doubt(to=(BOB, EVE)))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.held, record.results) == (Status.UNSENT, False, {BOB.address: LOST})
    assert world.provider.submissions == []


async def test_proof_is_asked_and_holds_only_for_those_in_doubt():
    world = World(DELIVERED, parameters=HOLD)
    asked = []

    async def was_sent(envelope):
        asked.append(envelope.recipients)
        return Proof.SENT

    world.provider.was_sent = was_sent
    bell = await world.keep(in_doubt(to=(BOB, EVE)))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (asked, world.provider.submissions) == ([(BOB.address,)], [])
    assert (record.status, record.results[BOB.address].status) == (Status.UNSENT, Status.SENT)
    world.clock.now = record.due_at
    await world.delivery.answer(bell)
    assert [one.recipients for one in world.provider.submissions] == [(EVE.address,)]
    assert (await world.record(bell)).status is Status.SENT


async def test_proof_that_never_comes_is_none():
    world = World(parameters=HOLD)
    world.provider.proof = Proof.LATER
    bell = await world.keep(in_doubt(attempts=(LOST_ATTEMPT,) * (MOST_QUESTIONS + 1)))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).held


async def test_handle_is_kept_before_the_outcome_and_handed_over_the_next_time():
    world = World(replace(BUSY, kind=OutcomeKind.UNCONFIRMED), DELIVERED)
    world.provider.handle = "draft"
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    world.clock.advance(seconds=30)
    await world.delivery.answer(bell)
    assert [one.handle for one in world.provider.submissions] == [None, "draft"]


async def test_deferred_email_waits_as_long_as_it_is_told_without_an_attempt():
    world = World(Outcome(kind=OutcomeKind.DEFERRED, reply="busy", retry_after=timedelta(seconds=5)))
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.attempts, record.tries, record.deferrals) == ((), 0, 1)
    assert record.next_attempt_at == NOON + timedelta(seconds=5)


async def test_trace_is_kept_with_the_attempt():
    world = World(replace(DELIVERED, trace="request-id 1"))
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    assert (await world.record(bell)).attempts[0].trace == "request-id 1"


async def test_worker_that_died_leaves_an_unconfirmed_attempt_in_the_record():
    world = World(DELIVERED)
    bell = await world.keep(email().after(Event.CLAIM, NOON, lease_until=NOON))
    await world.delivery.answer(bell)
    attempts = (await world.record(bell)).attempts
    assert [(one.outcome, one.diagnosis) for one in attempts] == [("unconfirmed", "answer-lost"), ("delivered", None)]


async def test_worker_that_died_leaves_those_in_doubt_whom_nobody_had_answered():
    world = World(parameters=HOLD)
    results = {BOB.address: RecipientResult(Status.SENT, "250 OK")}
    bell = await world.keep(email(to=(BOB, EVE), results=results).after(Event.CLAIM, NOON, lease_until=NOON))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.held, record.recipients_in_doubt, world.provider.submissions) == (True, (EVE.address,), [])


@pytest.mark.parametrize(("event", "status"), [(Event.EXPIRE, Status.EXPIRED), (Event.CANCEL, Status.CANCELED)])
def test_doubt_ends_with_the_email_and_its_words_stay(event, status):
    record = in_doubt(to=(BOB, EVE)).after(event, NOON)
    assert (record.in_doubt, record.results) == (False, {BOB.address: RecipientResult(status, "lost")})


async def test_email_of_a_worker_that_died_expires_when_its_time_is_over():
    world = World()
    bell = await world.keep(email(expires_at=NOON).after(Event.CLAIM, NOON, lease_until=NOON))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, [one.outcome for one in record.attempts]) == (Status.EXPIRED, ["unconfirmed"])


async def test_attempt_begins_with_the_hand_over_and_not_with_what_is_done_before():
    world = World(DELIVERED)
    content = world.emails.content

    async def slow(stored):
        world.clock.advance(seconds=5)
        return await content(stored)

    world.emails.content = slow
    bell = await world.keep(email(size=len(LARGE)), LARGE)
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.attempts[0].at, record.ended_at) == (NOON + timedelta(seconds=5), NOON + timedelta(seconds=5))


@pytest.mark.parametrize("error", [StorageUnavailable("test"), TimeoutError(), KeyError("nobody expects it")])
async def test_content_that_cannot_be_read_now_is_tried_again_and_leaves_no_doubt(error):
    world = World()
    bell = await world.keep(email(size=len(LARGE)), LARGE)

    async def away(_):
        raise error

    world.emails.content = away
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.attempts[0].outcome, record.in_doubt) == (Status.UNSENT, "transient", False)


@pytest.mark.parametrize("event", [Event.CANCEL, Event.EXPIRE, Event.CONFIRM])
def test_email_that_has_ended_is_not_held(event):
    assert not email(held=True).after(event, NOON).held


async def test_doorbell_put_aside_does_not_bring_a_scheduled_email_forward():
    world = World()
    bell = await world.keep(email(send_at=NOON + timedelta(minutes=5)))
    await world.delivery.put_aside(bell)
    assert world.doorbells.rung == [(bell, timedelta(minutes=5))]


async def test_doorbell_put_aside_is_recorded_and_rings_again_later():
    world = World()
    bell = await world.keep(email())
    await world.delivery.put_aside(bell)
    record = await world.record(bell)
    assert (record.status, record.attempts[0].outcome) == (Status.UNSENT, "put aside")
    assert record.attempts[0].diagnosis == "put-aside"
    assert world.doorbells.rung == [(bell, timedelta(seconds=30))]


async def test_email_put_aside_again_and_again_fails():
    world = World()
    bell = await world.keep(email())
    for _ in range(MOST_POISONINGS):
        await world.delivery.put_aside(bell)
    assert (await world.record(bell)).status is Status.FAILED


@pytest.mark.parametrize("status", [Status.SENDING, Status.SENT])
async def test_doorbell_put_aside_changes_nothing_of_an_email_that_is_not_unsent(status):
    world = World()
    bell = await world.keep(email(status=status))
    await world.delivery.put_aside(bell)
    assert (await world.record(bell)).attempts == ()


async def test_provider_that_raises_leaves_the_email_unconfirmed_and_to_be_retried():
    world = World(RuntimeError("boom bob@example.com"))
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.attempts[0].outcome) == (Status.UNSENT, "unconfirmed")
    assert "bob" not in record.attempts[0].reply


async def test_provider_that_raises_when_asked_for_proof_leaves_the_email_in_doubt():
    world = World(DELIVERED)

    async def was_sent(envelope):
        raise RuntimeError("boom")

    world.provider.was_sent = was_sent
    bell = await world.keep(in_doubt())
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.in_doubt, world.provider.submissions) == (Status.UNSENT, True, [])


async def test_provider_that_is_not_configured_any_more_keeps_the_email_waiting():
    world = World()
    bell = await world.keep(email(provider="graph"))
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.status, record.attempts[0].outcome) == (Status.UNSENT, "configuration")


async def test_lost_content_fails_with_that_reason():
    world = World()
    record = email(size=100_000)
    await world.emails.insert(record, bytes(100_000))
    world.emails._blobs.clear()
    await world.delivery.answer(Doorbell(record.id, record.mode))
    stored = (await world.emails.get(record.id)).record
    assert stored.status is Status.FAILED
    assert "content" in stored.attempts[0].reply


async def test_only_waiting_recipients_are_tried_again():
    partly = Outcome(
        kind=OutcomeKind.PARTLY_DELIVERED, reply="250 OK", recipients={BOB.address: ACCEPTED, EVE.address: LATER}
    )
    world = World(partly, DELIVERED)
    bell = await world.keep(email(to=(BOB, EVE)))
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.UNSENT
    world.clock.advance(seconds=30)
    await world.delivery.answer(bell)
    assert [one.recipients for one in world.provider.submissions] == [
        ("bob@example.com", "eve@example.com"),
        ("eve@example.com",),
    ]
    assert (await world.record(bell)).status is Status.SENT


# ---- a paused provider

LOCKED_OUT = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)


async def answer_new(world: World, mime: bytes = MIME) -> EmailRecord:
    """One more email comes and its doorbell rings."""
    bell = await world.keep(email(world.clock(), size=len(mime)), mime)
    await world.delivery.answer(bell)
    return await world.record(bell)


async def test_refused_sign_in_leaves_the_mail_unsent_until_the_pause_is_over():
    world = World(LOCKED_OUT)
    tried = await answer_new(world)
    waits = await answer_new(world)
    assert (tried.status, tried.tries, tried.next_attempt_at) == (Status.UNSENT, 1, NOON + FIRST_PAUSE)
    assert (waits.status, waits.tries, waits.next_attempt_at) == (Status.UNSENT, 0, NOON + FIRST_PAUSE)
    assert (waits.attempts, waits.claims) == ((), 0)
    assert (tried.waits_for_provider, waits.waits_for_provider) == (True, True)
    assert [delay for _, delay in world.doorbells.rung] == [FIRST_PAUSE, FIRST_PAUSE]
    assert len(world.provider.submissions) == 1


async def test_after_the_pause_one_email_goes_first_and_the_others_wait_for_it():
    world = World(LOCKED_OUT, LOCKED_OUT)
    await answer_new(world)
    world.clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert (await answer_new(world)).tries == 1
    waits = await answer_new(world)
    assert len(world.provider.submissions) == 2
    assert waits.next_attempt_at == world.clock() + 2 * FIRST_PAUSE


async def test_probe_that_gets_through_lifts_the_pause():
    world = World(LOCKED_OUT, DELIVERED, DELIVERED)
    await answer_new(world)
    world.clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert [(await answer_new(world)).status for _ in range(2)] == [Status.SENT, Status.SENT]
    assert (await world.states.read(row_of(world.provider)))[0] == ProviderState()


async def test_email_that_is_sent_or_fails_by_itself_waits_for_no_provider_any_more():
    world = World(DELIVERED, BUSY)
    for status in (Status.SENT, Status.UNSENT):
        bell = await world.keep(email(waits_for_provider=True))
        await world.delivery.answer(bell)
        record = await world.record(bell)
        assert (record.status, record.waits_for_provider) == (status, False)


async def test_email_that_was_under_way_when_the_pause_began_does_not_lift_it():
    world = World(DELIVERED)
    bell = await world.keep(email())
    submit = world.provider.submit

    async def is_refused_elsewhere(submission: Submission) -> Outcome:
        world.clock.advance(seconds=1)
        await world.pauses.learn(world.provider, LOCKED_OUT, world.clock())
        return await submit(submission)

    world.provider.submit = is_refused_elsewhere
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.SENT
    assert (await world.states.read(row_of(world.provider)))[0].refusals == 1


async def test_pause_of_another_configuration_holds_nobody_up():
    world = World(LOCKED_OUT, DELIVERED)
    await answer_new(world)
    world.provider.configuration = "mended"
    assert (await answer_new(world)).status is Status.SENT


async def test_fault_of_one_email_s_sender_pauses_nothing():
    not_as_this_sender = replace(LOCKED_OUT, stage="mail")
    world = World(not_as_this_sender, DELIVERED)
    assert (await answer_new(world)).status is Status.UNSENT
    assert (await answer_new(world)).status is Status.SENT


async def test_email_of_a_paused_provider_still_expires():
    world = World(LOCKED_OUT)
    await answer_new(world)
    bell = await world.keep(email(expires_at=NOON + timedelta(seconds=30)))
    world.clock.advance(seconds=30)
    await world.delivery.answer(bell)
    assert (await world.record(bell)).status is Status.EXPIRED


# ---- what the provider keeps of an email that has ended


@pytest.mark.parametrize(
    ("outcome", "about", "discarded"),
    [
        (REFUSED, {}, [("draft", False)]),
        (DELIVERED, {}, []),
        (BUSY, {}, []),
        (None, {"expires_at": NOON, "handle": "draft"}, [("draft", False)]),
        (None, {"expires_at": NOON}, []),
    ],
)
async def test_draft_of_an_email_that_ends_unsent_is_discarded(outcome, about, discarded):
    world = World(*[outcome] * bool(outcome))
    world.provider.handle = "draft"
    await world.delivery.answer(await world.keep(email(**about)))
    assert world.provider.discarded == discarded


async def test_draft_of_an_email_that_may_have_been_sent_is_discarded_with_that_doubt():
    world = World()
    await world.delivery.answer(await world.keep(in_doubt(expires_at=NOON, handle="draft")))
    assert world.provider.discarded == [("draft", True)]


@pytest.mark.parametrize(("tries", "since"), [(1, NOON - timedelta(minutes=1)), (21, NOON - timedelta(minutes=2))])
def test_no_attempt_began_before_the_first_one_that_is_kept_or_the_email_itself(tries, since):
    attempt = Attempt(NOON - timedelta(minutes=1), "smtp", "transient", "421", 0.1)
    record = email(NOON - timedelta(minutes=2), attempts=(attempt,), tries=tries)
    assert record.first_tried_at == since


# ---- a paused provider, and a sending limit

STRICT = {"throttle_mode": "strict", "smtp_per_minute_limit": 3}


async def reserved(world: World) -> int:
    window, _ = await world.windows.read("smtp")
    return sum(count for _, count in window.reserved)


async def in_five_seconds(world: World) -> None:
    """The window has no room for another email before."""
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(NOON) - MINUTE.span + 50, 3),)), None)


async def test_mail_of_a_paused_provider_asks_for_no_permit():
    world = World(LOCKED_OUT, parameters=Parameters(**STRICT))
    await answer_new(world)
    await answer_new(world)
    assert await reserved(world) == 1  # the one that was tried


async def test_only_an_email_that_has_a_permit_tries_the_provider_after_a_pause():
    world = World(LOCKED_OUT, DELIVERED, parameters=Parameters(**STRICT))
    await answer_new(world)
    world.clock.advance(seconds=FIRST_PAUSE.total_seconds())
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(world.clock()), 3),)), "1")
    waits = await answer_new(world)
    assert (waits.deferrals, (await world.pauses.state(world.provider)).probing) == (1, False)
    world.clock.advance(seconds=60.5)
    assert (await answer_new(world)).status is Status.SENT


async def test_email_that_waits_for_its_moment_while_the_provider_is_paused_stays_unsent_and_gives_it_back():
    world = World(parameters=Parameters(**STRICT))
    await in_five_seconds(world)

    async def is_refused_meanwhile(seconds: float) -> None:
        world.clock.advance(seconds=seconds)
        await world.pauses.learn(world.provider, LOCKED_OUT, world.clock())

    world.delivery._throttle._pause = is_refused_meanwhile
    record = await answer_new(world)
    assert (record.status, record.waits_for_provider, record.tries) == (Status.UNSENT, True, 0)
    assert (world.provider.submissions, await reserved(world)) == ([], 3)


@pytest.mark.parametrize("slow", ["content", "was_sent"])
async def test_what_takes_long_before_the_hand_over_is_done_before_its_moment(slow):
    world = World(DELIVERED, parameters=Parameters(**STRICT))
    await in_five_seconds(world)
    owner, began = world.emails if slow == "content" else world.provider, []
    done = getattr(owner, slow)

    async def takes_four_seconds(about):
        world.clock.advance(seconds=4)
        return await done(about)

    async def submit(submission):
        began.append(world.clock())
        return DELIVERED

    setattr(owner, slow, takes_four_seconds)
    world.provider.submit = submit
    await world.delivery.answer(await world.keep(in_doubt()))
    assert began == [NOON + timedelta(seconds=5)]


async def test_moment_of_mail_that_is_parked_as_the_distributor_was_switched_off_is_given_back():
    world = World(parameters=Parameters(**STRICT))
    for _ in range(3):
        await world.delivery._throttle.admit(email(world.clock()))
    bell = await world.keep(email(world.clock()))
    await world.delivery.answer(bell)  # deferred: its moment is a minute off
    assert await reserved(world) == 4
    await world.switch.write(DistributorState(enabled=False), None)
    world.clock.advance(seconds=10)
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.parked, record.turn.permit_at, await reserved(world)) == (True, None, 3)


async def test_pause_that_begins_while_the_content_is_read_holds_the_email_back():
    world = World(parameters=Parameters(**STRICT))
    content = world.emails.content

    async def is_refused_meanwhile(stored):
        await world.pauses.learn(world.provider, LOCKED_OUT, world.clock())
        return await content(stored)

    world.emails.content = is_refused_meanwhile
    record = await answer_new(world, LARGE)
    assert (record.status, record.waits_for_provider, world.provider.submissions) == (Status.UNSENT, True, [])


# what comes before the hand-over -> how many recipients stay counted for a next try
FOUND_OUT = [(Proof.SENT, 0), (Proof.LATER, 0), (Proof.NONE, 1), ("content away", 1), ("content gone", 0)]


@pytest.mark.parametrize(("found", "counted"), FOUND_OUT)
@pytest.mark.parametrize("worker_died", [True, False])
async def test_moment_of_an_email_that_is_not_handed_over_is_given_back(found, counted, worker_died):
    """With the recipients: but those who are to be tried again are counted for that."""
    limits = STRICT | {"recipients_per_day_limit": 100, "unconfirmed_policy": "hold"}
    world = World(parameters=Parameters(**limits))
    about = {"size": 100_000, "updated_at": NOON - timedelta(minutes=1)}
    world.provider.proof = found if isinstance(found, Proof) else Proof.NOT_SENT
    record = in_doubt(NOON - timedelta(minutes=1), **about)
    if worker_died:
        record = record.after(Event.CLAIM, NOON - LEASE, lease_until=NOON)
    await world.emails.insert(record, bytes(100_000))

    async def content(_):
        raise StorageUnavailable("test") if found == "content away" else EmailNotFound(record.id)

    world.emails.content = content
    await world.delivery.answer(Doorbell(record.id, record.mode))
    assert world.provider.submissions == []
    assert await reserved(world) == 0
    day, _ = await world.windows.read(account_of("smtp", record.sender.address))
    assert sum(count for _, count in day.reserved) == counted


async def test_reservation_of_mail_whose_provider_was_paused_meanwhile_is_given_back():
    world = World(parameters=Parameters(**STRICT))
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(NOON), 3),)), None)
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    assert await reserved(world) == 4
    await world.pauses.learn(world.provider, LOCKED_OUT, world.clock())
    world.clock.now = (await world.record(bell)).next_attempt_at
    await world.delivery.answer(bell)
    record = await world.record(bell)
    assert (record.waits_for_provider, record.turn.permit_at, await reserved(world)) == (True, None, 3)


async def test_two_doorbells_of_one_email_take_one_permit():
    world = World(DELIVERED, parameters=Parameters(**STRICT))
    await world.keep(record := email(NOON - timedelta(minutes=1)))
    stored = await world.emails.get(record.id)
    await asyncio.gather(*(world.delivery.answer(Doorbell.of(stored)) for _ in range(3)))
    assert (len(world.provider.submissions), await reserved(world)) == (1, 1)


async def test_second_doorbell_leaves_the_moment_that_the_email_brought_to_the_first():
    world = World(DELIVERED, parameters=Parameters(**STRICT, recipients_per_day_limit=100))
    moment = MINUTE.at(NOON)
    await world.windows.write("smtp", Window(reserved=((moment, 1),)), None)
    brought = Turn(permit_at=MINUTE.start(moment), permit_limit=3)
    await world.keep(record := email(turn=brought, deferrals=1, updated_at=NOON - timedelta(minutes=1)))
    stored = await world.emails.get(record.id)
    await asyncio.gather(*(world.delivery.answer(Doorbell.of(stored)) for _ in range(2)))
    assert (len(world.provider.submissions), await reserved(world)) == (1, 1)


# the first try's outcome -> how often its recipient is counted, after the second
COUNTED = [(BUSY, 1), (Outcome(kind=OutcomeKind.UNCONFIRMED, reply="timeout"), 2)]


@pytest.mark.parametrize(("outcome", "counted"), COUNTED)
async def test_recipient_is_counted_again_only_where_the_first_try_may_have_reached_it(outcome, counted):
    world = World(outcome, DELIVERED, parameters=Parameters(recipients_per_day_limit=100))
    bell = await world.keep(email())
    await world.delivery.answer(bell)
    world.clock.now = (await world.record(bell)).due_at
    await world.delivery.answer(bell)
    ((window, _),) = world.windows._windows.values()
    assert sum(count for _, count in window.reserved) == counted


async def test_moment_that_was_used_is_not_given_back_where_the_clock_was_set_back_since():
    world = World(BUSY, DELIVERED, parameters=Parameters(**STRICT))
    moment = MINUTE.at(NOON)
    await world.windows.write("smtp", Window(reserved=((moment, 1),)), None)
    brought = Turn(permit_at=MINUTE.start(moment), permit_limit=3)
    bell = await world.keep(email(turn=brought, deferrals=1, updated_at=NOON - timedelta(minutes=1)))
    submit = world.provider.submit

    async def submit_while_the_clock_is_set_back(submission: Submission) -> Outcome:
        world.clock.advance(seconds=-1)
        return await submit(submission)

    world.provider.submit = submit_while_the_clock_is_set_back
    await world.delivery.answer(bell)
    world.clock.now = (await world.record(bell)).due_at
    await world.delivery.answer(bell)
    assert (len(world.provider.submissions), await reserved(world)) == (2, 2)


async def test_email_that_fails_in_the_poison_queue_gives_its_recipients_back():
    world = World(parameters=Parameters(recipients_per_day_limit=100))
    step = DAY.at(NOON)
    await world.windows.write(account_of("smtp", email().sender.address), Window(reserved=((step, 1),)), None)
    poisoned = Attempt(NOON, "smtp", "put aside", "", 0.0)
    attempts = (poisoned,) * (MOST_POISONINGS - 1)
    bell = await world.keep(email(turn=Turn(counted_at=DAY.start(step)), attempts=attempts, tries=len(attempts)))
    await world.delivery.put_aside(bell)
    ((window, _),) = world.windows._windows.values()
    assert ((await world.record(bell)).status, window.reserved) == (Status.FAILED, ())


async def test_missed_moment_is_given_back_once_by_two_doorbells():
    world = World(DELIVERED, parameters=Parameters(**STRICT))
    missed = MINUTE.at(NOON) - 20
    await world.windows.write("smtp", Window(reserved=((missed, 2),)), None)
    late = Turn(permit_at=MINUTE.start(missed), permit_limit=3)
    await world.keep(record := email(turn=late, deferrals=1, updated_at=NOON - timedelta(minutes=1)))
    stored = await world.emails.get(record.id)
    await asyncio.gather(*(world.delivery.answer(Doorbell.of(stored)) for _ in range(2)))
    window, _ = await world.windows.read("smtp")
    assert window.reserved == ((missed, 1), (MINUTE.at(NOON), 1))


async def test_reservation_is_kept_where_only_the_answer_to_the_deferral_was_lost():
    world = World(parameters=Parameters(smtp_per_minute_limit=1, throttle_mode="strict"))
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(NOON), 1),)), None)
    bell = await world.keep(email())
    update = world.emails.update

    async def answers_never(stored, record):
        world.emails.update = update
        await update(stored, record)
        raise LostRace(record.id)

    world.emails.update = answers_never
    await world.delivery.answer(bell)
    permit_at = (await world.record(bell)).turn.permit_at
    window, _ = await world.windows.read("smtp")
    assert MINUTE.at(permit_at) in dict(window.reserved)


async def test_reservation_of_an_email_that_expires_at_its_doorbell_is_given_back():
    world = World(parameters=Parameters(**STRICT))
    await world.windows.write("smtp", Window(reserved=((MINUTE.at(NOON), 3),)), None)
    bell = await world.keep(email(expires_at=NOON + timedelta(seconds=30)))
    await world.delivery.answer(bell)
    world.clock.advance(seconds=30)
    await world.delivery.answer(bell)
    assert ((await world.record(bell)).status, await reserved(world)) == (Status.EXPIRED, 3)
