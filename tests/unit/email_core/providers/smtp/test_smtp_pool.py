"""Which connection an email goes on, and when none is kept."""

import asyncio
import gc
import os
from dataclasses import replace

import pytest

from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.smtp import SmtpProvider, SmtpSettings, connection, pool, transaction
from email_core.providers.smtp.pool import BUSY
from tests.support.azurite import free_port
from tests.support.eventually import soon
from tests.support.smtp_server import DROP, HANG, PASSWORD, SUBMISSION, provider, secrets, smtp_server

pytestmark = pytest.mark.usefixtures("pipelined")

ALONE = replace(SUBMISSION, recipients=("bob@example.com",))
AUTH = {"authentication": "password", "user_name": "ann"}


class Seconds:
    """A monotonic clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def send(one, times: int = 1) -> list[OutcomeKind]:
    return [(await one.submit(ALONE)).kind for _ in range(times)]


async def send_together(one, times: int) -> list[Outcome]:
    return await asyncio.gather(*(one.submit(ALONE) for _ in range(times)))


def kept_by(one) -> list[connection.Connection]:
    return one._pool._kept.idle


DELIVERED = OutcomeKind.DELIVERED
TRANSACTION = ["MAIL", "RCPT", "DATA"]


async def test_connection_is_kept_for_the_next_email():
    async with smtp_server() as server:
        with provider(server) as one:
            assert await send(one, 3) == [DELIVERED] * 3
        assert server.steps == ["EHLO", *TRANSACTION * 3]
    assert server.connections == 1


async def test_no_more_connections_than_allowed_and_each_sends_one_email_at_a_time():
    async with smtp_server() as server:
        with provider(server, max_connections=3) as one:
            outcomes = await send_together(one, 20)
    assert {outcome.kind for outcome in outcomes} == {DELIVERED}
    assert 1 <= server.connections <= 3
    assert len(server.contents) == 20


async def test_those_who_wait_are_served_in_order():
    served: list[int] = []
    async with smtp_server() as server:
        with provider(server, max_connections=1) as one:

            async def submit(number: int) -> None:
                await one.submit(ALONE)
                served.append(number)

            await asyncio.gather(*map(submit, range(10)))
    assert served == list(range(10))


async def test_connection_that_stays_busy_too_long_is_no_failed_handing_over(monkeypatch):
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.02)
    async with smtp_server({"mail": HANG}) as server:
        with provider(server, max_connections=1) as one:
            first = asyncio.create_task(one.submit(ALONE))
            await server.hanging.wait()
            outcome = await one.submit(ALONE)
            first.cancel()
            await asyncio.wait([first])
    assert (outcome.kind, outcome.reply) == (OutcomeKind.TRANSIENT, BUSY)


async def test_failed_transaction_is_reset_before_the_next(pipelined):
    async with smtp_server({"rcpt": ["550 5.1.1 unknown"], "data": ["554 5.5.1 for nobody"] * pipelined}) as server:
        with provider(server) as one:
            assert await send(one, 2) == [OutcomeKind.PERMANENT, DELIVERED]
        assert server.steps == ["EHLO", *(TRANSACTION if pipelined else ["MAIL", "RCPT"]), "RSET", *TRANSACTION]
    assert server.connections == 1


async def test_after_a_refused_sign_in_no_connection_of_before_is_used_again():
    clock = Seconds()
    async with smtp_server({"auth": ["235 welcome", "535 wrong", "235 welcome"]}, ("AUTH PLAIN",)) as server:
        with provider(server, secrets(smtp_password=PASSWORD), clock=clock, max_connections=2, **AUTH) as one:
            outcomes = await send_together(one, 2)
            clock.now += pool.SAME_ANSWER_SECONDS
            assert await send(one) == [DELIVERED]
    assert [outcome.kind for outcome in outcomes] == [DELIVERED, OutcomeKind.CONFIGURATION]
    assert server.connections == 3


async def test_signing_in_anew_neither_a_kept_connection_nor_a_remembered_refusal_counts():
    async with smtp_server({"auth": ["235 welcome", "535 wrong", "235 welcome"]}, ("AUTH PLAIN",)) as server:
        with provider(server, secrets(smtp_password=PASSWORD), clock=Seconds(), **AUTH) as one:
            await send(one)
            one.sign_in_anew()
            assert await send(one) == [OutcomeKind.CONFIGURATION]
            one.sign_in_anew()
            assert await send(one) == [DELIVERED]
    assert server.steps.count("AUTH") == 3


async def test_connection_that_was_idle_is_asked_whether_it_lives():
    clock = Seconds()
    async with smtp_server() as server:
        with provider(server, clock=clock) as one:
            await send(one)
            clock.now += pool.CHECK_AFTER + 1
            await send(one)
        assert server.steps == ["EHLO", *TRANSACTION, "RSET", *TRANSACTION]


@pytest.mark.parametrize("answer", [DROP, "421 4.3.2 bye", "500 what?", "garbage", HANG])
async def test_idle_connection_that_does_not_live_is_replaced(answer, monkeypatch):
    monkeypatch.setattr(pool, "CHECK_SECONDS", 0.02)
    clock = Seconds()
    async with smtp_server({"rset": answer}) as server:
        with provider(server, clock=clock) as one:
            await send(one)
            clock.now += pool.CHECK_AFTER + 1
            assert await send(one) == [DELIVERED]
    assert server.connections == 2


async def test_idle_connection_that_says_nothing_takes_no_longer_than_the_email_may():
    clock = Seconds()
    async with smtp_server({"rset": HANG}) as server, asyncio.timeout(2):
        with provider(server, clock=clock) as one:
            await send(one)
            clock.now += pool.CHECK_AFTER + 1
            outcome = await one.submit(replace(ALONE, seconds=0.05))
    assert (outcome.kind, len(server.contents)) == (DELIVERED, 2)


@pytest.mark.parametrize("answer", [DROP, "421 4.3.2 bye", "garbage"])
async def test_kept_connection_that_ends_at_mail_is_replaced_at_once(answer):
    async with smtp_server({"mail": ["250 OK", answer]}) as server:
        with provider(server) as one:
            assert await send(one, 2) == [DELIVERED] * 2
    assert server.connections == 2
    assert len(server.contents) == 2


async def test_new_connection_that_ends_at_mail_is_a_failed_attempt():
    async with smtp_server({"mail": "421 4.3.2 busy"}) as server:
        with provider(server) as one:
            outcome = await one.submit(ALONE)
            assert kept_by(one) == []
    assert (outcome.kind, outcome.stage, outcome.code) == (OutcomeKind.TRANSIENT, "mail", 421)
    assert server.connections == 1


async def test_kept_connection_that_ends_after_mail_is_no_reason_to_send_twice():
    async with smtp_server({"content": ["250 OK", DROP]}) as server:
        with provider(server) as one:
            assert await send(one, 2) == [DELIVERED, OutcomeKind.UNCONFIRMED]
    assert len(server.contents) == 2


@pytest.mark.parametrize(("limit", "value"), [("MOST_MESSAGES", 2), ("LONGEST_LIFE", 25.0)], ids=["messages", "age"])
async def test_connection_is_replaced_after(limit, value, monkeypatch):
    """Two messages; or 25 s, where each takes 10."""
    monkeypatch.setattr(pool, limit, value)
    clock = Seconds()
    async with smtp_server() as server:
        with provider(server, clock=clock) as one:
            for _ in range(5):
                await send(one)
                clock.now += 10
    assert server.connections == (3 if limit == "MOST_MESSAGES" else 2)


async def test_connection_is_closed_with_its_last_email(monkeypatch):
    monkeypatch.setattr(pool, "MOST_MESSAGES", 2)
    async with smtp_server() as server:
        with provider(server) as one:
            await send(one)
            assert len(kept_by(one)) == 1
            await send(one)
            await soon(lambda: server.open_connections == 0)


async def test_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.02)
    async with smtp_server() as server:
        with provider(server) as one:
            await send(one)
            await soon(lambda: server.open_connections == 0)
            assert await send(one) == [DELIVERED]
    assert server.connections == 2


async def test_server_that_restarts_gets_the_next_email():
    async with smtp_server() as server:
        with provider(server) as one:
            await send(one)
            await server.stop()
            await server.start()
            assert await send(one) == [DELIVERED]


async def test_server_that_is_gone_is_transient_and_asked_again_when_it_is_back():
    async with smtp_server() as server:
        with provider(server) as one:
            await send(one)
            await server.stop()
            assert await send(one) == [OutcomeKind.TRANSIENT]
            await server.start()
            assert await send(one) == [DELIVERED]


async def test_one_attempt_to_connect_fails_for_all_who_waited_for_it():
    async with smtp_server({"connect": "421 4.3.2 busy"}) as server:
        with provider(server, max_connections=8) as one:
            outcomes = await send_together(one, 8)
    assert [outcome.reply for outcome in outcomes] == ["421 4.3.2 busy"] * 8
    assert server.connections == 1


async def test_wrong_password_is_tried_once_for_all_who_come_soon():
    clock = Seconds()
    async with smtp_server(extensions=("AUTH PLAIN",)) as server:
        with provider(server, secrets(smtp_password="wrong"), clock=clock, max_connections=4, **AUTH) as one:
            outcomes = await send_together(one, 20)
            assert {(outcome.kind, outcome.code) for outcome in outcomes} == {(OutcomeKind.CONFIGURATION, 535)}
            assert server.steps.count("AUTH") == 1
            clock.now += pool.SAME_ANSWER_SECONDS + 1
            await send(one)
            assert server.steps.count("AUTH") == 2


async def test_kept_connection_signs_in_once():
    async with smtp_server(extensions=("AUTH PLAIN",)) as server:
        with provider(server, secrets(smtp_password=PASSWORD), **AUTH) as one:
            await send(one, 3)
    assert server.steps.count("AUTH") == 1


@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data", "content"])
async def test_canceled_submission_closes_its_connection_and_lets_the_next_have_its_turn(step, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.1)  # Python 3.11 heeds it only then
    async with smtp_server({step: [HANG]}) as server:
        with provider(server, max_connections=1) as one:
            task = asyncio.create_task(one.submit(ALONE))
            await server.hanging.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert kept_by(one) == []
            assert await send(one) == [DELIVERED]
    assert server.connections == 2


async def test_canceled_while_it_waits_takes_nobody_s_turn():
    async with smtp_server({"mail": [HANG]}) as server:
        with provider(server, max_connections=1) as one:
            tasks = [asyncio.create_task(one.submit(ALONE)) for _ in range(3)]
            await server.hanging.wait()
            tasks[1].cancel()
            tasks[0].cancel()
            await asyncio.wait(tasks)
            assert tasks[2].result().kind is DELIVERED


def test_each_event_loop_has_connections_of_its_own():
    port = free_port()
    one = SmtpProvider(SmtpSettings(server="127.0.0.1", port=port, security="none"), secrets())

    async def send_in_a_loop_of_its_own() -> list[OutcomeKind]:
        async with smtp_server(port=port):
            try:
                return await send(one, 2)
            finally:
                one.close()

    assert asyncio.run(send_in_a_loop_of_its_own()) == [DELIVERED] * 2
    assert asyncio.run(send_in_a_loop_of_its_own()) == [DELIVERED] * 2


async def test_no_server_at_all_costs_nobody_a_turn():
    async with smtp_server() as server:
        server.port = free_port()
        with provider(server, max_connections=1) as one:
            assert await send(one, 3) == [OutcomeKind.TRANSIENT] * 3


# ---- whatever a server does, nothing is left behind

MISBEHAVIOUR = [
    {"connect": [DROP, "421 busy"]},
    {"ehlo": [DROP, "421 busy"]},
    {"mail": [DROP, "garbage", "451 later", "550 no", "421 bye"]},
    {"rcpt": [DROP, "garbage", "451 later", "550 no", "421 bye"]},
    {"data": [DROP, "garbage", "451 later", "550 no", "421 bye"]},
    {"content": [DROP, "garbage", "451 later", "550 no", "421 bye"]},
]


@pytest.mark.parametrize("replies", MISBEHAVIOUR, ids=lambda replies: next(iter(replies)))
async def test_after_any_misbehaviour_the_next_email_is_delivered(replies):
    step, answers = next(iter(replies.items()))
    async with smtp_server({step: list(answers)}) as server:
        with provider(server, max_connections=1) as one:
            kinds = await send(one, 2 * len(answers) + 1)
    assert kinds[-1] is DELIVERED
    assert kinds.count(DELIVERED) >= len(answers)


@pytest.mark.slow
async def test_nothing_leaks_in_five_thousand_emails(monkeypatch):
    monkeypatch.setattr(connection, "COMMAND_SECONDS", 5)
    monkeypatch.setattr(transaction, "ANSWER_SECONDS", 5)
    troubles = ["250 OK", DROP, "451 later", "garbage", "421 bye"] + ["250 OK"] * 20
    async with smtp_server({"mail": [trouble for _ in range(200) for trouble in troubles]}) as server:
        before = open_things()
        with provider(server, max_connections=8) as one:
            for _ in range(10):
                await send_together(one, 500)
        await soon(lambda: server.open_connections == 0)
        gc.collect()
        assert open_things() <= before
    assert server.connections < 2500
    assert len(server.contents) > 4000


def open_things() -> tuple[int, int]:
    """Files and sockets of this process, and tasks of this loop but for the server's."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
