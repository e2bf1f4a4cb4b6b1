"""The one way an email is sent, the same for every provider: look, claim, hand over, settle, record, ring again.

The table is the truth and a doorbell is only a hint: late, twice, or for an email that has ended, it does no harm.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from email_core.delivery_state import Event, Status
from email_core.errors import EmailNotFound, LostRace, StorageUnavailable
from email_core.parameters import Parameters
from email_core.providers.base import Outcome, OutcomeKind, Provider, RecipientVerdict, Submission
from email_core.record import Attempt, EmailRecord, RecipientResult
from email_core.retry import retry_wait
from email_core.stores.base import LONGEST_DELAY, Doorbell, Doorbells, EmailStore, StoredEmail

LEASE = timedelta(minutes=6)  # shorter than the 10 minutes after which the host shows a dead worker's message again
SLOWEST_SENDING = 25_000  # octets a second: a large email's lease is longer
LEASE_MARGIN = timedelta(seconds=30)  # sending stops this long before the lease is over, to record the outcome
EARLY = timedelta(seconds=2)  # clocks differ: a doorbell this early is in time
FIRST_RECORDING_WAIT, LONGEST_RECORDING_WAIT = 0.5, 20.0  # seconds between tries to record an outcome
REPLY_KEPT = 500  # characters of a provider's reply

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
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._emails = emails
        self._doorbells = doorbells
        self._providers = providers
        self._parameters = parameters
        self._clock = clock
        self._chance = chance
        self._pause = pause

    async def answer(self, doorbell: Doorbell) -> None:
        if doorbell.stored is not None:
            try:
                return await self._deliver(doorbell, doorbell.stored)
            except LostRace:
                pass  # the email has changed since it rang: the table knows better
        stored = await self._emails.get(doorbell.email_id)
        if stored is None:
            return _ended_quietly(doorbell, "there is no such email")
        try:
            return await self._deliver(doorbell, stored)
        except LostRace:
            return _ended_quietly(doorbell, "another worker was first")

    async def _deliver(self, doorbell: Doorbell, stored: StoredEmail) -> None:
        """Raises LostRace, and has done nothing, where `stored` is not the email's last version."""
        now = self._clock()
        waits_until = _not_before(stored.record)
        if waits_until > now + EARLY:
            return await self._ring(stored, waits_until)
        if _is_expired(stored.record, now, self._parameters):
            return await self._emails.end(stored, stored.record.after(Event.EXPIRE, now))
        if not _can_be_claimed(stored.record, now):
            return _ended_quietly(doorbell, f"it is {stored.record.status}")
        claimed = await self._claim(stored, now)
        outcome, seconds = await self._hand_over(claimed)
        settled = settle(claimed.record, outcome, at=now, seconds=seconds, now=self._clock(), chance=self._chance())
        return await self._record(claimed, settled)

    async def _claim(self, stored: StoredEmail, now: datetime) -> StoredEmail:
        """From here to the lease's end the email is this worker's alone."""
        record = stored.record
        lease = LEASE + timedelta(seconds=record.size / SLOWEST_SENDING)
        claim = record.after(
            Event.CLAIM,
            now,
            claims=record.claims + 1,
            claimed_by=secrets.token_hex(8),
            lease_until=now + lease,
        )
        return await self._emails.update(stored, claim)

    async def _hand_over(self, claimed: StoredEmail) -> tuple[Outcome, float]:
        """The provider's outcome, and how many seconds it took. Whatever goes wrong in here is an outcome too."""
        started = time.monotonic()
        outcome = await self._outcome(claimed)
        return outcome, round(time.monotonic() - started, 3)

    async def _outcome(self, claimed: StoredEmail) -> Outcome:
        record = claimed.record
        provider = self._providers.get(record.provider)
        if provider is None:
            return Outcome(
                kind=OutcomeKind.CONFIGURATION, reply=f"the provider {record.provider} is not configured any more"
            )
        try:
            mime = await self._emails.content(claimed)
        except EmailNotFound:
            return Outcome(kind=OutcomeKind.PERMANENT, reply="the content is gone from the storage")
        submission = Submission(
            sender=record.sender.address,
            recipients=record.waiting_recipients,
            message_id=record.message_id,
            mime=mime,
        )
        try:
            async with asyncio.timeout(self._seconds_left(record)):
                return await provider.submit(submission)
        except TimeoutError:
            return Outcome(kind=OutcomeKind.UNCONFIRMED, reply="the provider did not finish within the lease")
        except Exception as error:  # the email must not be stuck, whatever a provider raises
            logger.exception("provider %s raised while sending %s", record.provider, record.id)
            return Outcome(kind=OutcomeKind.UNCONFIRMED, reply=f"internal error: {type(error).__name__}")

    def _seconds_left(self, record: EmailRecord) -> float:
        if record.lease_until is None:
            raise ValueError(f"{record.id} is sent without a claim")
        return (record.lease_until - LEASE_MARGIN - self._clock()).total_seconds()

    async def _record(self, claimed: StoredEmail, settled: EmailRecord) -> None:
        """Tried for as long as the lease lasts: an outcome that is lost here may mean a second sending later."""
        logger.info(
            "email %s is %s after try %d (%s)",
            settled.id,
            settled.status.value,
            settled.tries,
            settled.attempts[-1].outcome,
        )
        for wait in self._waits_within_lease(settled):
            try:
                if settled.ended:
                    return await self._emails.end(claimed, settled)
                returned = await self._emails.update(claimed, settled)
                return await self._ring(returned, _not_before(settled))
            except LostRace:
                logger.warning("email %s: its lease was over before its outcome was recorded", settled.id)
                return None
            except StorageUnavailable:
                logger.warning("email %s: its outcome is not recorded yet", settled.id, exc_info=True)
                await self._pause(wait)
        raise StorageUnavailable("record an outcome while the lease lasted")

    def _waits_within_lease(self, record: EmailRecord) -> Iterator[float]:
        wait = FIRST_RECORDING_WAIT
        while self._seconds_left(record) > -LEASE_MARGIN.total_seconds() + wait:
            yield wait
            wait = min(wait * 2, LONGEST_RECORDING_WAIT)

    async def _ring(self, stored: StoredEmail, at: datetime) -> None:
        record = stored.record
        delay = max(at - self._clock(), timedelta(0))
        await self._doorbells.ring(Doorbell(record.id, record.mode, stored), min(delay, LONGEST_DELAY))


