"""What a sending limit does to an email, over the memory store and a clock that waits move."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from email_core.day_limit import DayStatus
from email_core.deferral import Deferral
from email_core.diagnosis import diagnose
from email_core.errors import StorageUnavailable
from email_core.message import Address, Importance
from email_core.parameters import Parameters
from email_core.record import Attempt, EmailRecord, Mode, Turn
from email_core.stores.memory import MemoryWindowStore
from email_core.throttle import (
    AHEAD,
    MOST_EARLIER,
    MOST_MISSES,
    MOST_PROMISED,
    NEAR,
    RACES,
    Throttle,
    ThrottleStatus,
    says_too_much,
)
from email_core.throttling import MINUTE, Window
from email_core.window_book import turn_of
from tests.support.emails import NOON, Clock, email

LIMIT = {"smtp_per_minute_limit": 3}
STRICT = LIMIT | {"throttle_mode": "strict"}
LATER = timedelta(seconds=60.5)  # when the limit used up at noon is free again


class CountingStore(MemoryWindowStore):
    """`takes`: how many seconds a write takes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.takes = 0.0
        self.requests = 0
        self.away = False

    async def read(self, account):
        self._count()
        return await super().read(account)

    async def write(self, account, window, etag):
        self._count()
        self.clock.advance(seconds=self.takes)
        return await super().write(account, window, etag)

    def _count(self) -> None:
        self.requests += 1
        if self.away:
            raise StorageUnavailable("test")


