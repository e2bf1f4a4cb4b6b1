from datetime import UTC, datetime, timedelta

import pytest

from email_core.audit import Action, AuditLog, Change
from email_core.caller import LOCAL
from email_core.deferral import Deferral
from email_core.delivery_state import Event, Status
from email_core.email_id import partition_of
from email_core.idempotency import KEPT, KeyUse
from email_core.leftovers import Leftovers
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderState
from email_core.providers.base import Provider
from email_core.record import EmailRecord
from email_core.retention import UNUSED, Retention
from email_core.stores.memory import (
    MemoryAuditStore,
    MemoryEmailStore,
    MemoryIdempotencyStore,
    MemoryProviderStates,
    MemoryWindowStore,
)
from email_core.throttle import Throttle
from email_core.throttling import Window
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
        self.audit = MemoryAuditStore()
        self.windows, self.states = MemoryWindowStore(), MemoryProviderStates()
        self.throttle = Throttle(self.windows, Parameters(**parameters), self.clock)
        self.retention = Retention(
            emails=self.emails,
            keys=self.keys,
            leftovers=Leftovers({"graph": self.provider}),
            audit=AuditLog(self.audit, self.clock),
            windows=self.windows,
            provider_states=self.states,
            throttle=self.throttle,
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


# ---- content apart from its record


async def has_content(world, record):
    return not (await world.emails.get(record.id)).record.content_deleted


async def test_content_goes_before_its_record():
    old, new = ended(NOON - 8 * DAY), ended(NOON - 6 * DAY)
    late, unsent = ended(NOON - DAY, created=NOON - 20 * DAY), email(NOON - 20 * DAY)
    world = World(content_retention_days=7)
    await world.keep(old, new, late, unsent)
    report = await world.retention.purge_content(NOON + MINUTE)
    assert (report.emails, report.finished) == (1, True)
    assert [await has_content(world, one) for one in (old, new, late, unsent)] == [False, True, True, True]


@pytest.mark.parametrize("parameters", [{}, {"content_retention_days": 30}, {"content_retention_days": 90}])
async def test_where_content_lives_as_long_as_its_record_nobody_looks_for_it(parameters):
    world = World(**parameters)
    world.emails.partitions_with_content = None
    assert (await world.retention.purge_content(NOON + MINUTE)).finished


async def test_partition_without_content_is_not_looked_at_again():
    world = World(content_retention_days=7)
    await world.keep(ended(NOON - 20 * DAY), ended(NOON - 9 * DAY), ended(NOON - 3 * DAY, created=NOON - 15 * DAY))
    await world.retention.purge_content(NOON + MINUTE)
    left = [partition async for partition in world.emails.partitions_with_content(NOON - 7 * DAY)]
    assert left == [partition_of(email(NOON - 15 * DAY).id)]


async def test_purge_of_content_goes_on_where_time_ran_out():
    world = World(content_retention_days=1)
    await world.keep(*(ended(NOON - number * DAY) for number in range(2, 12)))
    purge = world.emails.purge_content

    async def slow_purge(*about):
        world.clock.advance(seconds=20)
        return await purge(*about)

    world.emails.purge_content = slow_purge
    first = await world.retention.purge_content(NOON + MINUTE)
    assert (first.emails, first.finished) == (3, False)
    assert (await world.retention.purge_content(NOON + DAY)).emails == 7


@pytest.mark.parametrize(("days", "left"), [(365, 1), (0, 2), (3650, 2)])
async def test_audit_is_kept_for_as_many_days_as_the_parameter_says(days, left):
    world = World(audit_retention_days=days)
    for at in (NOON - 400 * DAY, NOON):
        world.clock.now = at
        await AuditLog(world.audit, world.clock).record(LOCAL, Change(Action.PARAMETER_CHANGED, "smtp_port"))
    await world.retention.purge_audit(NOON + MINUTE)
    assert len(world.audit.events) == left


async def test_reservation_of_an_email_that_expires_is_given_back():
    world = World(smtp_per_minute_limit=1)
    await world.throttle.admit(email())
    record = email(expires_at=NOON + MINUTE / 2)
    deferral = await world.throttle.admit(record)
    assert isinstance(deferral, Deferral)
    await world.keep(deferral.of(record, NOON))
    world.clock.now = NOON + MINUTE / 2
    await world.retention.expire(NOON + MINUTE)
    window, _ = await world.windows.read("smtp")
    assert sum(count for _, count in window.reserved) == 1


async def test_states_that_nobody_has_written_for_long_are_forgotten():
    world = World()
    await world.windows.write("smtp", Window(), None)
    await world.states.write("smtp-1f", ProviderState(refusals=1), None)
    world.clock.now = datetime.now(UTC)
    assert await world.retention.purge_states() == 0
    world.clock.now += UNUSED + DAY
    assert await world.retention.purge_states() == 2
    assert await world.windows.read("smtp") == (Window(), None)
