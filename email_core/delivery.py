"""The one way an email is sent, the same for every provider: look, ask whether the provider is paused, ask the sending
limits, claim, wait for its moment, hand over, settle, record, ring again.

The table is the truth and a doorbell is only a hint: late, twice, or for an email that has ended, it does no harm.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from email_core import metrics
from email_core.delivery_state import Event, Status
from email_core.diagnosis import diagnose
from email_core.distributor import Distributor
from email_core.errors import EmailNotFound, LostRace, StorageUnavailable
from email_core.leftovers import Leftovers
from email_core.logs import counted, where
from email_core.message import address_key
from email_core.parameters import Parameters
from email_core.parking import is_far_off
from email_core.provider_pause import ProviderPauses, ProviderState
from email_core.providers.base import (
    Envelope,
    Outcome,
    OutcomeKind,
    Proof,
    Provider,
    RecipientReply,
    RecipientVerdict,
    Submission,
)
from email_core.record import POISONED, UNCONFIRMED, Attempt, EmailRecord, Turn
from email_core.retry import retry_wait
from email_core.settlement import in_progress, proved, settle, without_words
from email_core.stores.base import LONGEST_DELAY, Doorbell, Doorbells, EmailStore, StoredEmail
from email_core.sweeper import released
from email_core.throttle import Deferral, Throttle

LEASE = timedelta(minutes=6)  # shorter than the 10 minutes after which the host shows a dead worker's message again
SLOWEST_SENDING = 25_000  # octets a second: a large email's lease is longer
LEASE_MARGIN = timedelta(seconds=30)  # sending stops this long before the lease is over, to record the outcome
LAST_WORD = 1.0  # second before sending is stopped, a provider should end by itself: it knows more of what was sent
EARLY = timedelta(seconds=2)  # clocks differ: a doorbell this early is in time
FIRST_RECORDING_WAIT, LONGEST_RECORDING_WAIT = 0.5, 20.0  # seconds between tries to record an outcome
LONGEST_SPREAD = timedelta(seconds=20)  # of those who wait for a paused provider

POISONED_REPLY = "answering its doorbell failed again and again: the log of that time has the cause"
MOST_POISONINGS = 5  # one after another; then it has failed
MOST_QUESTIONS = 5  # for proof that comes later; then nobody can tell

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

    async def answer(self, doorbell: Doorbell) -> None:
        if doorbell.stored is not None:
            try:
                return await self._deliver(doorbell.stored)
            except LostRace:
                pass  # the email has changed since it rang: the table knows better
        stored = await self._emails.get(doorbell.email_id)
        if stored is None:
            return _ended_quietly(doorbell.email_id, "there is no such email")
        try:
            return await self._deliver(stored)
        except LostRace:
            return _ended_quietly(doorbell.email_id, "another worker was first")

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
        if _looked_at(record) > now + EARLY:
            return await self._ring(stored)
        known = await self._provider_state(record)
        if paused_until := known.waits_until(now):
            return await self._wait(stored, record, paused_until)
        turn = await self._throttle.admit(record)
        try:
            claim = await self._admitted(stored, record, now, turn)
        except LostRace:
            await self._throttle.withdraw(record, turn)  # another worker was first
            raise
        if claim is None or isinstance(turn, Deferral):
            return None
        turn = await self._throttle.wait(claim.stored.record, turn)
        if isinstance(turn, Deferral):
            return await self._record(
                claim.stored, turn.of(claim.stored.record.after(Event.RETURN, now), self._clock())
            )
        if paused_until := self._paused_since(record, known):
            returned = claim.stored.record.after(Event.RETURN, record.updated_at)
            await self._record(claim.stored, self._waiting(_promised(returned, turn), paused_until))
            return await self._throttle.give_back(_promised(returned, turn), waits=True)
        began = self._clock()
        outcome, seconds = await self._hand_over(claim)
        outcome, pauses = await self._learn(record, outcome, began)
        settled = settle(
            claim.stored.record, outcome, at=now, seconds=seconds, now=self._clock(), chance=self._chance()
        )
        if pauses:
            settled = replace(settled, waits_for_provider=True)
        await self._record(claim.stored, settled)
        return await self._throttle.learn(settled)

    async def _park(self, stored: StoredEmail, record: EmailRecord) -> None:
        if not record.parked:
            await self._emails.update(stored, replace(record, parked=True, updated_at=self._clock()))
        _ended_quietly(record.id, "the distributor is off: it waits")

    async def _admitted(
        self, stored: StoredEmail, record: EmailRecord, now: datetime, turn: Turn | Deferral | None
    ) -> "_Claim | None":
        """None where it must wait. Where a provider's pause is over, who has a permit may be the one that tries."""
        if isinstance(turn, Deferral):
            await self._defer(stored, record, turn)
            return None
        if paused_until := await self._paused_until(record):
            await self._wait(stored, _promised(record, turn), paused_until)
            return None
        return _Claim(self._emails, await self._claim(stored, record, now, turn))

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
        turn = record.turn and replace(record.turn, permit_at=None)
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
            waits_for_provider=False,
            claimed_by=secrets.token_hex(8),
            lease_until=now + LEASE + timedelta(seconds=record.size / SLOWEST_SENDING),
            turn=replace(turn, permit_at=None) if turn is not None and keeps_turn else None,
        )
        return await self._emails.update(stored, claim)

    async def _hand_over(self, claim: "_Claim") -> tuple[Outcome, float]:
        """The provider's outcome, and how many seconds it took. Whatever goes wrong in here is an outcome too."""
        started = time.monotonic()
        outcome = await self._outcome(claim)
        seconds = round(time.monotonic() - started, 3)
        about = {"provider": claim.stored.record.provider, "outcome": outcome.kind.value}
        metrics.ATTEMPT_SECONDS.record(seconds, about)
        return outcome, seconds

    async def _outcome(self, claim: "_Claim") -> Outcome:
        record = claim.stored.record
        provider = self._providers.get(record.provider)
        if provider is None:
            return Outcome(
                kind=OutcomeKind.CONFIGURATION, reply=f"the provider {record.provider} is not configured any more"
            )
        try:
            async with asyncio.timeout(self._seconds_left(record)):
                return await self._submitted(claim, provider)
        except TimeoutError:
            return Outcome(kind=OutcomeKind.UNCONFIRMED, reply="the provider did not finish within the lease")
        except Exception as error:  # noqa: BLE001 - the email must not be stuck, whatever a provider raises
            logger.error("provider %s raised while sending %s: %s", record.provider, record.id, where(error))
            return Outcome(kind=OutcomeKind.UNCONFIRMED, reply=f"internal error: {type(error).__name__}")

    async def _submitted(self, claim: "_Claim", provider: Provider) -> Outcome:
        record = claim.stored.record
        found = await self._find_out(claim, provider) if record.in_doubt else None
        if found is not None:
            return found
        try:
            content = await self._emails.content(claim.stored)
        except EmailNotFound:
            return Outcome(kind=OutcomeKind.PERMANENT, reply="the content is gone from the storage")
        except StorageUnavailable:
            return Outcome(kind=OutcomeKind.TRANSIENT, reply="the content could not be read from the storage")
        submission = Submission(
            **_envelope(claim.stored.record, record.open_recipients),
            content=content,
            keep_handle=claim.keep_handle,
            keep_progress=claim.keep_progress,
            seconds=self._seconds_left(record) - LAST_WORD,
        )
        return await provider.submit(submission)

    async def _find_out(self, claim: "_Claim", provider: Provider) -> Outcome | None:
        """After a lost answer: proof from the provider, else the parameter's rule. None: send to all who are open."""
        record = claim.stored.record
        match await provider.was_sent(Envelope(**_envelope(record, record.recipients_in_doubt))):
            case Proof.SENT:
                return proved(record)
            case Proof.NOT_SENT:
                return None
            case Proof.LATER if not _was_asked_enough(record):
                reply = "the provider cannot tell yet whether the last attempt sent it: it is asked again"
                as_before = RecipientReply(RecipientVerdict.LATER, reply)
                return Outcome(
                    kind=OutcomeKind.UNCONFIRMED,
                    reply=reply,
                    recipients=dict.fromkeys(record.open_recipients, as_before),
                )
            case Proof.LATER:
                claim.forget_handle()
        if self._parameters.unconfirmed_policy == "hold":
            reply = "nobody knows whether the last attempt sent it: resend it, or mark it as sent"
            return Outcome(kind=OutcomeKind.HELD, reply=reply)
        return None

    async def _learn(self, record: EmailRecord, outcome: Outcome, began: datetime) -> tuple[Outcome, bool]:
        """The same outcome, and whether it pauses the provider: then with the pause to wait."""
        provider = self._providers.get(record.provider)
        paused_until = None if provider is None else await self._pauses.learn(provider, outcome, began)
        if paused_until is None:
            return outcome, False
        return replace(outcome, retry_after=max(paused_until - self._clock(), timedelta(0))), True

    def _seconds_left(self, record: EmailRecord) -> float:
        if record.lease_until is None:
            raise ValueError(f"{record.id} is sent without a claim")
        return (record.lease_until - LEASE_MARGIN - self._clock()).total_seconds()

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
        while self._seconds_left(record) > -LEASE_MARGIN.total_seconds() + wait:
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