class World:
    def __init__(self, **parameters) -> None:
        self.clock = Clock()
        self.store = CountingStore(self.clock)
        self.throttle = self.instance(**parameters)

    def instance(self, **parameters) -> Throttle:
        return Throttle(self.store, Parameters(**parameters), self.clock, chance=lambda: 0.5, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    async def admitted(self, number: int, **about) -> list[Turn | Deferral | None]:
        return [await self.throttle.admit(email(**about)) for _ in range(number)]

    async def deferred(self, record: EmailRecord | None = None) -> EmailRecord:
        """A new email, or this one, that must be deferred: as it stands in the table."""
        record = record or email()
        got = await self.throttle.admit(record)
        assert isinstance(got, Deferral), got
        return got.of(record, self.clock())

    async def comes_back(self, record: EmailRecord) -> Turn | Deferral | None:
        self.clock.now = max(self.clock.now, record.next_attempt_at)
        return await self.throttle.admit(record)


async def used_up(**parameters) -> World:
    """The limit of 3 a minute is used up at noon."""
    world = World(**(parameters or LIMIT))
    assert all(one.permit_at == NOON for one in await world.admitted(3))
    return world


# ---- within the limit


async def test_without_a_limit_nothing_is_asked():
    world = World()
    assert await world.admitted(3) == [None] * 3
    await world.throttle.learn(THROTTLED)
    assert world.store.requests == 0


async def test_interactive_mail_never_waits_and_does_not_count():
    world = World(**LIMIT)
    assert await world.admitted(10, mode=Mode.INTERACTIVE) == [None] * 10
    assert world.store.requests == 0


async def test_other_providers_have_limits_of_their_own():
    world = await used_up(**LIMIT, graph_per_minute_limit=1)
    assert (await world.throttle.admit(email(provider="graph"))).permit_at == NOON


# ---- over the limit


async def test_email_over_the_limit_is_deferred_and_sent_at_its_moment_without_asking():
    world = await used_up()
    record = await world.deferred()
    assert (record.next_attempt_at, record.turn.permit_at) == (NOON + LATER - AHEAD, NOON + LATER)
    asked = world.store.requests
    turn = await world.comes_back(record)
    assert await world.throttle.wait(record, turn) == turn
    assert (world.clock.now, world.store.requests) == (NOON + LATER, asked)


async def test_history_says_which_limit_deferred_it_and_how_often():
    world = await used_up()
    record = await world.deferred()
    assert record.deferred == "deferred once by the limit of 3 a minute of smtp"
    assert replace(record, deferrals=3).deferred == "deferred 3 times by the limit of 3 a minute of smtp"
    assert email().deferred is None


async def test_permit_that_is_near_is_waited_for():
    world = await used_up()
    world.clock.now = NOON + LATER - NEAR
    (turn,) = await world.admitted(1)
    assert await world.throttle.wait(email(), turn) == turn
    assert world.clock.now == NOON + LATER


async def test_early_doorbell_is_deferred_to_the_same_moment():
    world = await used_up()
    record = await world.deferred()
    world.clock.now = record.next_attempt_at - timedelta(seconds=30)
    again = await world.throttle.admit(record)
    assert (again.due, again.turn.permit_at) == (record.next_attempt_at, record.turn.permit_at)


@pytest.mark.parametrize("late", [timedelta(seconds=0.31), timedelta(hours=1)])
async def test_missed_permit_is_given_back_for_another(late):
    world = await used_up()
    record = await world.deferred()
    world.clock.now = record.turn.permit_at + late
    turn = await world.throttle.wait(record, await world.throttle.admit(record))
    assert turn.permit_at == MINUTE.start(MINUTE.at(world.clock.now))
    window, _ = await world.store.read("smtp")
    assert MINUTE.at(record.turn.permit_at) not in dict(window.reserved)


async def test_permit_missed_while_it_was_claimed_is_given_back_for_another():
    world = await used_up()
    record = await world.deferred()
    turn = await world.comes_back(record)
    world.clock.now = turn.permit_at + timedelta(seconds=1)
    assert (await world.throttle.wait(record, turn)).permit_at >= world.clock.now - MINUTE.tick
    window, _ = await world.store.read("smtp")
    assert sum(count for _, count in window.reserved) == 4


async def test_email_whose_moments_are_missed_again_and_again_returns_and_keeps_none():
    world = await used_up()
    record = await world.deferred()
    turn = await world.comes_back(record)
    world.clock.now, world.store.takes = turn.permit_at + timedelta(seconds=1), 4.0
    world.store.requests = 0
    missed = await world.throttle.wait(record, turn)
    assert (missed.due > world.clock.now, missed.turn.permit_at) == (True, None)
    assert world.store.requests <= 2 * (MOST_MISSES + 1)
    assert not (await world.store.read("smtp"))[0].reserved  # what was used at noon is forgotten by now


async def test_claimed_email_returns_where_nobody_can_be_asked_for_another_permit():
    world = await used_up()
    record = await world.deferred()
    turn = await world.comes_back(record)
    world.clock.now, world.store.away = turn.permit_at + timedelta(seconds=1), True
    assert (await world.throttle.wait(record, turn)).due > world.clock.now


async def test_permit_that_was_used_is_not_used_for_the_next_try():
    world = await used_up()
    record = await world.deferred()
    turn = await world.comes_back(record)
    await world.throttle.wait(record, turn)
    tried = replace(record, turn=turn, updated_at=world.clock.now)
    await world.throttle.admit(tried)
    window, _ = await world.store.read("smtp")
    assert sum(count for _, count in window.reserved) == 5


async def test_permit_of_a_higher_limit_is_void():
    world = await used_up()
    record = await world.deferred()
    world.throttle = world.instance(smtp_per_minute_limit=1)
    world.clock.now = record.next_attempt_at
    again = await world.throttle.wait(record, await world.throttle.admit(record))
    assert again.permit_limit == 1


async def test_limit_that_was_removed_lets_go():
    world = await used_up()
    record = await world.deferred()
    world.throttle = world.instance()
    assert await world.throttle.admit(record) is None


async def test_storage_that_is_away_is_told():
    world = World(**LIMIT)
    world.store.away = True
    with pytest.raises(StorageUnavailable):
        await world.admitted(1)


# ---- compatible and strict


async def test_compatible_mode_defers_ten_times_and_sends_regardless_after_exactly_those():
    world = World(smtp_per_minute_limit=1, throttle_deferral_seconds=5)
    await world.admitted(20)  # the line is 20 minutes long
    record = email()
    for deferrals in range(1, 11):
        record = await world.deferred(record)
        assert (record.deferrals, record.turn.deferrals) == (deferrals, deferrals)
        assert timedelta(seconds=1) <= record.next_attempt_at - world.clock.now <= timedelta(seconds=5)
        world.clock.now = record.next_attempt_at
    turn = await world.throttle.admit(record)
    assert (turn.permit_at, await world.throttle.wait(record, turn)) == (None, turn)
    assert (await world.throttle.status("smtp")).used_last_minute == 2  # it counts all the same


async def test_strict_mode_looks_again_when_the_turn_has_come_however_far_off_that_is():
    world = World(smtp_per_minute_limit=1, throttle_mode="strict")
    await world.admitted(20)
    waits = await world.deferred()
    record = replace(waits, turn=replace(waits.turn, deferrals=10))
    assert record.next_attempt_at == pytest.approx(NOON + 20 * LATER - MOST_EARLIER - RACES, abs=timedelta(seconds=2))
    turn = await world.comes_back(record)
    assert (turn.turn if isinstance(turn, Deferral) else turn).permit_at


# limit -> how many seconds before its turn an email may go
AHEAD_OF_TURN = [(1, 300), (2, 151.25), (30, 10.1), (600, 2.5)]


@pytest.mark.parametrize(("limit", "ahead"), AHEAD_OF_TURN)
async def test_email_comes_before_a_few_turns_that_may_be_nobodys(limit, ahead):
    world = World(smtp_per_minute_limit=limit, throttle_mode="strict")
    await world.admitted(20 * limit)
    told, (window, _) = await world.deferred(), await world.store.read("smtp")
    turn_at = turn_of(window, told.turn.number, limit, NOON)
    assert turn_at - told.next_attempt_at == pytest.approx(timedelta(seconds=ahead) + RACES, abs=timedelta(seconds=0.1))


async def test_moments_are_used_though_the_places_before_are_nobodys():
    world = World(smtp_per_minute_limit=1, throttle_mode="strict")
    await world.admitted(1)
    told = [await world.deferred() for _ in range(20)]
    waiting, sent = [*told[:5], *told[8:]], []  # the others were cancelled
    while waiting:
        waiting.sort(key=lambda record: record.next_attempt_at)
        record = waiting.pop(0)
        turn = await world.comes_back(record)
        if isinstance(turn, Deferral):
            waiting.append(turn.of(record, world.clock.now))
        else:
            sent.append(turn.permit_at)
    assert [later - one for one, later in pairwise(sent)] == [LATER] * 16


@pytest.mark.parametrize(("limit", "promised"), [(30, 30), (600, MOST_PROMISED), (6000, 600)])
async def test_no_more_is_promised_ahead_than_may_be_lost(limit, promised):
    """A minute's worth at first; with a high limit only what is waited for."""
    world = World(smtp_per_minute_limit=limit)
    await world.admitted(limit)
    world.clock.now += timedelta(seconds=56)
    await world.admitted(2 * limit)
    assert (await world.throttle.status("smtp")).reserved_ahead <= promised


async def test_number_of_deferrals_is_a_parameter():
    world = await used_up(**LIMIT, throttle_deferrals=2)
    assert isinstance(await world.throttle.admit(email(turn=Turn(deferrals=1))), Deferral)
    assert isinstance(await world.throttle.admit(email(turn=Turn(deferrals=2))), Turn)


async def test_deferrals_for_want_of_a_slot_of_the_mailbox_let_no_email_go_regardless():
    world = await used_up()
    assert isinstance(await world.throttle.admit(email(deferrals=10)), Deferral)


async def test_high_importance_goes_before_the_line_where_the_parameter_says_so():
    for first in (False, True):
        world = World(**STRICT, high_importance_first=first)
        await world.admitted(12)
        world.clock.now += LATER
        high = await world.throttle.admit(email(importance=Importance.HIGH))
        assert isinstance(high, Turn) == first


# ---- brought forward


async def test_parked_email_is_brought_forward_when_the_limit_is_raised():
    world = World(**STRICT)
    await world.admitted(100)
    record = replace(await world.deferred(), parked=True)
    world.throttle = world.instance(**STRICT | {"smtp_per_minute_limit": 300})
    forward = await world.throttle.brought_forward(record)
    assert forward.next_attempt_at < NOON + timedelta(minutes=2) < record.next_attempt_at


# the limit a minute, and by how many seconds its turn would come sooner -> whether the email does
SOONER = [(1, 60, False), (1, 61, True), (30, 2, False), (30, 2.1, True), (600, 0.9, False), (600, 1, True)]


@pytest.mark.parametrize(("limit", "seconds", "forward"), SOONER)
async def test_parked_email_is_not_brought_forward_for_less_than_a_turn_and_a_second(limit, seconds, forward):
    world = World(**STRICT | {"smtp_per_minute_limit": limit})
    await world.store.write("smtp", Window(issued=99 * limit, served=0, moved_at=MINUTE.at(NOON)), None)
    record = email(parked=True, turn=Turn(number=99 * limit), next_attempt_at=NOON + timedelta(days=1))
    likely = (await world.throttle.brought_forward(record)).due_at
    record = replace(record, next_attempt_at=likely + timedelta(seconds=seconds))
    assert (await world.throttle.brought_forward(record)).due_at == (likely if forward else record.due_at)


async def test_parked_email_is_due_at_once_when_the_limit_is_removed():
    world = World(**STRICT)
    await world.admitted(100)
    record = replace(await world.deferred(), parked=True)
    assert (await world.instance().brought_forward(record)).next_attempt_at == NOON


@pytest.mark.parametrize(("then", "forward"), [(5, False), (6, True), (4, True), (None, True)])
async def test_email_that_waits_for_another_day_is_looked_at_again_when_that_limit_is_changed(then, forward):
    world = World(recipients_per_day_limit=5)
    await world.admitted(5)
    record = replace(await world.deferred(), parked=True)
    brought = await world.instance(recipients_per_day_limit=then).brought_forward(record)
    assert brought.next_attempt_at == (NOON if forward else record.next_attempt_at)


@pytest.mark.parametrize("about", [{}, {"parked": True}, {"turn": Turn(number=3)}])
async def test_email_that_waits_for_no_line_is_left_alone(about):
    world, record = World(**STRICT), email(**about)
    assert await world.throttle.brought_forward(record) == record
    assert world.store.requests == 0


# ---- recipients a day

DAILY = {"recipients_per_day_limit": 10}
HOUR = timedelta(hours=1)
FOUR = tuple(Address(f"{name}@example.com") for name in ("bob", "eve", "tom", "sue"))


async def test_recipients_are_counted_for_a_day_and_a_mailbox():
    world = World(**DAILY)
    admitted = await world.admitted(3, to=FOUR)
    assert [isinstance(one, Turn) for one in admitted] == [True, True, False]
    assert admitted[2].due - NOON == timedelta(hours=25) + timedelta(minutes=5)  # and half of the spread
    other = await world.throttle.admit(email(to=FOUR, sender=Address("other@contoso.com")))
    assert isinstance(other, Turn)


# parameters, provider -> whether two addresses share what one mailbox may send
MAILBOXES = [
    ({}, "smtp", False),
    ({"smtp_user_name": "Batch@contoso.com"}, "smtp", True),
    ({"graph_batch_mailbox": "batch@contoso.com"}, "graph", True),
    ({"graph_batch_mailbox": "batch@contoso.com"}, "exchange", False),
]


@pytest.mark.parametrize(("parameters", "provider", "shared"), MAILBOXES)
async def test_recipients_count_for_the_mailbox_that_the_mail_goes_through(parameters, provider, shared):
    world = World(**DAILY, **parameters)
    await world.admitted(10, provider=provider)
    other = await world.throttle.admit(email(provider=provider, sender=Address("other@contoso.com")))
    assert isinstance(other, Deferral) == shared


async def test_email_deferred_to_another_day_is_sent_then_without_counting_again():
    world = World(**DAILY)
    await world.admitted(2, to=FOUR)
    record = await world.deferred(email(to=FOUR))
    assert record.deferred == "deferred once by the limit of 10 recipients a day of the From address's mailbox"
    asked = world.store.requests
    assert isinstance(await world.comes_back(record), Turn)
    assert world.store.requests == asked


async def test_email_deferred_to_another_day_says_which_mailbox_without_its_address():
    world = World(**DAILY, smtp_user_name="batch@contoso.com")
    await world.admitted(2, to=FOUR)
    record = await world.deferred(email(to=FOUR))
    assert record.turn.limit == "10 recipients a day of the mailbox in smtp_user_name"


async def test_full_day_is_found_out_before_a_permit_is_asked():
    world = World(**DAILY, smtp_per_minute_limit=100)
    await world.admitted(10)
    before = await world.store.read("smtp")
    await world.deferred()
    assert await world.store.read("smtp") == before


async def test_day_without_room_for_all_recipients_of_an_email_is_found_out_before_a_permit_is_asked():
    world = World(**DAILY, smtp_per_minute_limit=100)
    await world.admitted(2, to=FOUR)
    before = await world.store.read("smtp")
    await world.deferred(email(to=FOUR))
    assert await world.store.read("smtp") == before


async def test_permit_of_an_email_that_the_day_defers_is_given_back():
    world = World(**DAILY, **LIMIT)
    await world.admitted(2, to=FOUR)
    world.throttle = world.instance(**DAILY, **LIMIT)  # which does not know yet that the day is full
    await world.deferred(email(to=FOUR))
    window, _ = await world.store.read("smtp")
    assert sum(count for _, count in window.reserved) == 2


async def promised(world: World, prefix: str) -> int:
    """How many all windows hold whose names begin so."""
    windows = [window for account, (window, _) in world.store._windows.items() if account.startswith(prefix)]
    return sum(count for window in windows for _, count in window.reserved)


async def test_email_that_reached_nobody_is_counted_once_however_long_it_is_tried():
    world = World(**DAILY)
    record = email(to=FOUR)
    for _ in range(4):
        turn = await world.throttle.admit(record)
        record = replace(record, turn=turn, updated_at=world.clock.now)
        world.clock.now += HOUR
    assert await promised(world, "smtp-") == 4


async def test_email_that_is_cancelled_after_a_try_gives_its_recipients_back():
    world = World(**DAILY)
    turn = await world.throttle.admit(email(to=FOUR))
    await world.throttle.give_back(email(to=FOUR, turn=turn, updated_at=NOON + HOUR))
    assert await promised(world, "smtp-") == 0


@pytest.mark.parametrize("had", [None, Turn(counted_at=NOON - 2 * HOUR)])
async def test_worker_that_was_not_first_leaves_the_recipients_counted_once(had):
    world = World(**DAILY)
    if had:
        world.clock.now = had.counted_at
        await world.admitted(2, to=FOUR)  # this email and another one
        world.clock.now = NOON
    record = email(to=FOUR, turn=had)
    _, second = [await world.throttle.admit(record) for _ in range(2)]
    await world.throttle.withdraw(record, second)
    assert await promised(world, "smtp-") == (8 if had else 4)


async def test_daily_limit_holds_in_compatible_mode_too():
    world = World(**DAILY)
    await world.admitted(2, to=FOUR)
    record = await world.deferred(email(to=FOUR, deferrals=10, turn=Turn(deferrals=10)))
    assert (record.deferrals, record.turn.deferrals) == (11, 10)


async def test_accounts_in_the_storage_name_no_mailbox():
    world = World(**DAILY)
    await world.admitted(1)
    assert not any("ann" in account for account in world.store._windows)


# ---- the provider says that it is too much

# outcome, what was answered -> too much?
ANSWERS = [
    ("transient", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", True),
    ("transient", "454 Throttling failure: Maximum sending rate exceeded", True),
    ("transient", "452 5.2.2 Submission quota exceeded", True),
    ("transient", "451 4.7.1 greylisted, try again later", False),
    ("transient", "421 4.3.2 service not available", False),
    ("delivered", "250 OK queued as 432", False),
    ("permanent", "550 5.1.1 unknown user", False),
]


def attempted(outcome: str, reply: str) -> EmailRecord:
    found = diagnose(provider="smtp", stage="data", code=int(reply[:3]), reply=reply)
    return email().with_attempt(Attempt(NOON, "smtp", outcome, reply, 0.1, found.id))


@pytest.mark.parametrize(("outcome", "reply", "too_much"), ANSWERS)
def test_answers_that_say_it_is_too_much(outcome, reply, too_much):
    assert says_too_much(attempted(outcome, reply).attempts[-1]) == too_much


@pytest.mark.parametrize("diagnosis", [None, "no-such-id"])
def test_attempt_without_a_known_diagnosis_does_not_say_it_is_too_much(diagnosis):
    assert not says_too_much(Attempt(NOON, "smtp", "transient", "432", 0.1, diagnosis))


THROTTLED = attempted(*ANSWERS[0][:2])


async def test_throttle_answer_slows_all_instances_down():
    world = World(smtp_per_minute_limit=100)
    other = world.instance(smtp_per_minute_limit=100)
    await world.throttle.learn(THROTTLED)
    assert (await other.status("smtp")).in_force == 50


async def test_email_that_its_provider_kept_waiting_without_any_attempt_slows_nobody_down():
    world = World(smtp_per_minute_limit=100)
    await world.throttle.learn(email())
    assert (await world.throttle.status("smtp")).in_force == 100


async def test_throttle_answer_that_cannot_be_shared_fails_nothing():
    world = World(**LIMIT)
    world.store.away = True
    await world.throttle.learn(THROTTLED)


# ---- what an administrator sees


async def test_status_tells_the_limit_and_where_it_stands():
    world = World(**STRICT)
    await world.admitted(8)
    status = await world.throttle.status("smtp")
    assert (status.limit, status.in_force, status.used_last_minute, status.reserved_ahead, status.in_line) == (
        *(3, 3, 3),
        *(1, 4),
    )
    assert NOON + LATER < status.next_at < NOON + 3 * LATER


async def test_status_of_a_provider_without_a_limit():
    assert await World().throttle.status("smtp") == ThrottleStatus(limit=0, in_force=0)


# parameters, provider -> how many of ten recipients its one mailbox has promised today, and ahead
ONE_MAILBOX = [
    ({"smtp_user_name": "Batch@contoso.com"}, "smtp", (8, 4)),
    ({"graph_batch_mailbox": "batch@contoso.com"}, "graph", (8, 4)),
    ({"graph_batch_mailbox": "batch@contoso.com", "smtp_user_name": "batch@contoso.com"}, "smtp", (0, 0)),
]


@pytest.mark.parametrize(("parameters", "seen", "promised"), ONE_MAILBOX)
async def test_status_tells_the_recipients_a_day_of_the_one_mailbox_of_a_provider(parameters, seen, promised):
    world = World(**DAILY, **parameters)
    provider = "graph" if "graph_batch_mailbox" in parameters else "smtp"
    await world.admitted(3, to=FOUR, provider=provider)
    used, ahead = promised
    status = await world.throttle.day_status(seen)
    assert status == DayStatus(limit=10, used_last_day=used, reserved_ahead=ahead, next_at=NOON)  # one has room yet


async def test_status_tells_when_a_next_recipient_can_go_where_the_day_is_full():
    world = World(**DAILY, smtp_user_name="batch@contoso.com")
    await world.admitted(10)
    assert (await world.throttle.day_status("smtp")).next_at == NOON + 25 * HOUR


@pytest.mark.parametrize(("parameters", "limit"), [({"smtp_user_name": "batch@contoso.com"}, 0), (DAILY, 10)])
async def test_only_the_limit_a_day_is_told_where_there_is_none_or_each_sender_has_its_own(parameters, limit):
    world = World(**parameters)
    await world.admitted(3)
    asked = world.store.requests
    assert await world.throttle.day_status("smtp") == DayStatus(limit=limit)
    assert world.store.requests == asked


async def test_line_that_cannot_be_counted_stops_no_sweep():
    world = World(**STRICT)
    await world.admitted(100)
    census = await world.throttle.census(["smtp"])
    world.store.away = True
    await world.throttle.recount(census)
    assert (await world.instance(**STRICT).census(["smtp"])).counted() == {}