def settle(
    claimed: EmailRecord, outcome: Outcome, *, at: datetime, seconds: float, now: datetime, chance: float
) -> EmailRecord:
    """The record after an attempt: what its outcome means for the email and for each recipient. Pure.

    An email is over when no recipient waits any more: Sent if anyone got it, else Failed.
    """
    attempt = Attempt(at, claimed.provider, outcome.kind.value, _kept(outcome.reply), seconds)
    record = replace(claimed.with_attempt(attempt), results={**claimed.results, **_new_results(outcome)})
    match outcome.kind:
        case OutcomeKind.DELIVERED:
            return record.after(Event.SEND, now)
        case OutcomeKind.PERMANENT:
            return record.after(Event.SEND if _anyone_got_it(record) else Event.FAIL, now)
        case OutcomeKind.PARTLY_DELIVERED if not record.waiting_recipients:
            return record.after(Event.SEND, now)
    wait = retry_wait(record.tries, chance=chance, asked=outcome.retry_after)
    return record.after(Event.RETURN, now, next_attempt_at=now + wait)


def _new_results(outcome: Outcome) -> dict[str, RecipientResult]:
    fates = {RecipientVerdict.ACCEPTED: Status.SENT, RecipientVerdict.REFUSED: Status.FAILED}
    return {
        address: RecipientResult(fates[reply.verdict], _kept(reply.reply))
        for address, reply in outcome.recipients.items()
        if reply.verdict in fates
    }


def _anyone_got_it(record: EmailRecord) -> bool:
    return any(result.status is Status.SENT for result in record.results.values())


def _kept(reply: str) -> str:
    return reply if len(reply) <= REPLY_KEPT else reply[: REPLY_KEPT - 1] + "…"


def _not_before(record: EmailRecord) -> datetime:
    """When the email may next be tried; an expiry before that is looked at when it comes."""
    due = record.next_attempt_at or record.send_at or record.created_at
    return min(due, record.expires_at) if record.expires_at else due


def _is_expired(record: EmailRecord, now: datetime, parameters: Parameters) -> bool:
    if record.status is not Status.UNSENT:
        return False
    waiting_since = max(record.created_at, record.send_at or record.created_at)
    last = record.expires_at or waiting_since + timedelta(days=parameters.expiration_days)
    return now >= last


def _can_be_claimed(record: EmailRecord, now: datetime) -> bool:
    if record.status is Status.UNSENT:
        return True
    return record.status is Status.SENDING and record.lease_until is not None and record.lease_until <= now


def _ended_quietly(doorbell: Doorbell, reason: str) -> None:
    logger.info("doorbell for email %s ended: %s", doorbell.email_id, reason)
