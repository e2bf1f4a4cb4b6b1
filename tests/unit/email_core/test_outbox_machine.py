"""Whatever happens to emails, in any order, the rules hold: hypothesis looks for an order in which they do not.

Processes die and lose races at every write, answers of the storage and of the provider get lost, doorbells ring twice,
late or never. The stores are those in memory; the provider does what the rule says, and counts what was delivered.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from email_core.assembly import connect
from email_core.caller import LOCAL
from email_core.delivery import LEASE, Delivery
from email_core.delivery_state import TRANSITIONS, Status
from email_core.distributor import Distributor
from email_core.errors import EmailSubsystemError, IllegalTransition, LostRace, StorageUnavailable
from email_core.message import Address, Message
from email_core.order import Order
from email_core.parameters import DEFAULT_DAYS, Parameters
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Outcome, OutcomeKind, Provider, RecipientReply, RecipientVerdict, Submission
from email_core.record import UNCONFIRMED, EmailRecord, Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.base import Doorbell, StoredEmail
from email_core.stores.memory import (
    MemoryDistributorStore,
    MemoryDoorbells,
    MemoryEmailStore,
    MemoryWindowStore,
    memory_stores,
)
from email_core.throttle import Throttle
from tests.support.emails import Clock

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PEOPLE = tuple(Address(f"{name}@example.com") for name in ("bob", "eve"))
ACCEPTED, REFUSED, LATER = (RecipientReply(verdict, "said") for verdict in RecipientVerdict)

# One write may make two steps where nothing is between them.
MOVES = {(state, after) for (state, _), after in TRANSITIONS.items()} | {
    (Status.UNSENT, Status.FAILED),  # put aside again and again
    (Status.SENDING, Status.EXPIRED),  # its worker died, and its time is over
}


class Died(BaseException):
    """The process is gone: nothing that it would have done happens any more."""


class Mishap(Enum):
    """What happens to a write."""

    LOSES_THE_RACE = auto()
    DIES_BEFORE = auto()
    DIES_AFTER = auto()
    FAILS_BEFORE = auto()
    FAILS_AFTER = auto()  # written, but nobody can know


class Fate(Enum):
    """What becomes of a submission."""

    DELIVERED = auto()
    PARTLY = auto()  # the first recipient's; the others later
    PARTLY_REFUSED = auto()
    TRANSIENT = auto()
    COME_BACK_IN_TWO_HOURS = auto()
    PERMANENT = auto()
    CONFIGURATION = auto()
    DELIVERED_ANSWER_LOST = auto()
    NOT_DELIVERED_ANSWER_LOST = auto()
    RAISES = auto()
    DELIVERED_THEN_RAISES = auto()
    DIES = auto()
    DELIVERED_THEN_DIES = auto()
    FIRST_DELIVERED_ANSWER_LOST = auto()  # the others had no turn
    FIRST_DELIVERED_THEN_DIES = auto()  # in a part of its own, before the others' turn
    OTHERS_DELIVERED_THEN_DIES = auto()  # in the second part, after the first was accepted
    DELIVERED_AFTER_THE_LEASE = auto()  # meanwhile another worker takes over


@dataclass
class Trouble:
    """Strikes the `nth` write from now, once."""

    mishap: Mishap | None = None
    nth: int = 1

    def strikes(self) -> Mishap | None:
        self.nth -= 1
        return self.mishap if self.nth == 0 else None


class WatchedStore(MemoryEmailStore):
    """Has the mishaps it is told to have, and refuses what no email may ever do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.trouble = Trouble()
        self.accepted: dict[str, EmailRecord] = {}

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        mishap = self._before(None)
        stored = await super().insert(record, mime)
        self.accepted[record.id] = record
        self._after(mishap)
        return stored

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        mishap = self._before(stored)
        updated = await super().update(stored, record)
        self._after(mishap)
        return updated

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        mishap = self._before(stored)
        await super().end(stored, record)
        self._after(mishap)

    def _before(self, stored: StoredEmail | None) -> Mishap | None:
        mishap = self.trouble.strikes()
        match mishap:
            case Mishap.DIES_BEFORE:
                raise Died
            case Mishap.FAILS_BEFORE:
                raise StorageUnavailable("test")
            case Mishap.LOSES_THE_RACE if stored is not None:
                last = self._emails.get(stored.record.id)
                if last is not None and not last.record.ended:
                    self._keep(replace(last.record, deferrals=last.record.deferrals + 1), last.inline)
        return mishap

    def _after(self, mishap: Mishap | None) -> None:
        match mishap:
            case Mishap.DIES_AFTER:
                raise Died
            case Mishap.FAILS_AFTER:
                raise StorageUnavailable("test")

    def _keep(self, after: EmailRecord, inline: bytes | None) -> StoredEmail:
        before = self._emails.get(after.id)
        if before is not None:
            assert not before.record.ended, f"{before.record} became {after}"
            old = before.record.status
            assert old is after.status or (old, after.status) in MOVES, f"{old} became {after.status}"
            if old is Status.SENDING and after.claimed_by != before.record.claimed_by:
                assert before.record.lease_until <= self.clock(), f"{after} was taken from a living worker"
        assert after.ended == (after.ended_at is not None)
        assert not (after.ended and after.held), f"{after} has ended and waits for an administrator"
        return super()._keep(after, inline)


