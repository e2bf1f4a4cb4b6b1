"""The provider's part of an attempt: what is found out and fetched before the email's moment, and the hand-over in it.
Whatever goes wrong in here is an outcome too.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from email_core import metrics
from email_core.content import Content, InlineContent
from email_core.errors import EmailNotFound, StorageUnavailable
from email_core.logs import where
from email_core.message import address_key
from email_core.parameters import Parameters
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
from email_core.record import UNCONFIRMED, EmailRecord
from email_core.settlement import in_progress, proved
from email_core.stores.base import EmailStore, StoredEmail

LEASE_MARGIN = timedelta(seconds=30)  # sending stops this long before the lease is over, to record the outcome
LAST_WORD = 1.0  # second before sending is stopped, a provider should end by itself: it knows more of what was sent
MOST_QUESTIONS = 5  # for proof that comes later; then nobody can tell
_NO_END = {
    OutcomeKind.TRANSIENT: "timed out: the email was not handed over within the lease",
    OutcomeKind.UNCONFIRMED: "the provider did not finish within the lease",
}
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Claim:
    """A claimed email, in the version that stands in the table."""

    emails: EmailStore
    stored: StoredEmail

    @property
    def record(self) -> EmailRecord:
        return self.stored.record

    async def keep_handle(self, handle: str) -> None:
        self.stored = await self.emails.update(self.stored, replace(self.record, handle=handle))

    async def keep_progress(self, replies: Mapping[str, RecipientReply], turn: tuple[str, ...]) -> None:
        self.stored = await self.emails.update(self.stored, in_progress(self.record, replies, turn))

    def forget_handle(self) -> None:
        """What has it is nowhere to be found: if the email is sent again, then anew."""
        self.stored = replace(self.stored, record=replace(self.record, handle=None))


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of what began at `began`, and how many seconds it took."""

    outcome: Outcome
    began: datetime
    seconds: float


class Handover:
    def __init__(
        self,
        *,
        emails: EmailStore,
        providers: Mapping[str, Provider],
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        self._emails = emails
        self._providers = providers
        self._parameters = parameters
        self._clock = clock

    async def prepare(self, claim: Claim) -> Content | Result:
        """The content, of which the first piece is here. A result where there is nothing to hand over, now or at all:
        after a lost answer the provider has it, or is asked again, or nobody can tell; or the content is away."""
        if claim.stored.inline is not None and not claim.record.in_doubt:
            return InlineContent(claim.stored.inline)  # nothing to find out, and nothing to wait for
        began, started = self._clock(), time.monotonic()
        content = await self._tried(claim, self._prepared, broken_off=OutcomeKind.TRANSIENT)
        return _result(claim.record, content, began, started) if isinstance(content, Outcome) else content

    async def submit(self, claim: Claim, content: Content) -> Result:
        began, started = self._clock(), time.monotonic()
        outcome = await self._tried(claim, partial(self._submitted, content), broken_off=OutcomeKind.UNCONFIRMED)
        return _result(claim.record, outcome, began, started)

    async def _tried(
        self, claim: Claim, step: Callable[[Claim, Provider], Awaitable[T]], *, broken_off: OutcomeKind
    ) -> T | Outcome:
        """`broken_off`: what it means where the step does not come to its end."""
        name, email_id = claim.record.provider, claim.record.id
        provider = self._providers.get(name)
        if provider is None:
            return Outcome(kind=OutcomeKind.CONFIGURATION, reply=f"the provider {name} is not configured any more")
        try:
            async with asyncio.timeout(self._seconds_left(claim.record)):
                return await step(claim, provider)
        except TimeoutError:
            return Outcome(kind=broken_off, reply=_NO_END[broken_off])
        except Exception as error:  # noqa: BLE001 - the email must not be stuck, whatever a provider raises
            logger.error("provider %s raised while sending %s: %s", name, email_id, where(error))
            return Outcome(kind=broken_off, reply=f"internal error: {type(error).__name__}")

    async def _prepared(self, claim: Claim, provider: Provider) -> Content | Outcome:
        found = await self._find_out(claim, provider) if claim.record.in_doubt else None
        if found is not None:
            return found
        try:
            return await self._emails.content(claim.stored)
        except EmailNotFound:
            return Outcome(kind=OutcomeKind.PERMANENT, reply="the content is gone from the storage")
        except StorageUnavailable:
            return Outcome(kind=OutcomeKind.TRANSIENT, reply="the content could not be read from the storage")

    async def _submitted(self, content: Content, claim: Claim, provider: Provider) -> Outcome:
        submission = Submission(
            **_envelope(claim.record, claim.record.open_recipients),
            content=content,
            keep_handle=claim.keep_handle,
            keep_progress=claim.keep_progress,
            seconds=self._seconds_left(claim.record) - LAST_WORD,
        )
        return await provider.submit(submission)

    async def _find_out(self, claim: Claim, provider: Provider) -> Outcome | None:
        """After a lost answer: proof from the provider, else the parameter's rule. None: send to all who are open."""
        record = claim.record
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

    def _seconds_left(self, record: EmailRecord) -> float:
        if record.lease_until is None:
            raise ValueError(f"{record.id} is sent without a claim")
        return (record.lease_until - LEASE_MARGIN - self._clock()).total_seconds()


def _result(record: EmailRecord, outcome: Outcome, began: datetime, started: float) -> Result:
    seconds = round(time.monotonic() - started, 3)
    metrics.ATTEMPT_SECONDS.record(seconds, {"provider": record.provider, "outcome": outcome.kind.value})
    return Result(outcome, began, seconds)


def _was_asked_enough(record: EmailRecord) -> bool:
    last = record.attempts[-MOST_QUESTIONS - 1 :]
    return len(last) > MOST_QUESTIONS and all(attempt.outcome == UNCONFIRMED for attempt in last)


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
