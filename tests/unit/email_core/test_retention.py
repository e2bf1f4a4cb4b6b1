from datetime import timedelta

import pytest

from email_core.delivery_state import Event, Status
from email_core.idempotency import KEPT, KeyUse
from email_core.leftovers import Leftovers
from email_core.parameters import Parameters
from email_core.providers.base import Provider
from email_core.record import EmailRecord
from email_core.retention import Retention
from email_core.stores.memory import MemoryEmailStore, MemoryIdempotencyStore
from tests.support.emails import NOON, Clock, email

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


class DiscardingProvider(Provider):
    """Remembers what it was asked to discard, and with which doubt."""

    def __init__(self) -> None:
        self.discarded: list[tuple[str | None, bool]] = []

    async def submit(self, submission):
        raise AssertionError("nothing is sent here")

    async def discard(self, envelope, *, in_doubt):
        self.discarded.append((envelope.handle, in_doubt))
        raise RuntimeError("and it did not work")


class World:
    def __init__(self, **parameters: int) -> None:
        self.clock = Clock()
        self.emails = MemoryEmailStore()
        self.keys = MemoryIdempotencyStore()
        self.provider = DiscardingProvider()
        self.retention = Retention(
            emails=self.emails,
            keys=self.keys,
            leftovers=Leftovers({"graph": self.provider}),
            parameters=Parameters(**parameters),
            clock=self.clock,
        )

    async def keep(self, *records: EmailRecord) -> None:
        for record in records:
            await self.emails.insert(record, b"")

    async def status(self, record: EmailRecord) -> Status:
        return (await self.emails.get(record.id)).record.status


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({"at": NOON - 30 * DAY}, Status.EXPIRED),
        ({"at": NOON - 30 * DAY + MINUTE}, Status.UNSENT),
        ({"expires_at": NOON}, Status.EXPIRED),
        ({"at": NOON - 300 * DAY, "expires_at": NOON + MINUTE}, Status.UNSENT),
        ({"at": NOON - 300 * DAY, "send_at": NOON - DAY}, Status.UNSENT),
        ({"at": NOON - 300 * DAY, "held": True}, Status.EXPIRED),
    ],
)
async def test_unsent_email_expires_when_its_time_is_over(about, status):
    world, record = World(), email(**about)
    await world.keep(record)
    report = await world.retention.expire(NOON + MINUTE)
    assert (await world.status(record), report.emails, report.finished) == (status, status is Status.EXPIRED, True)


async def test_draft_of_an_email_that_expires_is_discarded():
    world, record = World(), email(NOON - 30 * DAY, provider="graph", handle="draft")
    await world.keep(record, email(NOON - DAY, provider="graph", handle="other"))
    report = await world.retention.expire(NOON + MINUTE)
    assert (report.emails, world.provider.discarded) == (1, [("draft", False)])


async def test_parameter_says_after_how_many_days_mail_expires():
    world, record = World(email_expiration_days=2), email(NOON - 2 * DAY)
    await world.keep(record)
    await world.retention.expire(NOON + MINUTE)
    assert await world.status(record) is Status.EXPIRED


async def test_email_that_is_being_sent_does_not_expire():
    world, record = World(), email(NOON - 300 * DAY).after(Event.CLAIM, NOON, lease_until=NOON + MINUTE)
    await world.keep(record)
    await world.retention.expire(NOON + MINUTE)
    assert await world.status(record) is Status.SENDING


def ended(at, created=None) -> EmailRecord:
    return email(created or at, status=Status.SENT, ended_at=at)


async def test_history_is_purged_when_it_ended_longer_ago_than_it_is_kept():
    old, kept = ended(NOON - 30 * DAY - MINUTE), ended(NOON - 30 * DAY + MINUTE)
    late = ended(NOON - DAY, created=NOON - 90 * DAY)
    unsent = email(NOON - 90 * DAY)
    world = World()
    await world.keep(old, kept, late, unsent)
    report = await world.retention.purge(NOON + MINUTE)
    assert (report.emails, report.finished) == (1, True)
    assert await world.emails.get(old.id) is None
    assert [await world.status(one) for one in (kept, late, unsent)] == [Status.SENT, Status.SENT, Status.UNSENT]


async def test_purge_goes_on_where_time_ran_out():
    world = World()
    await world.keep(*(ended(NOON - number * DAY) for number in range(40, 60)))
    purge = world.emails.purge

    async def slow_purge(*about):
        world.clock.advance(seconds=10)
        return await purge(*about)

    world.emails.purge = slow_purge
    first = await world.retention.purge(NOON + MINUTE)
    assert not first.finished
    assert first.emails == 6
    assert (await world.retention.purge(NOON + DAY)).emails == 14


async def test_keys_are_forgotten_when_they_are_over():
    world = World()
    await world.keys.claim(KeyUse("old", "", "", NOON - KEPT - MINUTE))
    await world.keys.claim(KeyUse("new", "", "", NOON - KEPT + MINUTE))
    assert await world.retention.purge_keys(NOON + MINUTE) == 1