class FatefulProvider(Provider):
    name = "smtp"

    def __init__(self, clock: Clock, emails: WatchedStore) -> None:
        self.fate = Fate.DELIVERED
        self.delivered: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.take_over = None
        self._clock = clock
        self._emails = emails

    async def submit(self, submission: Submission) -> Outcome:
        fate, self.fate = self.fate, Fate.DELIVERED
        self._check_claimed(submission)
        first, *others = submission.recipients
        match fate:
            case Fate.DELIVERED:
                self._deliver(submission)
                return Outcome(kind=OutcomeKind.DELIVERED, reply="250")
            case Fate.PARTLY | Fate.PARTLY_REFUSED:
                self._deliver(submission, first)
                other = LATER if fate is Fate.PARTLY else REFUSED
                replies = {first: ACCEPTED} | dict.fromkeys(others, other)
                return Outcome(kind=OutcomeKind.PARTLY_DELIVERED, reply="250", recipients=replies)
            case Fate.COME_BACK_IN_TWO_HOURS:
                return Outcome(kind=OutcomeKind.TRANSIENT, reply="452", retry_after=2 * 60 * MINUTE)
            case Fate.TRANSIENT | Fate.PERMANENT | Fate.CONFIGURATION:
                return Outcome(kind=OutcomeKind[fate.name], reply="no")
            case Fate.NOT_DELIVERED_ANSWER_LOST:
                return Outcome(kind=OutcomeKind.UNCONFIRMED, reply="lost")
            case Fate.RAISES:
                raise RuntimeError
            case Fate.DIES:
                raise Died
            case Fate.FIRST_DELIVERED_ANSWER_LOST:
                self._deliver(submission, first)
                return Outcome(kind=OutcomeKind.UNCONFIRMED, reply="lost", recipients=dict.fromkeys(others, LATER))
            case Fate.FIRST_DELIVERED_THEN_DIES | Fate.OTHERS_DELIVERED_THEN_DIES:
                return await self._in_two_parts(submission, dies_in_the_second=fate is Fate.OTHERS_DELIVERED_THEN_DIES)
        self._deliver(submission)
        match fate:
            case Fate.DELIVERED_ANSWER_LOST:
                return Outcome(kind=OutcomeKind.UNCONFIRMED, reply="lost")
            case Fate.DELIVERED_THEN_RAISES:
                raise RuntimeError
            case Fate.DELIVERED_THEN_DIES:
                raise Died
        self._clock.advance(seconds=LEASE.total_seconds() + 1)
        await self.take_over(self._email_of(submission))
        return Outcome(kind=OutcomeKind.DELIVERED, reply="250, at last")

    async def _in_two_parts(self, submission: Submission, *, dies_in_the_second: bool) -> Outcome:
        first, others = submission.recipients[:1], submission.recipients[1:]
        said: dict[str, RecipientReply] = {}
        try:
            await submission.keep_progress(said, first)
            self._deliver(submission, *first)
            if dies_in_the_second and others:
                said = dict.fromkeys(first, ACCEPTED)
                await submission.keep_progress(said, others)
                self._deliver(submission, *others)
        except (LostRace, StorageUnavailable):
            replies = dict.fromkeys(submission.recipients, LATER) | dict.fromkeys(first, ACCEPTED) if said else {}
            return Outcome(
                kind=OutcomeKind.PARTLY_DELIVERED if said else OutcomeKind.TRANSIENT, reply="no", recipients=replies
            )
        raise Died

    def _deliver(self, submission: Submission, *recipients: str) -> None:
        self.delivered[submission.message_id].update(recipients or submission.recipients)

    def _check_claimed(self, submission: Submission) -> None:
        record = self._email_of(submission)
        assert record.status is Status.SENDING, f"{record} was handed over"
        assert submission.recipients == record.open_recipients

    def _email_of(self, submission: Submission) -> EmailRecord:
        (found,) = (
            stored.record
            for stored in self._emails._emails.values()
            if stored.record.message_id == submission.message_id
        )
        return found


