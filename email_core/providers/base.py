"""What every provider is: it takes one submission and says, in one Outcome, what became of it."""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from email_core.content import Content
from email_core.providers.features import Features
from email_core.providers.sender_dns import UNKNOWN, SenderDns
from email_core.record import Mode
from email_core.secret_store.base import SecretName

LONGEST_REHEARSAL = 60.0  # seconds: somebody waits for it


class OutcomeKind(StrEnum):
    DELIVERED = "delivered"  # the provider took it for every recipient
    PARTLY_DELIVERED = "partly delivered"  # for some: `recipients` tells which
    TRANSIENT = "transient"  # not now: try again
    PERMANENT = "permanent"  # never: trying again changes nothing
    CONFIGURATION = "configuration"  # an administrator must mend something first; the mail is not to blame
    DEFERRED = "deferred"  # not handed over: a limit of the provider keeps it waiting, which is no try
    HELD = "held"  # not handed over: an administrator decides
    UNCONFIRMED = "unconfirmed"  # handed over, but the answer was lost: it may have been sent


HANDED_OVER = frozenset({OutcomeKind.DELIVERED, OutcomeKind.PARTLY_DELIVERED})

# Stages of which no email is to blame for what is said. `credential`: the vault or the token endpoint was asked, and
# nothing was sent yet that counts as a sign-in.
BEFORE_MAIL = frozenset({"resolve", "connect", "tls", "ehlo", "credential", "auth"})


class RecipientVerdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class RecipientReply:
    verdict: RecipientVerdict
    reply: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`reply` is the provider's own answer, or what the network said. `recipients` holds a reply for each recipient
    whose fate is not the whole submission's: of an unconfirmed one, those without a reply are in doubt. `retry_after`
    is the wait that the provider asked for. `stage` (connect, tls, ehlo, credential, auth, mail, rcpt, data, request)
    and `code` (SMTP or HTTP) say where `reply` was given. `trace` names the calls for the provider's own support."""

    kind: OutcomeKind
    reply: str = field(repr=False)
    recipients: Mapping[str, RecipientReply] = field(default_factory=dict, repr=False)
    retry_after: timedelta | None = None
    stage: str | None = None
    code: int | None = None
    trace: str | None = None


class Proof(StrEnum):
    """What a provider can tell of an email after an answer was lost."""

    SENT = "sent"
    NOT_SENT = "not sent"
    NONE = "none"  # it cannot tell
    LATER = "later"  # it may be able to tell soon: nothing is to be sent before


async def _keep_nothing(handle: str) -> None:
    """For submissions that nobody comes back to."""


async def _keep_no_progress(replies: Mapping[str, RecipientReply], turn: tuple[str, ...]) -> None:
    """As `_keep_nothing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One email for some of its recipients. `mailbox` is the one it goes through where that is neither the batch
    account's nor the sender's own. `bcc` are those of them that no header names. `handle` is what the provider asked
    to be kept of an earlier attempt. `since`: no attempt began before; None = nobody knows."""

    sender: str = field(repr=False)
    mailbox: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    bcc: tuple[str, ...] = field(default=(), repr=False)
    message_id: str
    mode: Mode = Mode.BATCH
    handle: str | None = field(default=None, repr=False)
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Envelope):
    """An envelope with its content. `keep_handle` keeps a name for the email at the provider, before it is handed over:
    after a lost answer it is in the envelope again. Raises LostRace or StorageUnavailable, and then nothing must be
    handed over. `keep_progress` keeps what was said of recipients so far, before the next one of several parts is
    begun, and whose turn that is: only they are in doubt where its answer is lost with the worker. It raises the same.
    `seconds` is how long handing it over may take in all: what the provider then knows is better than to be broken off.
    """

    content: Content = field(repr=False)
    keep_handle: Callable[[str], Awaitable[None]] = field(default=_keep_nothing, repr=False, compare=False)
    keep_progress: Callable[[Mapping[str, RecipientReply], tuple[str, ...]], Awaitable[None]] = field(
        default=_keep_no_progress, repr=False, compare=False
    )
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a rehearsal did: resolve, connect, tls, ehlo, auth, mail, rcpt, data; or credential, request. One
    that failed may be the credential in any case. `detail` is what was found or answered there."""

    name: str
    succeeded: bool
    detail: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A test email, or the way to one: its steps as far as they went, the last one failed or none. `outcome` is None
    where there was no email to send and nothing stood in its way."""

    steps: tuple[Step, ...]
    outcome: Outcome | None


