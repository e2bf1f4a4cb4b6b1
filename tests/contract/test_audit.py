"""The audit over all stores."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from email_core.audit import Action, AuditLog, Change
from email_core.caller import LOCAL
from email_core.errors import LostRace, StorageUnavailable
from email_core.stores.base import Stores
from email_core.stores.memory import memory_stores
from tests.support.emails import NOON, Clock
from tests.support.storage import all_azure_stores

PORT = Change(Action.PARAMETER_CHANGED, "smtp_port", "587", "465")
SERVER = Change(Action.PARAMETER_CHANGED, "smtp_server", None, "mail.contoso.com")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["memory", "azure"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores


@pytest.fixture
def clock():
    return Clock(NOON)


@pytest.fixture
def audit(stores, clock):
    return AuditLog(stores.audit, clock)


async def changes(audit):
    return [event.change for event in (await audit.page(500)).items]


async def test_event_is_found_with_all_that_it_says(audit):
    await audit.record(LOCAL, PORT)
    [event] = (await audit.page(500)).items
    assert (event.at, event.by, event.name, event.change) == (NOON, "local", LOCAL.name, PORT)


async def test_newest_comes_first_and_the_events_of_one_deed_keep_their_order(audit, clock):
    await audit.record(LOCAL, PORT)
    clock.now += timedelta(days=1)
    async with audit.records(LOCAL, SERVER, PORT):
        pass
    assert await changes(audit) == [SERVER, PORT, PORT]


async def test_pages_go_over_all_days_and_miss_and_repeat_nothing(audit, clock):
    for number in range(7):
        await audit.record(LOCAL, Change(Action.USER_CREATED, f"user {number}"))
        clock.now += timedelta(hours=9)
    subjects, cursor = [], None
    for _ in range(10):
        page = await audit.page(2, cursor)
        subjects += [event.change.subject for event in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert subjects == [f"user {number}" for number in reversed(range(7))]


async def test_deed_stands_in_the_audit_before_it_is_done(audit):
    async with audit.records(LOCAL, PORT):
        assert await changes(audit) == [PORT]


@pytest.mark.parametrize(("error", "left"), [(LostRace("x"), []), (StorageUnavailable("write x"), [PORT])])
async def test_what_did_not_happen_is_taken_out_and_what_nobody_knows_stays(audit, error, left):
    with pytest.raises(type(error)):
        async with audit.records(LOCAL, PORT):
            raise error
    assert await changes(audit) == left


async def test_many_events_of_one_deed_are_all_kept(audit):
    many = [Change(Action.USER_CREATED, f"user {number:03d}") for number in range(150)]
    async with audit.records(LOCAL, *many):
        pass
    assert await changes(audit) == many


async def test_purge_takes_the_old_days_only(audit, clock):
    for _ in range(3):
        await audit.record(LOCAL, PORT)
    clock.now += timedelta(days=10)
    await audit.record(LOCAL, SERVER)
    assert await audit.purge(timedelta(days=5), LATER) == 3
    assert await changes(audit) == [SERVER]


async def test_words_with_any_character_are_kept(audit):
    odd = Change(Action.USER_CHANGED, "o'brien/é#?", "a'b", "\U0001f600")
    await audit.record(LOCAL, odd)
    assert await changes(audit) == [odd]
