"""The one way an email is sent, the same for every provider: look, ask whether the provider is paused, ask the sending
limits, claim, prepare, wait for its moment, hand over, settle, record, ring again.

The table is the truth and a doorbell is only a hint: late, twice, or for an email that has ended, it does no harm.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from email_core.deferral import Deferral
from email_core.delivery_state import Event, Status
from email_core.diagnosis import diagnose
from email_core.distributor import Distributor
from email_core.errors import LostRace, StorageUnavailable
from email_core.handover import Claim, Handover, Result
from email_core.leftovers import Leftovers
from email_core.logs import counted, where
from email_core.parameters import Parameters
from email_core.parking import is_far_off, waits_for_its_time
from email_core.provider_pause import ProviderPauses, ProviderState
from email_core.providers.base import Outcome, Provider
from email_core.record import POISONED, Attempt, EmailRecord, Turn
from email_core.retry import retry_wait
from email_core.settlement import settle, without_words
from email_core.stores.base import LONGEST_DELAY, Doorbell, Doorbells, EmailStore, StoredEmail
from email_core.sweeper import released
from email_core.throttle import Throttle

LEASE = timedelta(minutes=6)  # shorter than the 10 minutes after which the host shows a dead worker's message again
SLOWEST_SENDING = 25_000  # octets a second: a large email's lease is longer
EARLY = timedelta(seconds=2)  # clocks differ: a doorbell this early is in time
FIRST_RECORDING_WAIT, LONGEST_RECORDING_WAIT = 0.5, 20.0  # seconds between tries to record an outcome
LONGEST_SPREAD = timedelta(seconds=20)  # of those who wait for a paused provider

POISONED_REPLY = "answering its doorbell failed again and again: the log of that time has the cause"
MOST_POISONINGS = 5  # one after another; then it has failed

logger = logging.getLogger(__name__)


class Delivery:
    """Answers doorbells. Raises StorageUnavailable, and then the same doorbell should ring again."""

    def __init__(
        self,
        *,
        emails: EmailStore,
        doorbells: Doorbells,
        providers: Mapping[str, Provider],
        parameters: Parameters,
        distributor: Distributor,
        pauses: ProviderPauses,
        throttle: Throttle,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._emails = emails
        self._doorbells = doorbells
        self._providers = providers
        self._parameters = parameters
        self._distributor = distributor
        self._pauses = pauses
        self._throttle = throttle
        self._clock = clock
        self._chance = chance
        self._pause = pause
        self._leftovers = Leftovers(providers)
        self._handover = Handover(emails=emails, providers=providers, parameters=parameters, clock=clock)

    async def answer(self, doorbell: Doorbell) -> None:
        carried = doorbell.stored
        if carried is not None and carried.record.status is Status.SENDING:
            return await self._answer_after_lease(carried)
        if carried is not None:
            try:
                return await self._deliver(carried)
            except LostRace:
                pass  # the email has changed since it rang: the table knows better
        stored = await self._emails.get(doorbell.email_id)
        if stored is None:
            return _ended_quietly(doorbell.email_id, "there is no such email")
        if carried is not None and (lease := _rest_of_lease(stored.record, self._clock())):
            return await self._ring_after(lease, stored)
        return await self._deliver_last(stored)

    async def _answer_after_lease(self, carried: StoredEmail) -> None:
        """It rang for the end of this version's lease, and leads to no other doorbell. Nearly always its worker went
        on: so much is read before a limit is asked."""
        stored = await self._emails.get(carried.record.id)
        if stored is None or stored.etag != carried.etag:
            return _ended_quietly(carried.record.id, "the worker whose lease it waited for went on")
        return await self._deliver_last(stored)

    async def _deliver_last(self, stored: StoredEmail) -> None:
        try:
            return await self._deliver(stored)
        except LostRace:
            return _ended_quietly(stored.record.id, "another worker was first")

    async def put_aside(self, doorbell: Doorbell) -> None:
        """Answers a doorbell that failed so often that the host put it into the poison queue: the email is tried
        again later, and fails for good when that happens too often."""
        stored = await self._emails.get(doorbell.email_id)
        if stored is None or stored.record.status is not Status.UNSENT:
            return _ended_quietly(doorbell.email_id, "it is not unsent")
        try:
            return await self._put_aside(stored)
        except LostRace:
            return _ended_quietly(doorbell.email_id, "somebody is at work on it")

    async def _ring_after(self, lease: timedelta, stored: StoredEmail) -> None:
        """The claim may have been made for this very doorbell, and only the answer to it was lost: then nobody sends
        the email. What rings after the lease carries the claim: by that it is known, and never leads to another one."""
        await self._doorbells.ring(Doorbell.of(stored), lease + EARLY)
        _ended_quietly(stored.record.id, "it is Sending, and another one rings when the lease is over")

    async def _put_aside(self, stored: StoredEmail) -> None:
        now = self._clock()
        provider = stored.record.provider
        found = diagnose(provider=provider, reply=POISONED_REPLY)
        record = stored.record.with_attempt(Attempt(now, provider, POISONED, POISONED_REPLY, 0.0, found.id))
        if all(attempt.outcome == POISONED for attempt in record.attempts[-MOST_POISONINGS:]) and (
            len(record.attempts) >= MOST_POISONINGS
        ):
            failed = record.after(Event.CLAIM, now).after(Event.FAIL, now)
            await self._end(stored, record, failed)
            return await self._throttle.give_back(record)
        due = max(record.due_at, now + retry_wait(record.tries, chance=self._chance()))
        return await self._return(stored, replace(record, next_attempt_at=due, updated_at=now))

    async def _deliver(self, stored: StoredEmail) -> None:
        """Raises LostRace, and has done nothing, where `stored` is not the email's last version."""
        now, record = self._clock(), stored.record
        if not _can_be_claimed(record, now):
            return _ended_quietly(record.id, "it is held" if record.held else f"it is {record.status}")
        if record.status is Status.SENDING:
            record = released(record, now)
        if is_expired(record, now, self._parameters):
            await self._end(stored, record, record.after(Event.EXPIRE, now))
            return await self._throttle.give_back(record)
        if await self._distributor.stops(record):
            return await self._park(stored, record)
        if record.due_at > now + EARLY:  # one that came early to expire must not wait here for its turn
            return await self._ring(stored)
        known = await self._provider_state(record)
        if paused_until := known.waits_until(now):
            return await self._wait(stored, record, paused_until)
        turn = await self._throttle.admit(record)
        try:
            claim = await self._admitted(stored, record, now, turn)
        except LostRace:
            if not await self._keeps(record, turn):
                await self._throttle.withdraw(record, turn)  # another worker was first
            raise
        if claim is None or isinstance(turn, Deferral):
            return None
        return await self._try(claim, stored.record, turn, known)

    async def _try(self, claim: Claim, before: EmailRecord, turn: Turn | None, known: ProviderState) -> None:
        """What can be done ahead of the email's moment is done ahead: its hand-over begins in it. `before` is what it
        was before the claim, `known` what was known of its provider then."""
        prepared = await self._handover.prepare(claim)
        if isinstance(prepared, Result):
            settled = await self._settle(claim, prepared)
            return await self._throttle.give_back(_promised(before, turn), waits=_stays_counted(settled))
        used = await self._throttle.wait(claim.record, turn)
        if isinstance(used, Deferral):
            now = self._clock()
            return await self._record(claim.stored, used.of(claim.record.after(Event.RETURN, now), now))
        if paused_until := self._paused_since(before, known):
            returned = _promised(claim.record.after(Event.RETURN, before.updated_at), used)
            await self._record(claim.stored, self._waiting(returned, paused_until))
            return await self._throttle.give_back(returned, waits=True)
        await self._settle(claim, await self._handover.submit(claim, prepared))
        return None

    async def _settle(self, claim: Claim, result: Result) -> EmailRecord:
        """Returns what it has recorded."""
        outcome, pauses = await self._learn(claim.record, result)
        settled = settle(
            claim.record,
            outcome,
            at=result.began,
            seconds=result.seconds,
            now=self._clock(),
            chance=self._chance(),
        )
        if pauses:
            settled = replace(settled, waits_for_provider=True)
        await self._record(claim.stored, settled)
        await self._throttle.learn(settled)
        return settled

    async def _park(self, stored: StoredEmail, record: EmailRecord) -> None:
        """One that was parked until its time has a doorbell by now, this one: its row says that it has none again."""
        if not record.parked or waits_for_its_time(record):
            parked = replace(record, parked=True, turn=_without_permit(record), updated_at=self._clock())
            await self._emails.update(stored, parked)
            await self._throttle.give_back(record, waits=True)
        _ended_quietly(record.id, "the distributor is off: it waits")

    async def _admitted(
        self, stored: StoredEmail, record: EmailRecord, now: datetime, turn: Turn | Deferral | None
    ) -> Claim | None:
        """None where it must wait. Where a provider's pause is over, who has a permit may be the one that tries."""
        if isinstance(turn, Deferral):
            await self._defer(stored, record, turn)
            return None
        if paused_until := await self._paused_until(record):
            await self._wait(stored, _promised(record, turn), paused_until)
            return None
        return Claim(self._emails, await self._claim(stored, record, now, turn))

    async def _keeps(self, record: EmailRecord, turn: Turn | Deferral | None) -> bool:
        """Whether the deferral was written, and only the answer was lost: the email goes by what it promised."""
        if not isinstance(turn, Deferral):
            return False
        stored = await self._emails.get(record.id)
        return stored is not None and stored.record.turn == turn.turn

    async def _provider_state(self, record: EmailRecord) -> ProviderState:
        provider = self._providers.get(record.provider)
        return ProviderState() if provider is None else await self._pauses.state(provider)

    async def _paused_until(self, record: EmailRecord) -> datetime | None:
        """None where the provider may be tried."""
        provider = self._providers.get(record.provider)
        return None if provider is None else await self._pauses.waits_until(provider)

    def _paused_since(self, record: EmailRecord, before: ProviderState) -> datetime | None:
        """Whether the provider was paused while the email waited for its moment, as far as this process knows."""
        provider = self._providers.get(record.provider)
        state = ProviderState() if provider is None else self._pauses.known(provider)
        return state.waits_until(self._clock()) if state.refusals > before.refusals else None

    def _waiting(self, record: EmailRecord, paused_until: datetime) -> EmailRecord:
        """It is no try: the provider, not the email, is at fault. Not all come back in the same second."""
        due = paused_until + LONGEST_SPREAD * self._chance()
        turn = _without_permit(record)
        return replace(record, next_attempt_at=due, waits_for_provider=True, turn=turn, updated_at=self._clock())

    async def _wait(self, stored: StoredEmail, record: EmailRecord, paused_until: datetime) -> None:
        await self._return(stored, self._waiting(record, paused_until))
        await self._throttle.give_back(record, waits=True)
        _ended_quietly(record.id, f"provider {record.provider} is paused")

    async def _defer(self, stored: StoredEmail, record: EmailRecord, deferral: Deferral) -> None:
        """It is no try: a sending limit makes it wait."""
        await self._return(stored, deferral.of(record, self._clock()))
        _ended_quietly(record.id, f"deferred by the limit of {deferral.turn.limit}")

    async def _claim(self, stored: StoredEmail, record: EmailRecord, now: datetime, turn: Turn | None) -> StoredEmail:
        """From here to the lease's end the email is this worker's alone. What a limit a minute promised is redeemed
        with it; its recipients stay counted for the next try, where this one reaches nobody."""
        keeps_turn = record.turn is not None or (turn is not None and turn.counted_at is not None)
        claim = record.after(
            Event.CLAIM,
            now,
            claims=record.claims + 1,
            parked=False,
            waits_for_provider=False,
            claimed_by=secrets.token_hex(8),
            lease_until=now + LEASE + timedelta(seconds=record.size / SLOWEST_SENDING),
            turn=replace(turn, permit_at=None) if turn is not None and keeps_turn else None,
        )
        return await self._emails.update(stored, claim)

    async def _learn(self, record: EmailRecord, result: Result) -> tuple[Outcome, bool]:
        """The same outcome, and whether it pauses the provider: then with the pause to wait."""
        provider, outcome = self._providers.get(record.provider), result.outcome
        paused_until = None if provider is None else await self._pauses.learn(provider, outcome, result.began)
        if paused_until is None:
            return outcome, False
        return replace(outcome, retry_after=max(paused_until - self._clock(), timedelta(0))), True

    async def _record(self, claimed: StoredEmail, settled: EmailRecord) -> None:
        """Tried for as long as the lease lasts: an outcome that is lost here may mean a second sending later."""
        logger.info(
            "email %s is %s after %s and %s: %s",
            settled.id,
            settled.status.value,
            counted(settled.tries, "try", "tries"),
            counted(settled.deferrals, "deferral", "deferrals"),
            _last_words(settled),
        )
        for wait in self._waits_within_lease(settled):
            try:
                if settled.ended:
                    return await self._end(claimed, claimed.record, settled)
                returned = await self._returned(claimed, settled)
                break
            except LostRace:
                logger.warning("email %s: its lease was over before its outcome was recorded", settled.id)
                return None
            except StorageUnavailable as error:
                logger.warning("email %s: its outcome is not recorded yet: %s", settled.id, where(error))
                await self._pause(wait)
            except Exception as error:  # noqa: BLE001 - words that nobody can store must not cost a second sending
                logger.error("email %s: its outcome is recorded without its words: %s", settled.id, where(error))
                settled = without_words(settled)
                await self._pause(wait)
        else:
            raise StorageUnavailable("record an outcome while the lease lasted")
        return await self._ring_unless_it_waits(returned)

    async def _end(self, stored: StoredEmail, last: EmailRecord, ended: EmailRecord) -> None:
        await self._emails.end(stored, ended)
        await self._leftovers.discard(last, ended)

    def _waits_within_lease(self, record: EmailRecord) -> Iterator[float]:
        wait = FIRST_RECORDING_WAIT
        while record.lease_until and self._clock() + timedelta(seconds=wait) < record.lease_until:
            yield wait
            wait = min(wait * 2, LONGEST_RECORDING_WAIT)

    async def _return(self, stored: StoredEmail, record: EmailRecord) -> None:
        """Back to the outbox: with a doorbell for when it is due, or parked where that is far off."""
        await self._ring_unless_it_waits(await self._returned(stored, record))

    async def _returned(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        parked = not record.held and is_far_off(_looked_at(record), self._clock())
        return await self._emails.update(stored, replace(record, parked=parked))

    async def _ring_unless_it_waits(self, stored: StoredEmail) -> None:
        if not (stored.record.parked or stored.record.held):
            await self._ring(stored)

    async def _ring(self, stored: StoredEmail) -> None:
        delay = max(_looked_at(stored.record) - self._clock(), timedelta(0))
        await self._doorbells.ring(Doorbell.of(stored), min(delay, LONGEST_DELAY))


def _promised(record: EmailRecord, turn: Turn | None) -> EmailRecord:
    """The email with what the limits have just promised to it."""
    return replace(record, turn=turn)


def _without_permit(record: EmailRecord) -> Turn | None:
    return record.turn and replace(record.turn, permit_at=None)


def _stays_counted(settled: EmailRecord) -> bool:
    """Whether its recipients are counted for a next try: else nobody had anything for what they were counted for."""
    return not settled.ended and settled.turn is not None and settled.turn.counted_at is not None


def _looked_at(record: EmailRecord) -> datetime:
    """When the email must next be looked at: when it is due, or expires before that."""
    return min(record.due_at, record.expires_at) if record.expires_at else record.due_at


def _last_words(record: EmailRecord) -> str:
    """What the last attempt came to: none of the provider's own words, which may be anything."""
    if not record.attempts:
        return "no attempt yet"
    last = record.attempts[-1]
    return f"{last.outcome} ({last.diagnosis})" if last.diagnosis else last.outcome


def is_expired(record: EmailRecord, now: datetime, parameters: Parameters) -> bool:
    """Whether an unsent email's time is over."""
    return record.status is Status.UNSENT and now >= record.expiry(parameters.expiration_days)


def _can_be_claimed(record: EmailRecord, now: datetime) -> bool:
    if record.status is Status.UNSENT:
        return not record.held
    return record.status is Status.SENDING and record.lease_until is not None and record.lease_until <= now


def _rest_of_lease(record: EmailRecord, now: datetime) -> timedelta | None:
    """None where no worker has it."""
    if record.status is not Status.SENDING or record.lease_until is None or record.lease_until <= now:
        return None
    return record.lease_until - now


def _ended_quietly(email_id: str, reason: str) -> None:
    logger.info("doorbell for email %s ended: %s", email_id, reason)
