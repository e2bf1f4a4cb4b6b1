"""How far a rehearsal goes without an email, and what it says when its time is over."""

import asyncio

import pytest

from email_core.diagnosis import diagnose
from email_core.providers.base import OutcomeKind
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
    ("replies", "failed", "kind"),
    [
        ({"connect": HANG}, "connect", OutcomeKind.TRANSIENT),
        ({"rcpt": HANG}, "rcpt", OutcomeKind.TRANSIENT),
        ({"content": HANG}, "data", OutcomeKind.UNCONFIRMED),
    ],
)
async def test_rehearsal_that_is_out_of_time_ends_with_the_step_under_way(replies, failed, kind):
    async with smtp_server(replies) as server:
        with provider(server) as one:
            rehearsal = await one.rehearse(SUBMISSION, 0.2)
    assert (rehearsal.outcome.kind, rehearsal.outcome.stage) == (kind, failed)
    assert (rehearsal.steps[-1].name, rehearsal.steps[-1].detail) == (failed, "no answer within 0.2 seconds")
