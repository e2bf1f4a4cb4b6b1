"""How often a server is signed in to while that fails: each try may bring the account nearer to being locked out."""

import pytest

from email_core.delivery import Delivery
from email_core.delivery_state import Status
from email_core.distributor import Distributor
from email_core.errors import SecretFault, SecretUnreadable
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderPauses
from email_core.providers.smtp import connection
from email_core.record import EmailRecord
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.base import Doorbell
from email_core.stores.memory import (
    MemoryDistributorStore,
    MemoryDoorbells,
    MemoryEmailStore,
    MemoryProviderStates,
    MemoryWindowStore,
)
from email_core.throttle import Throttle
from tests.support.emails import Clock, email
from tests.support.smtp_server import DROP, HANG, PASSWORD, provider, secrets, smtp_server

SIGNS_IN = {"authentication": "password", "user_name": "ann@contoso.com"}
OFFERS = ("AUTH PLAIN",)


class World:
    def __init__(self, smtp) -> None:
        self.smtp = smtp
        self.clock = Clock()
        self.emails = MemoryEmailStore()
        self.pauses = ProviderPauses(MemoryProviderStates(), self.clock)
        self.delivery = Delivery(
            emails=self.emails,
            doorbells=MemoryDoorbells(),
            providers={"smtp": smtp},
            parameters=Parameters(),
            distributor=Distributor(MemoryDistributorStore(), self.clock),
            pauses=self.pauses,
            throttle=Throttle(MemoryWindowStore(), Parameters(), self.clock),
            clock=self.clock,
        )

    async def send(self, **changes) -> EmailRecord:
        record = email(**changes)
        await self.emails.insert(record, b"Subject: Statement\r\n\r\nHello\r\n")
        await self.delivery.answer(Doorbell(record.id, record.mode))
        return (await self.emails.get(record.id)).record

    async def is_paused(self) -> bool:
        return (await self.pauses.state(self.smtp)).refusals > 0


class UnreachableSecrets(MemorySecrets):
    async def get(self, name):
        raise SecretUnreadable(name, SecretFault.UNREACHABLE, "Try again.")


@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 wrong",
        "535 5.7.0 (#AUTH005) Too many bad auth attempts.",
        "454 4.7.0 Too many login attempts, please try again later.",
        "421 4.7.0 Too many authentication failures, closing",
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        DROP,
        HANG,
    ],
)
async def test_sign_in_that_fails_in_any_way_is_tried_once_and_all_mail_stays_unsent(reply, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.1)
    async with smtp_server({"auth": reply}, OFFERS) as server:
        with provider(server, secrets(smtp_password=PASSWORD), **SIGNS_IN) as smtp:
            world = World(smtp)
            records = [await world.send() for _ in range(3)]
            assert await world.is_paused()
    assert server.steps.count("AUTH") == 1
    assert {record.status for record in records} == {Status.UNSENT}


async def test_new_password_is_tried_at_once_when_the_pause_is_lifted():
    store = secrets(smtp_password="wrong")
    async with smtp_server(extensions=OFFERS) as server:
        with provider(server, store, **SIGNS_IN) as smtp:
            world = World(smtp)
            await world.send()
            await store.put(SecretName.SMTP_PASSWORD, PASSWORD)
            await world.pauses.lift(smtp)
            assert (await world.send()).status is Status.SENT
    assert server.steps.count("AUTH") == 2


async def test_vault_that_does_not_answer_pauses_nothing_as_nobody_signed_in():
    async with smtp_server(extensions=OFFERS) as server:
        with provider(server, UnreachableSecrets(Clock()), **SIGNS_IN) as smtp:
            world = World(smtp)
            await world.send()
            assert not await world.is_paused()
    assert "AUTH" not in server.steps


async def test_sign_in_refused_for_the_second_part_of_an_email_pauses_and_the_first_is_not_sent_again():
    replies = {"auth": ["235 welcome", "535 5.7.8 wrong"], "mail": ["250 OK", DROP]}
    async with smtp_server(replies, (*OFFERS, "LIMITS RCPTMAX=1")) as server:
        with provider(server, secrets(smtp_password=PASSWORD), **SIGNS_IN) as smtp:
            world = World(smtp)
            record = await world.send(to=(Address("bob@example.com"), Address("eve@example.com")))
            assert await world.is_paused()
    assert (record.status, record.waiting_recipients) == (Status.UNSENT, ("eve@example.com",))
    assert len(server.contents) == 1
