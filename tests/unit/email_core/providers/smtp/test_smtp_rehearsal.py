"""How far a rehearsal goes without an email, and what it says when its time is over."""

import asyncio

import pytest

from email_core.diagnosis import diagnose
from email_core.doctor.providers import SECONDS
from email_core.providers.base import OutcomeKind
from email_core.providers.smtp.connection import CONNECT_SECONDS
from tests.support.smtp_server import EXTENSIONS, HANG, SUBMISSION, provider, secrets, smtp_server


async def test_rehearsal_without_an_email_ends_with_the_sign_in_and_leaves_the_connection_to_the_next_email():
    async with smtp_server(extensions=(*EXTENSIONS, "AUTH PLAIN")) as server:
        with provider(server, secrets(smtp_password="right"), authentication="password", user_name="ann") as one:
            rehearsal = await one.rehearse(None)
            await one.submit(SUBMISSION)
    assert rehearsal.outcome is None
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [
        (name, True) for name in ("resolve", "connect", "ehlo", "auth")
    ]
    assert server.connections == 1


async def test_rehearsal_without_an_email_ends_with_a_refused_sign_in():
    async with smtp_server(extensions=(*EXTENSIONS, "AUTH PLAIN")) as server:
        with provider(server, secrets(smtp_password="wrong"), authentication="password", user_name="ann") as one:
            rehearsal = await one.rehearse(None)
    assert (rehearsal.outcome.kind, rehearsal.steps[-1].name) == (OutcomeKind.CONFIGURATION, "auth")
    assert "AUTH" in server.steps
    assert "MAIL" not in server.steps


async def test_rehearsal_that_finds_no_free_connection_says_so():
    async with smtp_server({"content": HANG}) as server:
        with provider(server, max_connections=1) as one:
            under_way = asyncio.create_task(one.submit(SUBMISSION))
            await server.hanging.wait()
            rehearsal = await one.rehearse(SUBMISSION, 0.1)
            under_way.cancel()
            await asyncio.wait({under_way})
    assert [(step.name, step.succeeded) for step in rehearsal.steps] == [("resolve", True), ("connect", False)]
    assert rehearsal.outcome.reply == "all connections to the server are busy: none was free within 0.1 seconds"
    found = diagnose(provider="smtp", stage=rehearsal.outcome.stage, reply=rehearsal.outcome.reply)
    assert found.id == "smtp-connections-busy"


@pytest.mark.parametrize(
    ("replies", "failed", "kind", "id"),
    [
        ({"connect": HANG}, "connect", OutcomeKind.TRANSIENT, "network-timeout"),
        ({"rcpt": HANG}, "rcpt", OutcomeKind.TRANSIENT, "network-timeout"),
        ({"content": HANG}, "data", OutcomeKind.UNCONFIRMED, "answer-lost"),
    ],
)
async def test_rehearsal_that_is_out_of_time_ends_with_the_step_under_way(replies, failed, kind, id):
    async with smtp_server(replies) as server:
        with provider(server) as one:
            rehearsal = await one.rehearse(SUBMISSION, 0.2)
    assert (rehearsal.outcome.kind, rehearsal.outcome.stage) == (kind, failed)
    assert rehearsal.steps[-1].name == failed
    assert rehearsal.steps[-1].detail.endswith("no answer within 0.2 seconds")
    assert diagnose(provider="smtp", stage=failed, reply=rehearsal.outcome.reply).id == id


def test_no_step_up_to_the_sign_in_has_as_long_as_the_doctor():
    assert CONNECT_SECONDS < SECONDS  # else the step's own words would be lost
