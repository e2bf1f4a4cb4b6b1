"""When a provider is not to be tried: a refused sign-in, or another fault that an administrator must mend, stops it for
all instances. Repeated logins with a wrong password would lock the account out (facts/smtp.md).

The pause grows from 1 to 15 minutes. When it is over, one email goes first and signs in anew; the others wait for what
becomes of it. What was under way before says nothing: it may have signed in while the password was still right. Each
configuration of a provider has a pause of its own, so that none holds after a change of the parameters; a new secret,
or a test email that gets through, lifts it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from email_core.errors import LostRace, StorageUnavailable
from email_core.logs import where
from email_core.providers.base import BEFORE_MAIL, Outcome, OutcomeKind, Provider

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
PROBE = timedelta(minutes=2)  # that the one email which goes first has for it
CACHED_FOR = timedelta(seconds=10)
REPLY_KEPT = 500  # characters

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """What is known of a provider in one configuration. `refusals` counts those since it last worked; none means that
    all is well. `probing`: the pause is over, and one email is trying until `paused_until`. `reply`, `stage` and `code`
    are the last refusal's."""

    refusals: int = 0
    paused_until: datetime | None = None
    probing: bool = False
    reply: str = field(default="", repr=False)
    stage: str | None = None
    code: int | None = None

    def waits_until(self, now: datetime) -> datetime | None:
        """None where an email may be tried, if only as a probe."""
        return None if self.paused_until is None or self.paused_until <= now else self.paused_until

    def heeds(self, began: datetime) -> bool:
        """Whether an attempt that began then says anything: it was the probe, or there was no pause to hold it up."""
        if self.paused_until is None:
            return True
        return began >= (self.paused_until - PROBE if self.probing else self.paused_until)

    def after_refusal(self, refusal: Outcome, now: datetime) -> "ProviderState":
        refusals = self.refusals + 1
        pause = min(FIRST_PAUSE * (1 << min(refusals - 1, 10)), LONGEST_PAUSE)
        return ProviderState(
            refusals=refusals,
            paused_until=now + pause,
            reply=refusal.reply[:REPLY_KEPT],
            stage=refusal.stage,
            code=refusal.code,
        )

    def after_begin_of_probe(self, now: datetime) -> "ProviderState":
        return replace(self, paused_until=now + PROBE, probing=True)


def is_refusal(outcome: Outcome) -> bool:
    """Whether every other email would fare the same, until an administrator has mended something. At a sign-in all
    that fails is one, though the server says "later", hangs or breaks off: each try may count against the account. It
    is one too where some got the email over an earlier connection."""
    return outcome.stage == "auth" or (outcome.kind is OutcomeKind.CONFIGURATION and outcome.stage in BEFORE_MAIL)


def shows_that_it_works(outcome: Outcome) -> bool:
    """Whether the provider got as far as an email's own matters."""
    return outcome.kind is OutcomeKind.DELIVERED or (outcome.stage is not None and outcome.stage not in BEFORE_MAIL)


class ProviderStateStore(Protocol):
    """One row a provider's configuration. `write` is conditional on the etag that was read (None: on there being no
    row); raises LostRace. `purge` forgets those that nobody has written since, and returns how many."""

    async def read(self, row: str) -> tuple[ProviderState, str | None]: ...

    async def write(self, row: str, state: ProviderState, etag: str | None) -> None: ...

    async def purge(self, before: datetime) -> int: ...