ANY = st.integers(0, 20)  # counted from the newest, round and round
MISHAPS = st.builds(Trouble, st.sampled_from([None] * 10 + [*Mishap]), st.integers(1, 2))
FATES = st.sampled_from(Fate)
LOST_ANSWERS = (Fate.DELIVERED_ANSWER_LOST, Fate.FIRST_DELIVERED_ANSWER_LOST)
MOST_EMAILS = 3  # few, so that much happens to each


class OutboxMachine(RuleBasedStateMachine):
    policy = "resend"
    limits: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.emails, self.doorbells = WatchedStore(self.clock), MemoryDoorbells()
        self.provider = FatefulProvider(self.clock, self.emails)
        self.provider.take_over = self.take_over
        self.windows = MemoryWindowStore()
        self.let_go: Counter[str] = Counter()
        self.vouched_for: set[tuple[str, str]] = set()
        self.core = self.assembled(MemoryDistributorStore())

    def assembled(self, switch: MemoryDistributorStore):
        parameters = Parameters(unconfirmed_policy=self.policy, **self.limits)
        providers = {"smtp": self.provider}
        stores = replace(
            memory_stores(), emails=self.emails, doorbells=self.doorbells, distributor=switch, windows=self.windows
        )
        core = connect(
            stores=stores,
            providers=providers,
            parameters=parameters,
            secrets=MemorySecrets(self.clock),
            clock=self.clock,
        )
        delivery = Delivery(
            emails=self.emails,
            doorbells=self.doorbells,
            providers=providers,
            parameters=parameters,
            distributor=Distributor(switch, self.clock),
            pauses=ProviderPauses(stores.providers, self.clock),
            throttle=Throttle(self.windows, parameters, self.clock, chance=lambda: 0.5, pause=self.pause),
            clock=self.clock,
            chance=lambda: 0.5,
            pause=self.pause,
        )
        return replace(core, delivery=delivery)

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    async def take_over(self, record: EmailRecord) -> None:
        await self.core.sweeper.sweep(self.clock() + MINUTE)
        await self.core.delivery.answer(Doorbell(record.id, record.mode))

    def does(self, call, trouble: Trouble | None = None, *, may_refuse: type[EmailSubsystemError] = StorageUnavailable):
        """What the call returned, or None where its process died or was refused."""
        self.emails.trouble = trouble or Trouble()
        try:
            return self.runner.run(call)
        except (Died, StorageUnavailable, LostRace, may_refuse):
            return None
        finally:
            self.emails.trouble = Trouble()
            self.provider.fate = Fate.DELIVERED

    def until(self):
        return self.clock() + 5 * MINUTE

    @property
    def records(self) -> list[EmailRecord]:
        return [stored.record for stored in self.emails._emails.values()]

    def some_email(self, number: int) -> EmailRecord:
        return self.records[number % len(self.records)]

    def some_doorbell(self, number: int) -> int:
        return -1 - number % len(self.doorbells.rung)

    # ---- what callers and administrators do

    @precondition(lambda self: len(self.records) < MOST_EMAILS)
    @rule(
        mode=st.sampled_from(Mode),
        to=st.sampled_from([PEOPLE[:1], PEOPLE]),
        send_in=st.sampled_from([None, None, 5, 120]),
        expires_in=st.sampled_from([None, None, 6, 180]),
        trouble=MISHAPS,
    )
    def accept(self, mode, to, send_in, expires_in, trouble):
        self.clock.advance(seconds=1)  # an order of ids that chance has no part in
        now = self.clock()
        order = Order(
            mode=mode,
            send_at=send_in and now + send_in * MINUTE,
            expires_at=expires_in and now + ((send_in or 0) + expires_in) * MINUTE,
        )
        message = Message(sender=Address("ann@contoso.com"), to=to, subject="Statement", text="Hello")
        record = self.does(self.prepare_and_accept(message, order), trouble)
        assert record is None or record.id in self.emails.accepted

    async def prepare_and_accept(self, message, order):
        return await self.core.outbox.accept(await self.core.composer.prepare(message, order, LOCAL))

    @precondition(lambda self: self.records)
    @rule(number=ANY, trouble=MISHAPS)
    def cancel(self, number, trouble):
        self.does(self.core.outbox.cancel(self.some_email(number).id), trouble, may_refuse=IllegalTransition)

    @precondition(lambda self: self.records)
    @rule(number=ANY, trouble=MISHAPS)
    def resend(self, number, trouble):
        email = self.some_email(number)
        self.let_go[email.id] += email.held
        self.does(self.core.outbox.resend(email.id), trouble, may_refuse=IllegalTransition)

    @precondition(lambda self: any(record.held for record in self.records))
    @rule(trouble=MISHAPS)
    def mark_sent(self, trouble):
        held = next(record for record in self.records if record.held)
        self.vouched_for.update((held.id, recipient) for recipient in held.recipients_in_doubt)
        self.does(self.core.outbox.mark_sent(held.id), trouble, may_refuse=IllegalTransition)

    @rule(enabled=st.sampled_from([True, True, False]), every_minutes=st.sampled_from([0, 0, 30]), trouble=MISHAPS)
    def switch_distributor(self, enabled, every_minutes, trouble):
        change = self.core.distribution.change(
            lambda state, now: replace(state, enabled=enabled, every_minutes=every_minutes)
        )
        self.does(change, trouble, may_refuse=LostRace)

    # ---- what queues and timers do

    @precondition(lambda self: self.doorbells.rung)
    @rule(number=ANY, fate=FATES, trouble=MISHAPS)
    def answer(self, number, fate, trouble):
        doorbell, _ = self.doorbells.rung[self.some_doorbell(number)]
        self.provider.fate = fate
        self.does(self.core.delivery.answer(doorbell), trouble)

    @precondition(lambda self: self.doorbells.rung)
    @rule(number=ANY, fate=st.sampled_from(LOST_ANSWERS), asks_again=st.booleans())
    def lose_the_answer(self, number, fate, asks_again):
        """What chance brings too seldom: an email in doubt, and held where that is the policy."""
        doorbell, _ = self.doorbells.rung[self.some_doorbell(number)]
        self.provider.fate = fate
        self.does(self.core.delivery.answer(doorbell))
        self.clock.advance(minutes=1)
        if asks_again:
            self.does(self.core.delivery.answer(doorbell))

    @precondition(lambda self: self.doorbells.rung)
    @rule(number=ANY, trouble=MISHAPS)
    def put_aside(self, number, trouble):
        doorbell, _ = self.doorbells.rung[self.some_doorbell(number)]
        self.does(self.core.delivery.put_aside(doorbell), trouble)

    @precondition(lambda self: self.doorbells.rung)
    @rule(number=ANY)
    def lose_doorbell(self, number):
        del self.doorbells.rung[self.some_doorbell(number)]

    @rule(trouble=MISHAPS)
    def sweep(self, trouble):
        self.does(self.core.sweeper.sweep(self.until()), trouble)

    @rule(trouble=MISHAPS)
    def run_distributor(self, trouble):
        self.does(self.core.distribution.run_when_due(self.until()), trouble)

    @rule(trouble=MISHAPS)
    def expire(self, trouble):
        self.does(self.core.retention.expire(self.until()), trouble)

    @rule()
    def purge(self):
        self.does(self.core.retention.purge(self.until()))

    @rule(minutes=st.sampled_from([*[0.5, 1, 5, 7, 11, 60] * 4, 24 * 60, 31 * 24 * 60]))
    def time_passes(self, minutes):
        self.clock.advance(minutes=minutes)

    # ---- what must always be true

    @invariant()
    def no_accepted_email_is_missing_before_its_retention_is_over(self):
        kept = self.emails._emails
        for email_id, last in list(self.emails.accepted.items()):
            if email_id in kept:
                self.emails.accepted[email_id] = kept[email_id].record
            else:
                assert last.ended_at is not None, f"{last} is missing"
                assert last.ended_at + DEFAULT_DAYS * DAY < self.clock()
                del self.emails.accepted[email_id]

    @invariant()
    def nobody_got_an_email_twice_unless_an_attempt_is_unconfirmed(self):
        for record in self.records:
            allowed = 1 + sum(attempt.outcome == UNCONFIRMED for attempt in record.attempts)
            if self.policy == "hold":
                allowed = 1 + self.let_go[record.id]
            for recipient, count in self.provider.delivered[record.message_id].items():
                assert count <= allowed, f"{recipient} got {record} {count} times; {record.attempts}"

    @invariant()
    def record_of_an_ended_email_says_who_got_it(self):
        for record in self.records:
            if not record.ended:
                continue
            got = self.provider.delivered[record.message_id]
            in_doubt = any(attempt.outcome == UNCONFIRMED for attempt in record.attempts)
            for recipient in record.recipients:
                if (record.id, recipient) in self.vouched_for:
                    continue
                result = record.results.get(recipient)
                says_sent = (result.status if result else record.status) is Status.SENT
                assert got[recipient] > 0 or not says_sent, f"{record} did not reach {recipient}"
                assert says_sent or in_doubt or not got[recipient], f"{record} reached {recipient}"

    def teardown(self):
        """Every doorbell is lost, the provider is well, the distributor on: the timers alone bring all to its end."""
        try:
            self.does(self.core.distribution.change(lambda state, now: replace(state, enabled=True, every_minutes=0)))
            for _ in range(60):
                self.doorbells.rung.clear()
                self.clock.advance(minutes=6)
                self.does(self.core.sweeper.sweep(self.until()))
                for doorbell, _ in list(self.doorbells.rung):
                    self.does(self.core.delivery.answer(doorbell))
            waiting = [record for record in self.records if not (record.ended or record.held)]
            assert not waiting, f"{waiting} did not end"
            self.no_accepted_email_is_missing_before_its_retention_is_over()
            self.nobody_got_an_email_twice_unless_an_attempt_is_unconfirmed()
            self.record_of_an_ended_email_says_who_got_it()
        finally:
            self.runner.close()


class HoldingOutboxMachine(OutboxMachine):
    """With the parameter that asks an administrator in doubt."""

    policy = "hold"


class LimitedOutboxMachine(OutboxMachine):
    """With a sending limit that nearly every email meets, and that lets nobody go regardless."""

    limits: ClassVar = {"smtp_per_minute_limit": 1, "recipients_per_day_limit": 50, "throttle_mode": "strict"}


SETTINGS = settings(
    max_examples=200,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("machine", [OutboxMachine, HoldingOutboxMachine, LimitedOutboxMachine])
def test_rules_hold_whatever_happens(machine, monkeypatch, caplog):
    monkeypatch.setattr("email_core.composer.secrets.randbelow", lambda _: 0)  # one shard: the same every time
    caplog.set_level(logging.CRITICAL)
    case = machine.TestCase()
    case.settings = SETTINGS
    case.runTest()
