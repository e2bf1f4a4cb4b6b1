"""An email that goes in several SMTP transactions, one of which has no answer, over all stores: nobody is said to have
it without an answer or an administrator's word, nobody who has it gets it again unasked, and nobody is passed over."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from email_core.assembly import Subsystem, connect
from email_core.caller import LOCAL
from email_core.delivery import LEASE
from email_core.delivery_state import Status
from email_core.errors import IllegalTransition, LostRace, StorageUnavailable
from email_core.message import Address, Message
from email_core.order import Order
from email_core.parameters import Parameters
from email_core.providers.base import Provider
from email_core.record import EmailRecord
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.base import Doorbell, Stores
from email_core.stores.memory import memory_stores
from tests.support.emails import Clock
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, SmtpServer, provider, smtp_server
from tests.support.storage import all_azure_stores

NAMES = "abcdef"  # two in each transaction
GOT, LOST = "250 OK", DROP  # what is said to a transaction's content
_RCPT = {
    "too many": [GOT, GOT, "452 4.5.3 too many recipients"] * 3,
    "refusals": [GOT, GOT, *["450 4.2.0 later"] * 4],
}
SENT, SENDING, UNSENT = Status.SENT, Status.SENDING, Status.UNSENT


class World:
    def __init__(self, core: Subsystem, server: SmtpServer, clock: Clock) -> None:
        self.core, self.server, self.clock = core, server, clock
        self.bell = Doorbell("", "")

    async def accept(self) -> None:
        to = tuple(Address(f"{name}@example.com") for name in NAMES)
        message = Message(sender=Address("ann@contoso.com"), to=to, subject="Statement", text="Hello")
        record = await self.core.outbox.accept(await self.core.composer.prepare(message, Order(), LOCAL))
        self.bell = Doorbell(record.id, record.mode)

    async def read(self) -> EmailRecord:
        return await self.core.outbox.read(self.bell.email_id)

    async def answer(self) -> EmailRecord:
        """The email, after its doorbell rang when it was due."""
        record = await self.read()
        self.clock.now = max(self.clock.now, record.due_at)
        await self.core.delivery.answer(self.bell)
        return await self.read()

    @property
    def got(self) -> dict[str, int]:
        """How often the server named each in a transaction whose content it has."""
        named: list[str] = []
        got: Counter[str] = Counter()
        for command in self.server.commands:
            match command.split()[0]:
                case "MAIL":
                    named = []
                case "RCPT":
                    named.append(command.partition("<")[2][0])
                case "DATA":
                    got.update(named)
        return dict(got)


def fates(record: EmailRecord) -> str:
    """Each one's first two letters of their own status, or of the email's in brackets."""
    own = (record.results.get(address) for address in record.recipients)
    return " ".join(one.status.value[:4] if one else f"({record.status.value[:4]})" for one in own)


@pytest.fixture(params=["memory", "azure"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores


@asynccontextmanager
async def world(
    stores: Stores, *answers: str, policy: str = "hold", limited_by: str = "settings"
) -> AsyncIterator[World]:
    """With an email accepted. Without `answers`, a and b are accepted, c and d may be, and e and f have no turn."""
    clock = Clock()
    replies = {"content": [*(answers or (GOT, LOST))], "rcpt": _RCPT.get(limited_by, [])}
    extensions = (*EXTENSIONS, *["LIMITS RCPTMAX=2"] * (limited_by == "ehlo"))
    async with smtp_server(replies, extensions) as server:
        with provider(server, most_recipients=2 if limited_by == "settings" else None) as smtp:
            one = World(connected(stores, smtp, policy, clock), server, clock)
            await one.accept()
            yield one


def connected(stores: Stores, smtp: Provider, policy: str, clock: Clock) -> Subsystem:
    return connect(
        stores=stores,
        providers={"smtp": smtp},
        parameters=Parameters(unconfirmed_policy=policy),
        secrets=MemorySecrets(clock),
        clock=clock,
    )


async def test_only_those_whose_answer_was_lost_are_in_doubt(stores):
    async with world(stores) as one:
        record = await one.answer()
    assert (record.status, fates(record)) == (UNSENT, "Sent Sent Send Send (Unse) (Unse)")
    assert (record.waiting_recipients, record.recipients_in_doubt) == (record.recipients[4:], record.recipients[2:4])


async def test_held_email_is_marked_as_sent_for_those_in_doubt_and_goes_on_to_the_others(stores):
    async with world(stores) as one:
        await one.answer()
        assert (await one.answer()).held
        marked = await one.core.outbox.mark_sent(one.bell.email_id)
        assert (marked.status, marked.held, fates(marked)) == (UNSENT, False, "Sent Sent Sent Sent (Unse) (Unse)")
        record = await one.answer()
    assert (record.status, fates(record)) == (SENT, "Sent Sent Sent Sent (Sent) (Sent)")
    assert one.got == dict.fromkeys(NAMES, 1)


async def test_held_email_is_sent_again_to_those_in_doubt_and_to_the_others(stores):
    async with world(stores) as one:
        await one.answer()
        await one.answer()
        again = await one.core.outbox.resend(one.bell.email_id)
        assert (again.in_doubt, fates(again)) == (False, "Sent Sent (Unse) (Unse) (Unse) (Unse)")
        record = await one.answer()
    assert record.status is SENT
    assert one.got == {"a": 1, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1}


async def test_policy_sends_again_without_a_question(stores):
    async with world(stores, policy="resend") as one:
        await one.answer()
        record = await one.answer()
    assert (record.status, [attempt.outcome for attempt in record.attempts]) == (SENT, ["unconfirmed", "delivered"])
    assert one.got == {"a": 1, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1}


async def test_doubt_about_all_is_ended_by_marking_the_email_as_sent(stores):
    async with world(stores, GOT, GOT, LOST) as one:
        await one.answer()
        await one.answer()
        record = await one.core.outbox.mark_sent(one.bell.email_id)
        assert (record.status, fates(record)) == (SENT, "Sent Sent Sent Sent Sent Sent")
        with pytest.raises(IllegalTransition):
            await one.core.outbox.mark_sent(one.bell.email_id)
    assert one.got == dict.fromkeys(NAMES, 1)


async def test_second_lost_answer_is_a_second_question(stores):
    async with world(stores, GOT, LOST, LOST) as one:
        await one.answer()
        await one.answer()
        await one.core.outbox.mark_sent(one.bell.email_id)
        await one.answer()
        record = await one.answer()
    assert (record.held, fates(record)) == (True, "Sent Sent Sent Sent Send Send")
    assert one.got == dict.fromkeys(NAMES, 1)


# ---- a worker that dies


async def died(one: World, stores: Stores, content_of: int) -> EmailRecord:
    """Its worker is gone while the server has the content of so many parts, and the lease is over."""
    task = asyncio.create_task(one.core.delivery.answer(one.bell))
    await one.server.hanging.wait()
    assert len(one.server.contents) == content_of
    stored = await stores.emails.get(one.bell.email_id)
    one.clock.now = stored.record.lease_until
    await one.core.sweeper.sweep(one.clock.now + LEASE)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return await one.read()


# the last of these is never given: the worker dies -> what is known
@pytest.mark.parametrize(
    ("answers", "known"),
    [
        ((HANG,), "Send Send (Unse) (Unse) (Unse) (Unse)"),
        ((GOT, HANG), "Sent Sent Send Send (Unse) (Unse)"),
        ((GOT, "554 5.6.0 no", HANG), "Sent Sent Fail Fail Send Send"),
    ],
)
async def test_worker_that_died_leaves_in_doubt_whose_turn_it_was(stores, answers, known):
    async with world(stores, *answers) as one:
        record = await died(one, stores, len(answers))
        assert (record.status, fates(record)) == (UNSENT, known)
        assert (await one.answer()).held
        marked = await one.core.outbox.mark_sent(one.bell.email_id)
        record = marked if marked.ended else await one.answer()
    assert record.status is SENT
    assert one.got == dict.fromkeys(NAMES, 1)


@pytest.mark.parametrize(
    ("limited_by", "answers", "known"),
    [
        ("ehlo", (HANG,), "Send Send (Unse) (Unse) (Unse) (Unse)"),
        ("ehlo", (GOT, HANG), "Sent Sent Send Send (Unse) (Unse)"),
        ("too many", (HANG,), "Send Send (Unse) (Unse) (Unse) (Unse)"),
        ("too many", (GOT, HANG), "Sent Sent Send Send (Unse) (Unse)"),
        ("refusals", (HANG,), "Send Send (Unse) (Unse) (Unse) (Unse)"),
    ],
)
async def test_worker_that_died_leaves_nobody_in_doubt_whom_the_server_did_not_take(stores, limited_by, answers, known):
    async with world(stores, *answers, limited_by=limited_by) as one:
        assert fates(await died(one, stores, len(answers))) == known
        await one.answer()
        await one.core.outbox.mark_sent(one.bell.email_id)
        assert (await one.answer()).status is SENT
    assert (one.got["a"], one.got["b"], set(one.got)) == (1, 1, set(NAMES))


async def test_worker_that_died_leaves_nobody_out_and_those_accepted_get_it_once(stores):
    async with world(stores, GOT, HANG, policy="resend") as one:
        await died(one, stores, 2)
        record = await one.answer()
    assert (record.status, one.got) == (SENT, {"a": 1, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1})


@pytest.mark.parametrize("error", [LostRace, StorageUnavailable])
async def test_content_is_not_sent_where_it_cannot_be_kept_whose_turn_it_is(stores, error):
    async with world(stores, limited_by="ehlo") as one:
        update = stores.emails.update

        async def fails_once_named(stored, record):
            if "DATA" in one.server.steps and record.status is SENDING:
                raise error("test")
            return await update(stored, record)

        stores.emails.update = fails_once_named
        record = await one.answer()
    assert (record.status, one.server.contents, record.in_doubt) == (UNSENT, [], False)


async def test_part_is_not_begun_by_a_worker_whose_email_another_one_took_over(stores):
    async with world(stores) as one:
        answer, accepted = one.server._reply, []

        def reply(step: str, command: str) -> str:
            accepted.extend([step] * (step == "content"))
            return answer(step, command)

        one.server._reply = reply
        update = stores.emails.update

        async def lost_after_the_first_part(stored, record):
            if accepted:
                raise LostRace(record.id)
            return await update(stored, record)

        stores.emails.update = lost_after_the_first_part
        await one.answer()
    assert one.got == {"a": 1, "b": 1}
