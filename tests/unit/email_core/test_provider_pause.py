"""How long a provider is left alone, and who may try it first."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from email_core.errors import StorageUnavailable
from email_core.provider_pause import (
    CACHED_FOR,
    FIRST_PAUSE,
    PROBE,
    ProviderPauses,
    ProviderState,
    is_refusal,
    shows_that_it_works,
)
from email_core.providers.base import Outcome, OutcomeKind, Provider, Submission
from email_core.stores.memory import MemoryProviderStates
from tests.support.emails import NOON, Clock

WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)
ROW = "smtp-one"
PAUSED = ProviderState().after_refusal(WRONG_PASSWORD, NOON)
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK", stage="data", code=250)


class Smtp(Provider):
    name = "smtp"

    def __init__(self, configuration: str) -> None:
        self.configuration = configuration
        self.signed_in_anew = 0

    def sign_in_anew(self) -> None:
        self.signed_in_anew += 1

    async def submit(self, submission: Submission) -> Outcome:
        raise AssertionError("whoever cares for pauses sends nothing")


class CountingStates(MemoryProviderStates):
    """`fails`: the storage does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.fails = False

    async def read(self, provider):
        self.reads += 1
        if self.fails:
            raise StorageUnavailable("read a state")
        return await super().read(provider)


class Instance:
    """A process of the app, of several over one store."""

    def __init__(self, states: CountingStates, clock: Clock, configuration: str = "one") -> None:
        self.clock = clock
        self.pauses = ProviderPauses(states, clock)
        self.provider = Smtp(configuration)

    async def may_try(self) -> bool:
        return await self.pauses.waits_until(self.provider) is None

    async def learns(self, outcome: Outcome, began: datetime | None = None):
        return await self.pauses.learn(self.provider, outcome, began or self.clock())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states() -> CountingStates:
    return CountingStates()


@pytest.fixture
def one(states, clock) -> Instance:
    return Instance(states, clock)


@pytest.fixture
def other(states, clock) -> Instance:
    return Instance(states, clock)


@pytest.mark.parametrize(("refusals", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (6, 15), (1000, 15)])
def test_pause_doubles_up_to_15_minutes(refusals, minutes):
    after = ProviderState(refusals=refusals - 1, paused_until=NOON).after_refusal(WRONG_PASSWORD, NOON)
    assert (after.refusals, after.paused_until) == (refusals, NOON + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("state", "seconds", "heeded"),
    [
        (ProviderState(), -60, True),
        (PAUSED, -60, False),
        (PAUSED, 0, False),
        (PAUSED, 59, False),
        (PAUSED, 60, True),
        (PAUSED.after_begin_of_probe(NOON + timedelta(seconds=70)), 65, False),
        (PAUSED.after_begin_of_probe(NOON + timedelta(seconds=70)), 70, True),
    ],
)
def test_attempt_counts_only_if_no_pause_should_have_held_it_up(state, seconds, heeded):
    assert state.heeds(NOON + timedelta(seconds=seconds)) is heeded


@pytest.mark.parametrize(
    ("kind", "stage", "refuses", "works"),
    [
        (OutcomeKind.CONFIGURATION, "auth", True, False),
        (OutcomeKind.CONFIGURATION, "tls", True, False),
        (OutcomeKind.CONFIGURATION, "mail", False, True),
        (OutcomeKind.CONFIGURATION, None, False, False),
        (OutcomeKind.TRANSIENT, "auth", True, False),
        (OutcomeKind.PARTLY_DELIVERED, "auth", True, False),
        (OutcomeKind.CONFIGURATION, "credential", True, False),
        (OutcomeKind.TRANSIENT, "credential", False, False),
        (OutcomeKind.TRANSIENT, "connect", False, False),
        (OutcomeKind.PERMANENT, "rcpt", False, True),
        (OutcomeKind.UNCONFIRMED, None, False, False),
        (OutcomeKind.DELIVERED, None, False, True),
    ],
)
def test_outcome_says_of_the_provider(kind, stage, refuses, works):
    outcome = Outcome(kind=kind, reply="", stage=stage)
    assert (is_refusal(outcome), shows_that_it_works(outcome)) == (refuses, works)


