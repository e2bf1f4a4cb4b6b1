"""The whole way of an email through Graph, over all stores: accepted, sent by the stand-in, recorded."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from email_core.assembly import Subsystem, connect
from email_core.caller import LOCAL
from email_core.delivery_state import Status
from email_core.errors import InvalidEmail
from email_core.message import Address, Attachment, Message
from email_core.order import Order
from email_core.parameters import Parameters
from email_core.providers.graph.draft import draft_of
from email_core.record import Mode
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.base import Doorbell, Stores
from email_core.stores.memory import memory_stores
from tests.fakes.graph import AFTER, BEFORE, GraphServer, fault, refused_token, throttled
from tests.support.emails import Clock
from tests.support.graph import graph_provider, graph_server
from tests.support.storage import all_azure_stores

LARGE = bytes(range(256)) * 20_000  # 5 MB
NOT_FOUND = fault(404, "ErrorItemNotFound", "The specified object was not found in the store.")
HOLD = {"unconfirmed_policy": "hold"}


class World:
    def __init__(self, connected: Callable[[Parameters], Subsystem], server: GraphServer, clock: Clock) -> None:
        self.connected, self.server, self.clock = connected, server, clock
        self.core: Subsystem

    async def accept(self, *files: bytes) -> Doorbell:
        attachments = tuple(Attachment(f"{number}.bin", "application/x", octets) for number, octets in enumerate(files))
        message = Message(
            sender=Address("ann@contoso.com"),
            to=(Address("bob@example.com"),),
            bcc=(Address("eve@example.com"),),
            subject="Statement",
            text="Hello",
            attachments=attachments,
        )
        record = await self.core.outbox.accept(await self.core.composer.prepare(message, Order(), LOCAL))
        return Doorbell(record.id, record.mode)

    async def answer(self, bell: Doorbell):
        """The email, after its doorbell rang when it was due."""
        record = await self.core.outbox.read(bell.email_id)
        self.clock.now = max(self.clock.now, record.due_at)
        await self.core.delivery.answer(bell)
        return await self.core.outbox.read(bell.email_id)


@pytest.fixture(params=["memory", "azure"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores


@asynccontextmanager
async def world(stores: Stores, **parameters) -> AsyncIterator[World]:
    clock = Clock()
    parameters = {"batch_provider": "graph", **parameters}
    async with (
        graph_server() as server,
        graph_provider(server, store=stores.mailboxes, clock=clock, **parameters) as provider,
    ):

        def connected(parameters: Parameters) -> Subsystem:
            return connect(
                stores=stores,
                providers={"graph": provider},
                parameters=parameters,
                secrets=MemorySecrets(clock),
                clock=clock,
            )

        one = World(connected, server, clock)
        one.core = connected(Parameters(**parameters))
        yield one


async def test_email_is_sent_once_with_its_bcc_and_the_ids_of_the_call(stores):
    async with world(stores) as one:
        bell = await one.accept()
        record = await one.answer(bell)
        await one.answer(bell)
    (sent,) = one.server.sent
    assert (record.status, record.provider) == (Status.SENT, "graph")
    assert sent.recipients == {"bob@example.com", "eve@example.com"}
    assert record.attempts[0].trace.startswith("sendMail ")


async def test_large_email_is_streamed_from_where_it_is_kept(stores):
    async with world(stores) as one:
        record = await one.answer(await one.accept(LARGE))
    assert record.status is Status.SENT
    assert one.server.sent[0].files == {"0.bin": LARGE}
    assert draft_of(record.handle) in one.server.drafts


@pytest.mark.parametrize("files", [(), (LARGE,)])
async def test_lost_answer_is_proved_and_nothing_is_sent_twice(stores, files):
    async with world(stores, **HOLD) as one:
        one.server.faults |= {"sendMail": [AFTER], "send": [AFTER]}
        bell = await one.accept(*files)
        assert (await one.answer(bell)).in_doubt
        record = await one.answer(bell)
    assert (record.status, len(one.server.sent)) == (Status.SENT, 1)
    assert [attempt.outcome for attempt in record.attempts] == ["unconfirmed", "delivered"]


async def test_draft_that_was_not_sent_is_sent_without_a_second_upload(stores):
    async with world(stores, **HOLD) as one:
        one.server.faults["send"] = [BEFORE]
        bell = await one.accept(LARGE)
        await one.answer(bell)
        record = await one.answer(bell)
    assert (record.status, len(one.server.sent), one.server.calls("draft")) == (Status.SENT, 1, 1)


@pytest.mark.parametrize("modes", [("live", "redirect"), ("redirect", "live"), ("redirect", "redirect")])
async def test_draft_of_another_delivery_mode_is_not_sent(stores, modes):
    def parameters(mode: str) -> Parameters:
        return Parameters(batch_provider="graph", delivery_mode=mode, redirect_address="test@contoso.com")

    async with world(stores) as one:
        cores = [one.connected(parameters(mode)) for mode in modes]
        one.server.faults["send"] = [BEFORE]
        one.core = cores[0]
        bell = await one.accept(LARGE)
        await one.answer(bell)
        one.core = cores[1]
        record = await one.answer(bell)
    theirs = {"bob@example.com", "eve@example.com"} if modes[1] == "live" else {"test@contoso.com"}
    assert (record.status, [sent.recipients for sent in one.server.sent]) == (Status.SENT, [theirs])
    assert one.server.calls("draft") == len(set(modes))


async def test_draft_that_is_nowhere_is_asked_for_again_and_then_sent_anew(stores):
    async with world(stores, unconfirmed_policy="resend") as one:
        one.server.faults["send"] = [BEFORE]
        bell = await one.accept(LARGE)
        await one.answer(bell)
        one.server.drafts.clear()
        records = [await one.answer(bell) for _ in range(6)]
        assert [record.status for record in records] == [Status.UNSENT] * 5 + [Status.SENT]
    assert (len(one.server.sent), one.server.calls("draft")) == (1, 2)


async def test_draft_that_is_on_its_way_is_not_made_again(stores):
    async with world(stores) as one:
        one.server.faults |= {"send": [BEFORE, NOT_FOUND]}
        bell = await one.accept(LARGE)
        await one.answer(bell)
        assert (await one.answer(bell)).in_doubt
    assert one.server.calls("draft") == 1


async def test_throttled_email_comes_back_when_graph_says_so(stores):
    async with world(stores) as one:
        one.server.faults["sendMail"] = [throttled("RequestRate", "120.5")]
        bell, sent_at = await one.accept(), one.clock.now
        record = await one.answer(bell)
        assert 120.5 <= (record.next_attempt_at - sent_at).total_seconds() <= 140
        assert (await one.answer(bell)).status is Status.SENT


async def test_refused_application_pauses_the_provider_and_fails_no_email(stores):
    async with world(stores) as one:
        one.server.faults["token"] = [refused_token("7000222", "The client secret keys are expired.")] * 2
        bells = [await one.accept() for _ in range(3)]
        records = [await one.answer(bell) for bell in bells[:1]]
        one.clock.now = records[0].created_at
        records += [await one.answer(bell) for bell in bells[1:]]
        assert {record.status for record in records} == {Status.UNSENT}
        assert one.server.calls("token") == 1
        assert "AADSTS7000222" in records[0].attempts[0].reply
        one.server.faults.clear()
        for bell in bells:
            record = await one.answer(bell)
    assert record.status is Status.SENT


async def test_token_that_was_revoked_is_replaced_within_the_attempt(stores):
    async with world(stores) as one:
        await one.answer(await one.accept())
        one.server.revoke_tokens()
        record = await one.answer(await one.accept())
    assert (record.status, record.tries, one.server.calls("token")) == (Status.SENT, 1, 2)


async def test_batch_mail_of_nobody_is_from_the_batch_account(stores):
    message = Message(to=(Address("bob@example.com"),))
    async with world(stores, graph_batch_mailbox="batch@contoso.com") as one:
        prepared = await one.core.composer.prepare(message, Order(), LOCAL)
        assert prepared.record.sender == Address("batch@contoso.com")
        with pytest.raises(InvalidEmail):
            await one.core.composer.prepare(message, Order(mode=Mode.INTERACTIVE), LOCAL)


async def test_content_of_the_history_has_no_bcc(stores):
    async with world(stores) as one:
        bell = await one.accept()
        await one.answer(bell)
        _, mime = await one.core.outbox.content(bell.email_id)
    assert b"eve@example.com" not in mime
    assert b"eve@example.com" in base64.b64decode(one.server.requests[-1].body)
