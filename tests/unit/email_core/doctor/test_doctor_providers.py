"""A provider's steps, as far as its server lets them go, and what stands in the way."""

from contextlib import asynccontextmanager

import pytest

from email_core.doctor.finding import Verdict
from email_core.doctor.providers import ProviderCheck
from email_core.errors import StorageUnavailable
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Outcome, OutcomeKind, Provider
from email_core.rehearsals import Rehearsals
from email_core.stores.memory import MemoryProviderStates
from tests.support.emails import NOON, Clock
from tests.support.smtp_server import DROP, EXTENSIONS, provider, secrets, smtp_server

OK, WARNING, FAILED, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.SKIPPED
WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 ann@contoso.com", stage="auth", code=535)
SIGNS_IN = {"authentication": "password", "user_name": "ann@contoso.com"}


class World:
    def __init__(self, server, one) -> None:
        self.server = server
        self.provider = one
        self.states = MemoryProviderStates()
        self.pauses = ProviderPauses(self.states, Clock())

    async def findings(self, to=None):
        pauses, clock = ProviderPauses(self.states, Clock()), Clock()
        rehearsals = Rehearsals(providers={"smtp": self.provider}, pauses=pauses, parameters=Parameters(), clock=clock)
        return await ProviderCheck(rehearsals, pauses, clock, to).findings(self.provider)


@asynccontextmanager
async def world(replies=None, password="right"):
    async with smtp_server(replies, extensions=(*EXTENSIONS, "AUTH PLAIN")) as server:
        with provider(server, secrets(smtp_password=password), **SIGNS_IN) as one:
            yield World(server, one)


async def test_steps_end_with_the_sign_in_and_nothing_is_sent():
    async with world() as one:
        findings = await one.findings()
    caution, *steps = findings
    assert (caution.verdict, caution.what) == (WARNING, "parameters")  # the password goes in clear text
    assert [(step.what, step.verdict) for step in steps] == [
        (what, OK) for what in ("resolve", "connect", "ehlo", "auth")
    ]
    assert one.server.contents == []


async def test_test_email_is_sent_where_there_is_somebody_to_send_it_to():
    async with world() as one:
        findings = await one.findings(Address("bob@example.com"))
    assert [finding.what for finding in findings][-3:] == ["mail", "rcpt", "data"]
    assert len(one.server.contents) == 1


@pytest.mark.parametrize(
    ("replies", "password", "failed"),
    [({}, "wrong", "auth"), ({"ehlo": DROP}, "right", "ehlo"), ({"connect": "554 5.7.1 no"}, "right", "connect")],
)
async def test_steps_end_with_the_one_that_failed_and_no_secret_is_told(replies, password, failed):
    async with world(replies, password) as one:
        findings = await one.findings()
    assert (findings[-1].what, findings[-1].verdict) == (failed, FAILED)
    assert "wrong" not in repr([finding for finding in findings if finding.verdict is OK])
    assert "ann@contoso.com" not in repr(findings)


async def test_what_the_server_said_is_not_told_twice():
    async with smtp_server() as server:
        with provider(server, secrets(smtp_password="right"), **SIGNS_IN) as one:
            findings = await World(server, one).findings()
    assert findings[-1].detail.lower().count("does not support authentication") == 1


async def test_paused_provider_is_told_and_not_tried():
    async with world() as one:
        await one.pauses.learn(one.provider, WRONG_PASSWORD, NOON)
        *_, pause, sign_in = await one.findings()
        is_paused = await one.pauses.waits_until(one.provider) is not None
    assert (pause.what, pause.verdict) == ("pause", WARNING)
    assert pause.detail == "until 12:01:00 UTC, after 1 refusal: 535 5.7.8 a***@contoso.com"
    assert (sign_in.verdict, sign_in.detail) == (SKIPPED, "not tried: paused until 12:01:00 UTC")
    assert is_paused
    assert one.server.connections == 0


async def test_paused_provider_is_tried_with_a_test_email_which_ends_the_pause():
    async with world() as one:
        await one.pauses.learn(one.provider, WRONG_PASSWORD, NOON)
        findings = await one.findings(Address("bob@example.com"))
        pause = await ProviderPauses(one.states, Clock()).waits_until(one.provider)
    assert [finding.what for finding in findings][1:2] == ["pause"]
    assert (len(one.server.contents), pause) == (1, None)


async def test_refused_sign_in_pauses_the_provider_and_the_next_look_does_not_try_it():
    async with world(password="wrong") as one:
        for _ in range(3):
            await one.findings()
    assert one.server.steps.count("AUTH") == 1


async def test_without_storage_only_the_pause_is_not_known(monkeypatch):
    async def fails(provider):
        raise StorageUnavailable("read a state")

    async with world() as one:
        monkeypatch.setattr(one.states, "read", fails)
        findings = await one.findings()
    assert [finding.verdict for finding in findings if finding.what == "pause"] == [SKIPPED]
    assert findings[-1].verdict is OK


async def test_provider_that_shows_nothing_without_an_email_says_so():
    class Opaque(Provider):
        name = "smtp"

        async def submit(self, submission):
            raise AssertionError("nobody asked for an email")

    [finding] = await World(None, Opaque()).findings()
    assert (finding.verdict, "--to" in finding.fix) == (SKIPPED, True)
