"""The test email: who it is from, what is told of it, and what it means for a pause."""

from datetime import timedelta

import pytest

from email_core.content import whole
from email_core.errors import InvalidEmail, StorageUnavailable
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.provider_pause import FIRST_PAUSE, ProviderPauses, row_of
from email_core.providers.base import Outcome, OutcomeKind, Provider, Submission
from email_core.rehearsals import Rehearsals
from email_core.stores.memory import MemoryProviderStates
from tests.support.emails import NOON, Clock
from tests.support.smtp_server import provider, smtp_server

BOB = Address("bob@example.com")
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK", stage="data", code=250)
WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)
UNKNOWN_SERVER = Outcome(kind=OutcomeKind.TRANSIENT, reply="no such host", stage="resolve")
UNKNOWN_RECIPIENT = Outcome(kind=OutcomeKind.PERMANENT, reply="550 5.1.1 unknown", stage="rcpt", code=550)


class Smtp(Provider):
    name = "smtp"
    configuration = "one"
    account = "account@contoso.com"

    def __init__(self, outcome: Outcome = DELIVERED) -> None:
        self.outcome = outcome
        self.submissions: list[Submission] = []

    async def submit(self, submission):
        self.submissions.append(submission)
        return self.outcome


class States(MemoryProviderStates):
    fails = False

    async def read(self, provider):
        if self.fails:
            raise StorageUnavailable("read a state")
        return await super().read(provider)


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.states = States()
        self.smtp: Provider = Smtp()

    async def send(self, provider: str = "smtp", **parameters):
        pauses = ProviderPauses(self.states, self.clock)  # of an instance that knows nothing yet
        rehearsals = Rehearsals(
            providers={"smtp": self.smtp}, pauses=pauses, parameters=Parameters(**parameters), clock=self.clock
        )
        return await rehearsals.send(provider, BOB)

    async def is_paused(self) -> bool:
        return await ProviderPauses(self.states, self.clock).waits_until(self.smtp) is not None

    async def pause(self) -> None:
        await ProviderPauses(self.states, self.clock).learn(self.smtp, WRONG_PASSWORD, self.clock())


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("default_sender", "sender"), [("ann@contoso.com", "ann@contoso.com"), ("", "account@contoso.com")]
)
async def test_sender_is_the_default_sender_or_else_the_account(world, default_sender, sender):
    await world.send(default_sender=default_sender)
    [submission] = world.smtp.submissions
    assert (submission.sender, submission.recipients) == (sender, ("bob@example.com",))
    content = await whole(submission.content)
    assert f"From: {sender}\r\n".encode() in content
    assert f"Message-ID: {submission.message_id}\r\n".encode() in content


@pytest.mark.parametrize("account", ["", "CONTOSO\\relay"])
async def test_without_any_sender_the_parameter_that_is_missing_is_named(world, account):
    world.smtp.account = account
    report = await world.send()
    assert (report.outcome, report.diagnosis.id) == (OutcomeKind.CONFIGURATION, "test-email-without-sender")
    assert report.reply.startswith("default_sender is not set")
    assert world.smtp.submissions == []


async def test_without_any_sender_the_way_up_to_the_sign_in_is_told_and_no_pause_lifted(world):
    async with smtp_server() as server:
        with provider(server) as world.smtp:
            await world.pause()
            report = await world.send()
            is_paused = await world.is_paused()
    assert [(step.name, step.succeeded) for step in report.steps] == [
        ("resolve", True),
        ("connect", True),
        ("ehlo", True),
        ("sender", False),
    ]
    assert is_paused
    assert server.contents == []


async def test_without_any_sender_what_stands_in_the_way_before_comes_first(world):
    async with smtp_server({"connect": "554 5.7.1 no"}) as server:
        with provider(server) as world.smtp:
            report = await world.send()
    assert (report.steps[-1].name, report.reply) == ("connect", "554 5.7.1 no")


async def test_provider_that_is_not_configured_is_refused_with_the_choices(world):
    with pytest.raises(InvalidEmail) as refusal:
        await world.send("graph")
    assert [(one.pointer, one.detail) for one in refusal.value.problems] == [
        (
            "/provider",
            "'graph' is not a configured provider; configured: smtp; an administrator configures it by the parameter "
            "graph_credential (PATCH /api/parameters)",
        )
    ]


async def test_delivered_needs_no_diagnosis(world):
    report = await world.send()
    assert (report.outcome, report.reply, report.diagnosis) == (OutcomeKind.DELIVERED, "250 OK", None)
    assert [(step.name, step.succeeded, step.detail) for step in report.steps] == [("request", True, "250 OK")]


async def test_what_fails_is_told_with_its_diagnosis(world):
    world.smtp.outcome = UNKNOWN_RECIPIENT
    report = await world.send()
    assert [(step.name, step.succeeded) for step in report.steps] == [("rcpt", False)]
    assert report.diagnosis.category == "recipient"


async def test_paused_provider_is_tried_and_a_delivery_lifts_the_pause_for_all(world):
    await world.pause()
    await world.send()
    assert len(world.smtp.submissions) == 1
    assert not await world.is_paused()


@pytest.mark.parametrize(
    ("outcome", "paused"), [(WRONG_PASSWORD, True), (UNKNOWN_SERVER, True), (UNKNOWN_RECIPIENT, False)]
)
async def test_pause_ends_where_the_provider_got_as_far_as_the_email(world, outcome, paused):
    await world.pause()
    world.smtp.outcome = outcome
    await world.send()
    assert await world.is_paused() == paused


async def test_refused_sign_in_pauses_the_provider(world):
    world.smtp.outcome = WRONG_PASSWORD
    await world.send()
    state, _ = await world.states.read(row_of(world.smtp))
    assert (state.paused_until, state.stage, state.code) == (NOON + FIRST_PAUSE, "auth", 535)


async def test_refused_sign_in_makes_a_pause_longer(world):
    await world.pause()
    world.smtp.outcome = WRONG_PASSWORD
    await world.send()
    state, _ = await world.states.read(row_of(world.smtp))
    assert (state.refusals, state.paused_until) == (2, NOON + 2 * FIRST_PAUSE)


@pytest.mark.parametrize("outcome", [DELIVERED, WRONG_PASSWORD])
async def test_storage_that_fails_takes_nothing_from_the_report(world, outcome):
    world.smtp.outcome, world.states.fails = outcome, True
    assert (await world.send()).outcome is outcome.kind


async def test_real_server_gets_the_email_and_each_step_is_told(world):
    async with smtp_server() as server:
        with provider(server) as world.smtp:
            report = await world.send(default_sender="ann@contoso.com")
    assert [step.name for step in report.steps] == ["resolve", "connect", "ehlo", "mail", "rcpt", "data"]
    assert report.seconds >= sum(step.seconds for step in report.steps) - timedelta(milliseconds=10).total_seconds()
    assert b"Subject: Test email\r\n" in server.contents[0]