async def test_while_all_is_well_there_is_one_read_in_ten_seconds_and_no_write(one, states, clock):
    for _ in range(5):
        assert await one.may_try()
        assert await one.learns(DELIVERED) is None
    assert states.reads == 1
    clock.advance(seconds=CACHED_FOR.total_seconds())
    assert await one.may_try()
    assert (states.reads, await states.read(ROW)) == (2, (ProviderState(), None))


async def test_pause_holds_for_every_instance(one, other):
    assert await one.learns(WRONG_PASSWORD) == NOON + FIRST_PAUSE
    assert await one.pauses.waits_until(one.provider) == NOON + FIRST_PAUSE
    assert await other.pauses.waits_until(other.provider) == NOON + FIRST_PAUSE


async def test_one_of_all_instances_tries_first_when_the_pause_is_over(one, other, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert [await instance.may_try() for instance in (one, other, one, other)] == [True, False, False, False]


async def test_refused_probe_makes_the_next_pause_longer(one, other, states, clock):
    for minutes in (1, 2, 4):
        assert await one.learns(WRONG_PASSWORD) == clock() + timedelta(minutes=minutes)
        clock.advance(minutes=minutes)
        assert await one.may_try()
    assert (await states.read(ROW))[0].refusals == 3


async def test_others_of_the_instance_that_probes_need_not_ask(one, states, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert await one.may_try()
    reads = states.reads
    assert not await one.may_try()
    assert states.reads == reads


async def test_probe_that_never_answers_is_followed_by_another(one, other, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert await one.may_try()
    clock.advance(seconds=PROBE.total_seconds())
    assert [await other.may_try(), await one.may_try()] == [True, False]


async def test_success_lifts_the_pause_for_every_instance(one, other, states, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert await one.may_try()
    await one.learns(DELIVERED)
    assert await other.may_try()
    assert (await states.read(ROW))[0] == ProviderState()


async def test_lifted_by_hand_it_may_be_tried_at_once(one):
    await one.learns(WRONG_PASSWORD)
    await one.pauses.lift(one.provider)
    assert await one.may_try()
    assert one.provider.signed_in_anew == 1


async def test_what_cannot_be_written_counts_for_this_instance(one, states):
    assert await one.may_try()
    states.fails = True
    assert await one.learns(WRONG_PASSWORD) == NOON + FIRST_PAUSE
    assert not await one.may_try()


async def test_two_refusals_at_once_count_as_one(one, other, states):
    await one.learns(WRONG_PASSWORD)
    await other.learns(WRONG_PASSWORD)
    assert (await states.read(ROW))[0].refusals == 1


def test_state_tells_no_reply_in_its_repr():
    assert "wrong" not in repr(PAUSED)


async def test_change_of_the_parameters_ends_the_pause(one):
    await one.learns(WRONG_PASSWORD)
    one.provider.configuration = "two"
    assert await one.may_try()
    assert await one.learns(replace(WRONG_PASSWORD, reply="535 again")) == NOON + FIRST_PAUSE


@pytest.mark.parametrize("outcome", [DELIVERED, WRONG_PASSWORD])
async def test_instance_of_another_configuration_takes_the_pause_from_nobody(one, states, clock, outcome):
    mended = Instance(states, clock, "two")
    await one.learns(WRONG_PASSWORD)
    for _ in range(3):
        await mended.may_try()
        await mended.learns(outcome)
        clock.advance(seconds=CACHED_FOR.total_seconds())
        assert not await one.may_try()


@pytest.mark.parametrize("seconds", [0, 59, 70])
async def test_success_of_what_began_before_or_during_the_pause_lifts_nothing(one, states, clock, seconds):
    """It may have gone over a connection that signed in while the password was right."""
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=seconds)
    if seconds >= FIRST_PAUSE.total_seconds():
        assert await one.may_try()
    before = await states.read(ROW)
    await one.learns(DELIVERED, began=NOON)
    assert await states.read(ROW) == before


async def test_refusal_of_what_began_before_the_pause_makes_it_no_longer_and_ends_no_probe(one, states, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert await one.may_try()
    before = await states.read(ROW)
    await one.learns(WRONG_PASSWORD, began=NOON)
    assert await states.read(ROW) == before


async def test_probe_signs_in_anew_and_nobody_else_does(one, other, clock):
    await one.learns(WRONG_PASSWORD)
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert [await instance.may_try() for instance in (one, other)] == [True, False]
    assert (one.provider.signed_in_anew, other.provider.signed_in_anew) == (1, 0)