class ProviderPauses:
    """The states as a process sees them: at most `CACHED_FOR` old, so that they cost no request on the hot path."""

    def __init__(self, store: ProviderStateStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._cached: dict[str, tuple[ProviderState, datetime]] = {}
        self._one_reader: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def state(self, provider: Provider) -> ProviderState:
        """Raises StorageUnavailable."""
        row = row_of(provider)
        cached = self._fresh_enough(row)
        if cached is not None:
            return cached
        async with self._one_reader[row]:  # whoever finds it stale at the same moment waits for one of them
            return self._fresh_enough(row) or (await self._read(row))[0]

    async def waits_until(self, provider: Provider) -> datetime | None:
        """Asked before an email is claimed. None: try it now. Raises StorageUnavailable."""
        state = await self.state(provider)
        if not state.refusals:
            return None
        return state.waits_until(self._clock()) or await self._let_one_try(provider)

    async def learn(self, provider: Provider, outcome: Outcome, began: datetime) -> datetime | None:
        """Told of every attempt. Returns until when the provider is paused, where this attempt shows that it must be.
        Where that cannot be written it counts for this process alone."""
        known = self.known(provider)
        try:
            if is_refusal(outcome):
                return (await self._refused(provider, outcome, began)).paused_until
            if known.refusals and known.heeds(began) and shows_that_it_works(outcome):
                await self._change(row_of(provider), lambda state: ProviderState() if state.heeds(began) else state)
        except (StorageUnavailable, LostRace) as error:
            logger.warning("what was learned of provider %s is not recorded: %s", provider.name, where(error))
            return self.known(provider).paused_until if is_refusal(outcome) else None
        return None

    async def learn_from_test(self, provider: Provider, outcome: Outcome) -> None:
        """Somebody asked for it, paused or not: it counts in any case. What gets through lifts a pause that this
        process knows nothing of yet. Raises StorageUnavailable."""
        if is_refusal(outcome):
            await self._refused(provider, outcome)
        elif shows_that_it_works(outcome):
            await self.lift(provider)

    async def lift(self, provider: Provider) -> None:
        """After a test email that got through, or a new secret. Raises StorageUnavailable."""
        provider.sign_in_anew()
        await self._change(row_of(provider), lambda _: ProviderState())

    async def _refused(self, provider: Provider, outcome: Outcome, began: datetime | None = None) -> ProviderState:
        now = self._clock()

        def edit(state: ProviderState) -> ProviderState:
            return state.after_refusal(outcome, now) if began is None or state.heeds(began) else state

        state = await self._change(row_of(provider), edit, at_once=True)
        logger.warning(
            "provider %s is paused until %s after %d refusals",
            provider.name,
            state.paused_until and state.paused_until.isoformat(timespec="seconds"),
            state.refusals,
        )
        return state

    async def _let_one_try(self, provider: Provider) -> datetime | None:
        """The pause is over. Whoever writes that first is the one, and shows whether a sign-in succeeds."""
        row = row_of(provider)
        state, etag = await self._read(row)
        now = self._clock()
        waits = state.waits_until(now)
        if waits is not None or not state.refusals:
            return waits
        probing = state.after_begin_of_probe(now)
        self._keep(row, probing)  # the others of this process wait already
        try:
            await self._store.write(row, probing, etag)
        except LostRace:
            return (await self._read(row))[0].waits_until(now)
        provider.sign_in_anew()
        return None

    async def _change(
        self, row: str, edit: Callable[[ProviderState], ProviderState], *, at_once: bool = False
    ) -> ProviderState:
        """Repeated while others write. `at_once`: this process goes by it before it is written."""
        if at_once and row in self._cached:
            self._keep(row, edit(self._cached[row][0]))
        while True:
            state, etag = await self._store.read(row)
            changed = edit(state)
            self._keep(row, changed)
            if changed == state:
                return changed
            try:
                await self._store.write(row, changed, etag)
            except LostRace:
                continue
            return changed

    async def _read(self, row: str) -> tuple[ProviderState, str | None]:
        state, etag = await self._store.read(row)
        self._keep(row, state)
        return state, etag

    def _keep(self, row: str, state: ProviderState) -> None:
        self._cached[row] = state, self._clock()

    def known(self, provider: Provider) -> ProviderState:
        """As far as this process knows: without asking."""
        return self._cached.get(row_of(provider), (ProviderState(), None))[0]

    def _fresh_enough(self, row: str) -> ProviderState | None:
        if row not in self._cached:
            return None
        state, read_at = self._cached[row]
        age = self._clock() - read_at  # below zero where the clock was set back
        return state if timedelta(0) <= age < CACHED_FOR else None


def row_of(provider: Provider) -> str:
    """While instances of two configurations run side by side, neither goes by the other's pause."""
    return f"{provider.name}-{provider.configuration}"
