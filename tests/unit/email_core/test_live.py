"""What a process does when the stored parameters change, and when they cannot be read."""

import asyncio
from datetime import timedelta

import pytest

from email_core.assembly import live
from email_core.errors import StorageUnavailable
from email_core.parameter_desk import CACHED_FOR
from email_core.parameters import Parameters
from email_core.provider_set import ProviderSet
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.smtp import SmtpSettings
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.memory import MemoryParameterStore
from tests.support.doors import Doors, IdleProvider
from tests.support.emails import Clock

CHANGED = SmtpSettings.from_parameters(Parameters(smtp_server="mail.contoso.com", smtp_port=2525))
REFUSED = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)


class CountingStore(MemoryParameterStore):
    """Counts its reads. `failure` is raised instead, where a test sets it."""

    reads = 0
    failure: Exception | None = None

    async def read(self):
        self.reads += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return await super().read()


class World:
    def __init__(self, **stored) -> None:
        self.clock = Clock()
        self.store = CountingStore(**{"smtp_server": "mail.contoso.com"} | stored)
        self.built: list[IdleProvider] = []
        doors = Doors(parameters=self.store)
        builders = {name: lambda settings, name=name: self._built(name, settings) for name in ("smtp", "graph")}
        self.live = live({}, doors.stores, MemorySecrets(self.clock), ProviderSet(builders), self.clock)

    def _built(self, name, settings):
        self.built.append(IdleProvider(name, settings.fingerprint))
        return self.built[-1]

    async def core(self):
        return await self.live.core()

    async def store_values(self, **values):
        """By another instance: this one sees it when it looks again."""
        stored, etag = await self.store.read()
        await self.store.write({**stored, **values}, etag)
        self.clock.advance(seconds=CACHED_FOR.total_seconds())


async def test_many_calls_cost_one_read_every_five_seconds():
    world = World()
    await asyncio.gather(*(world.core() for _ in range(100)))
    assert world.store.reads == 1
    world.clock.advance(seconds=4.9)
    await asyncio.gather(*(world.core() for _ in range(100)))
    assert world.store.reads == 1
    world.clock.advance(seconds=0.1)
    await asyncio.gather(*(world.core() for _ in range(100)))
    assert world.store.reads == 2


async def test_while_nothing_changes_the_subsystem_is_the_same():
    world = World()
    first = await world.core()
    world.clock.advance(minutes=1)
    assert await world.core() is first


async def test_change_of_another_instance_holds_after_five_seconds_and_what_began_keeps_the_old():
    world = World()
    before = await world.core()
    await world.store_values(attachment_size_limit=20)
    after = await world.core()
    assert (before.parameters.attachment_size_limit, after.parameters.attachment_size_limit) == (10, 20)


async def test_provider_whose_own_settings_are_the_same_is_kept():
    world = World()
    before = await world.core()
    await world.store_values(attachment_size_limit=20, graph_credential="identity")
    after = await world.core()
    assert after.providers["smtp"] is before.providers["smtp"]
    assert [one.name for one in world.built] == ["smtp", "graph"]
    assert [one.closed for one in world.built] == [0, 0]


@pytest.mark.parametrize("changes", [{"smtp_port": 2525}, {"smtp_server": "", "graph_credential": "identity"}])
async def test_provider_that_is_replaced_or_gone_is_closed(changes):
    world = World()
    await world.core()
    await world.store_values(**changes)
    await world.core()
    assert [one.closed for one in world.built] == [1, 0]


async def test_clock_that_was_set_back_makes_nobody_wait_for_a_change():
    world = World()
    await world.core()
    world.clock.advance(hours=-1)
    await world.core()
    assert world.store.reads == 2


# ---- a storage that does not tell


async def test_first_read_must_succeed():
    world = World()
    world.store.failure = StorageUnavailable("read the parameters")
    with pytest.raises(StorageUnavailable):
        await world.core()
    world.store.failure = None
    assert (await world.core()).parameters.smtp_server == "mail.contoso.com"


async def test_all_who_wait_for_the_first_read_learn_of_its_failure():
    world = World()
    world.store.failure = StorageUnavailable("read the parameters")
    answers = await asyncio.gather(*(world.core() for _ in range(20)), return_exceptions=True)
    assert ([type(one) for one in answers], world.store.reads) == ([StorageUnavailable] * 20, 1)
    with pytest.raises(StorageUnavailable):
        await world.core()
    assert world.store.reads == 2


async def test_later_what_is_known_holds_on_and_is_asked_for_again_after_five_seconds(caplog):
    world = World()
    before = await world.core()
    world.store.failure = StorageUnavailable("read the parameters")
    world.clock.advance(hours=1)
    assert [await world.core() for _ in range(3)] == [before] * 3
    assert world.store.reads == 2
    assert "those of before hold on" in caplog.text


async def test_storage_that_hangs_is_not_waited_for(monkeypatch):
    world = World()
    before = await world.core()
    monkeypatch.setattr("email_core.parameter_desk.PATIENCE", 0.01)
    world.store.read = asyncio.Event().wait
    world.clock.advance(hours=1)
    assert await world.core() is before


# ---- wrong values


async def test_wrong_value_closes_and_its_mending_opens():
    world = World()
    await world.core()
    await world.store_values(delivery_mode="redirct")
    closed = await world.core()
    assert [one.name for one in closed.problems] == ["delivery_mode"]
    assert (closed.providers, closed.parameters.delivery_mode) == ({}, "hold")
    await world.store_values(delivery_mode="live")
    assert not (await world.core()).problems
    assert [one.closed for one in world.built] == [0]


async def test_batch_provider_that_is_not_configured_closes_only_what_would_go_through_it():
    world = World(batch_provider="graph")
    core = await world.core()
    assert core.problems == ()
    assert list(core.providers) == ["smtp"]


# ---- pauses


async def test_changed_settings_lift_the_pause_also_where_they_are_changed_back():
    world = World()
    for port in (2525, 0):
        core = await world.core()
        await core.pauses.learn(core.providers["smtp"], REFUSED, world.clock())
        assert await core.pauses.waits_until(core.providers["smtp"]) is not None
        await world.store_values(smtp_port=port)
        core = await world.core()
        assert await core.pauses.waits_until(core.providers["smtp"]) is None


@pytest.mark.parametrize(("minutes", "is_paused"), [(1, False), (60, True)])
async def test_process_that_slept_lifts_no_pause_of_after_the_change(minutes, is_paused):
    world = World()
    asleep = await world.core()
    await world.store_values(smtp_port=2525)
    changed = IdleProvider("smtp", CHANGED.fingerprint)
    await asleep.pauses.learn(changed, REFUSED, world.clock())
    world.clock.advance(minutes=minutes)
    core = await world.core()
    state = await core.pauses.state(core.providers["smtp"])
    assert bool(state.refusals) is is_paused


async def test_pause_of_a_provider_whose_settings_are_the_same_holds_on():
    world = World()
    core = await world.core()
    await core.pauses.learn(core.providers["smtp"], REFUSED, world.clock())
    await world.store_values(attachment_size_limit=20)
    core = await world.core()
    assert await core.pauses.waits_until(core.providers["smtp"]) == world.clock() + timedelta(seconds=55)