@dataclass(slots=True)
class _Claim:
    """A claimed email, in the version that stands in the table."""

    emails: EmailStore
    stored: StoredEmail

    async def keep_handle(self, handle: str) -> None:
        self.stored = await self.emails.update(self.stored, replace(self.stored.record, handle=handle))

    async def keep_progress(self, replies: Mapping[str, RecipientReply], turn: tuple[str, ...]) -> None:
        self.stored = await self.emails.update(self.stored, in_progress(self.stored.record, replies, turn))

    def forget_handle(self) -> None:
        """What has it is nowhere to be found: if the email is sent again, then anew."""
        self.stored = replace(self.stored, record=replace(self.stored.record, handle=None))


def _envelope(record: EmailRecord, recipients: tuple[str, ...]) -> dict[str, Any]:
    named = {address_key(one.address) for one in (*record.to, *record.cc)}
    return {
        "sender": record.sender.address,
        "mailbox": record.mailbox,
        "recipients": recipients,
        "bcc": tuple(address for address in recipients if address_key(address) not in named),
        "message_id": record.message_id,
        "mode": record.mode,
        "handle": record.handle,
        "since": record.first_tried_at,
    }


def _promised(record: EmailRecord, turn: Turn | None) -> EmailRecord:
    """The email with what the limits have just promised to it."""
    return replace(record, turn=turn)


def _was_asked_enough(record: EmailRecord) -> bool:
    last = record.attempts[-MOST_QUESTIONS - 1 :]
    return len(last) > MOST_QUESTIONS and all(attempt.outcome == UNCONFIRMED for attempt in last)


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


def _ended_quietly(email_id: str, reason: str) -> None:
    logger.info("doorbell for email %s ended: %s", email_id, reason)
