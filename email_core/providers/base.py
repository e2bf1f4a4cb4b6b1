"""What every provider is: it takes one submission and says, in one Outcome, what became of it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from email_core.content import Content


class OutcomeKind(StrEnum):
    DELIVERED = "delivered"  # the provider took it for every recipient
    PARTLY_DELIVERED = "partly delivered"  # for some: `recipients` tells which
    TRANSIENT = "transient"  # not now: try again
    PERMANENT = "permanent"  # never: trying again changes nothing
    CONFIGURATION = "configuration"  # an administrator must mend something first; the mail is not to blame
    HELD = "held"  # not handed over: an administrator decides
    UNCONFIRMED = "unconfirmed"  # handed over, but the answer was lost: it may have been sent


BEFORE_MAIL = frozenset({"connect", "tls", "ehlo", "auth"})  # stages of which no email is to blame for what is said


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
    whose fate is not the whole submission's. `retry_after` is the wait that the provider asked for. `stage` (connect,
    tls, ehlo, auth, mail, rcpt, data, request) and `code` (SMTP or HTTP) say where `reply` was given."""

    kind: OutcomeKind
    reply: str = field(repr=False)
    recipients: Mapping[str, RecipientReply] = field(default_factory=dict, repr=False)
    retry_after: timedelta | None = None
    stage: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One email for some of its recipients: the envelope and the content."""

    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    message_id: str
    content: Content = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a rehearsal did: resolve, connect, tls, ehlo, auth, mail, rcpt, data. `detail` is what was found
    or answered there."""

    name: str
    succeeded: bool
    detail: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A test email: its steps as far as they went, the last one failed or none, and the outcome."""

    steps: tuple[Step, ...]
    outcome: Outcome


class Provider(ABC):
    """One configured way to send. `submit` never raises for what a provider or a network does: that is an Outcome.

    `configuration` is another text after any change of the provider's parameters, and tells none of them.
    """

    name: ClassVar[str]
    configuration: str = ""

    @abstractmethod
    async def submit(self, submission: Submission) -> Outcome: ...

    async def rehearse(self, submission: Submission) -> Rehearsal:
        """Sends a test email now, on a way of its own, and tells each step."""
        started = time.monotonic()
        outcome = await self.submit(submission)
        succeeded = outcome.kind is OutcomeKind.DELIVERED
        return Rehearsal((Step("request", succeeded, outcome.reply, time.monotonic() - started),), outcome)

    def close(self) -> None:
        """Lets go of what is kept between emails. The provider can be used again."""
        return

    async def was_sent(self, *, sender: str, message_id: str) -> bool | None:
        """Proof after a lost answer: True or False where the provider can tell, None where it cannot."""
        return None