class Steps:
    """What a rehearsal has heard so far, each with the seconds since the one before."""

    def __init__(self, planned: tuple[str, ...], clock: Callable[[], float]) -> None:
        self.taken: list[Step] = []
        self.lacking = "no answer"  # what the step under way waits for: said where it does not come in time
        self._planned = planned
        self._clock = clock
        self._since = clock()

    def heard(self, stage: str, detail: str) -> None:
        self._take(stage, True, detail)

    def failed(self, outcome: Outcome) -> None:
        self._take(outcome.stage or self._under_way, False, outcome.reply)

    def out_of_time(self, seconds: float) -> Outcome:
        """While the content is on its way, its answer may be too."""
        may_be_sent = self._under_way in ("data", "request")
        words = f"{self.lacking} within {seconds:g} seconds"
        return Outcome(
            kind=OutcomeKind.UNCONFIRMED if may_be_sent else OutcomeKind.TRANSIENT,
            reply=f"the answer to the content was lost: {words}" if may_be_sent else words,
            stage=self._under_way,
        )

    @property
    def _under_way(self) -> str:
        names = {step.name for step in self.taken}
        return next((stage for stage in self._planned if stage not in names), self._planned[-1])

    def _take(self, stage: str, succeeded: bool, detail: str) -> None:
        now = self._clock()
        self.taken.append(Step(stage, succeeded, detail, round(now - self._since, 3)))
        self._since = now


class Provider(ABC):
    """One configured way to send. `submit` never raises for what a provider or a network does: that is an Outcome.

    `configuration` is another text after any change of the provider's parameters, and tells none of them. `account` is
    the user name that it signs in with, or empty; `secrets` are those that it needs for that. `target` is where it
    hands mail over. `sender_dns` is what that service asks of a sender's domain. `warnings` are what is allowed in its
    parameters and may yet be a mistake.
    """

    name: str
    features: Features
    configuration: str = ""
    account: str = ""
    secrets: tuple[SecretName, ...] = ()
    target: str = ""
    sender_dns: SenderDns = UNKNOWN
    warnings: tuple[str, ...] = ()

    @abstractmethod
    async def submit(self, submission: Submission) -> Outcome: ...

    async def rehearse(self, submission: Submission | None, seconds: float = LONGEST_REHEARSAL) -> Rehearsal:
        """Sends a test email now, on a way of its own, and tells each step. Without one it goes as far as it can: up
        to and with the sign-in."""
        steps = self._steps(submission)
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._rehearsed(submission, steps)
        except TimeoutError:
            outcome = steps.out_of_time(seconds)
        if outcome is not None and outcome.kind not in HANDED_OVER:
            steps.failed(outcome)
        return Rehearsal(tuple(steps.taken), outcome)

    def _steps(self, submission: Submission | None) -> Steps:
        """The steps that a rehearsal is going to take."""
        return Steps(("request",), time.monotonic)

    async def _rehearsed(self, submission: Submission | None, steps: Steps) -> Outcome | None:
        """Tells `steps` of each one that succeeded; the one that fails is in the outcome."""
        if submission is None:
            return None
        outcome = await self.submit(submission)
        if outcome.kind in HANDED_OVER:
            steps.heard("request", outcome.reply)
        return outcome

    def sign_in_anew(self) -> None:
        """What was refused before may be right now, and the other way round: neither a remembered refusal nor a
        connection that signed in earlier counts any more. What is in use may be used to its end."""
        return

    def close(self) -> None:
        """Lets go of what is kept between emails. The provider can be used again."""
        return

    async def was_sent(self, envelope: Envelope) -> Proof:
        """Asked after a lost answer, before anything is sent again."""
        return Proof.NONE

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        """The email has ended unsent: what is kept of it under its handle is not needed any more. `in_doubt`: it may
        have been sent all the same, and what may be the sent email must stay. May raise anything: nobody tries again.
        """
        return
