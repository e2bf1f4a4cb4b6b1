"""The record of an email: all that is kept about it apart from its content, from accept to history."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from email_core.delivery_state import ENDED, Event, Status, step
from email_core.message import Address, Importance, address_key

ATTEMPTS_KEPT = 20
UNCONFIRMED = "unconfirmed"  # the outcome of an attempt after which nobody knows
POISONED = "put aside"  # the outcome of an attempt that the host gave up
MARKED_AS_SENT = "marked as sent"  # no attempt, but an administrator's word on one


class Mode(StrEnum):
    BATCH = "batch"  # sent by processes: within the provider's limits, through the batch queue
    INTERACTIVE = "interactive"  # a person waits for it: through a queue of its own


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to send. `outcome` is an OutcomeKind's value; `reply` is the provider's own words; `diagnosis` the id of
    what they mean, where not everything was delivered (see `email_core.diagnosis`); `trace` names the calls for the
    provider's support."""

    at: datetime
    provider: str
    outcome: str
    reply: str = field(repr=False)
    seconds: float
    diagnosis: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What became of one recipient: Sent or Failed, in the provider's own words; or Sending, in doubt: it may have the
    email, and the answer was lost. In an email that ended before the doubt did: how the email ended. Unsent, while the
    email is Sending: they have had no turn in this attempt yet."""

    status: Status
    reply: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the sending limits have promised to an email that waits for them. `limit` names the one it last waited for
    ("30 a minute of smtp"). `permit_at`: it may be sent in the moment from then on, under a limit of `permit_limit`.
    `number`: its place in the line, 0 = none. `counted_at`: its recipients are counted among the day's from then, and
    none of those who still wait has had anything for it. `deferrals`: how often a limit a minute has made it wait,
    which is what the compatible mode goes by."""

    limit: str = ""
    permit_at: datetime | None = None
    permit_limit: int = 0
    number: int = 0
    counted_at: datetime | None = None
    deferrals: int = 0


@dataclass(frozen=True, kw_only=True, repr=False)
class EmailRecord:
    """Times are UTC. `size` is the octets of the MIME. `results` holds only the recipients whose fate differs from
    the email's: those accepted, refused or in doubt while others still wait, and the refused ones of a Sent email."""

    id: str
    status: Status
    mode: Mode
    provider: str
    user: str | None  # on whose behalf: a known user's id
    sender: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    subject: str
    size: int
    message_id: str
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    send_at: datetime | None = None
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    ended_at: datetime | None = None
    lease_until: datetime | None = None
    claims: int = 0
    claimed_by: str | None = None  # the fencing value of the last claim: no other claim has the same
    handle: str | None = None  # the provider's name for it, kept before it is handed over: proof can be asked by it
    parked: bool = False  # no doorbell was put: the sweeper puts it when the time has come
    content_deleted: bool = False  # before the record is: there is nothing to read, or to send once more
    held: bool = False  # of some recipients nobody knows whether they have it: an administrator decides
    waits_for_provider: bool = False  # it is due when a pause is over: sooner where that is lifted
    rung_at: datetime | None = None  # when the sweeper's last doorbell for it was to ring
    importance: Importance = Importance.NORMAL
    deferrals: int = 0  # how often a limit of any kind made it wait
    turn: Turn | None = None
    mailbox: str | None = None  # that it goes through, where that is neither the batch account's nor the sender's own
    accepted_by: str | None = None  # the id of the caller who handed it over
    tries: int = 0  # how often it was handed to a provider; `attempts` keeps the newest
    attempts: tuple[Attempt, ...] = ()
    results: Mapping[str, RecipientResult] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"EmailRecord({self.id}, {self.status.value})"

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def recipients(self) -> tuple[str, ...]:
        """Each address once, in the order To, Cc, Bcc."""
        return unique_addresses(self.to, self.cc, self.bcc)

    @property
    def waiting_recipients(self) -> tuple[str, ...]:
        """Those of whom it is known that they do not have it yet."""
        return tuple(address for address in self.recipients if self._status_of(address) in (None, Status.UNSENT))

    @property
    def recipients_in_doubt(self) -> tuple[str, ...]:
        """Those who may have it: the answer was lost, or the worker died. Only an answer about them, a proof or an
        administrator ends the doubt: an attempt that came to nothing says nothing of the one before."""
        return tuple(address for address in self.recipients if self._status_of(address) is Status.SENDING)

    @property
    def open_recipients(self) -> tuple[str, ...]:
        """Those whom an attempt is for: nobody has accepted or refused them."""
        return tuple(address for address in self.recipients if self._status_of(address) not in _ANSWERED)

    @property
    def begun_recipients(self) -> tuple[str, ...]:
        """Those of them who may have had their turn in the attempt under way."""
        return tuple(one for one in self.open_recipients if self._status_of(one) is not Status.UNSENT)

    @property
    def first_tried_at(self) -> datetime:
        """No attempt began before: the oldest ones may not be kept any more."""
        return self.attempts[0].at if self.attempts and self.tries == len(self.attempts) else self.created_at

    @property
    def in_doubt(self) -> bool:
        return any(result.status is Status.SENDING for result in self.results.values())

    def _status_of(self, address: str) -> Status | None:
        result = self.results.get(address)
        return None if result is None else result.status

    def after(self, event: Event, now: datetime, **changes: Any) -> "EmailRecord":
        """The record one step on. Raises IllegalTransition where the state does not allow it."""
        status = step(self.status, event)
        if status in ENDED:  # nothing is left for an administrator to decide
            changes |= {"ended_at": now, "held": False, "results": self._without_doubt(status)}
        return self._changed(status=status, updated_at=now, **changes)

    def _without_doubt(self, status: Status) -> Mapping[str, RecipientResult]:
        if not self.in_doubt:
            return self.results
        return {**self.results, **{one: replace(self.results[one], status=status) for one in self.recipients_in_doubt}}

    @property
    def due_at(self) -> datetime:
        """When it may next be tried."""
        return self.next_attempt_at or self.send_at or self.created_at

    @property
    def deferred(self) -> str | None:
        """In an administrator's words: which limit made it wait, and how often."""
        if self.turn is None or not self.deferrals:
            return None
        times = "once" if self.deferrals == 1 else f"{self.deferrals} times"
        return f"deferred {times} by the limit of {self.turn.limit}"

    def expiry(self, days: int) -> datetime:
        """When it becomes Expired, unless it is sent before: its own time, or else so many days after it could first
        be sent."""
        return self.expires_at or max(self.created_at, self.send_at or self.created_at) + timedelta(days=days)

    def doubted(self, reply: str) -> "EmailRecord":
        """Its attempt is over, and nothing was heard of it: whoever had a turn may have the email."""
        lost = dict.fromkeys(self.begun_recipients, RecipientResult(Status.SENDING, reply))
        return self._changed(results=lasting(self.results) | lost)

    def resolved(self, result: RecipientResult | None) -> "EmailRecord":
        """Those in doubt have this result. None: they wait again, as if they had had no turn."""
        others = {one: known for one, known in self.results.items() if known.status is not Status.SENDING}
        told = {} if result is None else dict.fromkeys(self.recipients_in_doubt, result)
        return self._changed(results=others | told)

    def with_attempt(self, attempt: Attempt, **changes: Any) -> "EmailRecord":
        """Who may have got the email is counted anew where it is sent again."""
        if attempt.outcome == UNCONFIRMED and self.turn is not None:
            changes["turn"] = replace(self.turn, counted_at=None)
        return self._changed(tries=self.tries + 1, attempts=(*self.attempts, attempt)[-ATTEMPTS_KEPT:], **changes)

    def _changed(self, **changes: Any) -> "EmailRecord":
        """As `dataclasses.replace` does it, in a fifth of the time: a sent email is changed three times."""
        if not changes.keys() <= self.__dict__.keys():
            raise TypeError(f"an email's record has no {', '.join(changes.keys() - self.__dict__.keys())}")
        copy = object.__new__(EmailRecord)
        copy.__dict__.update(self.__dict__, **changes)
        return copy


def lasting(results: Mapping[str, RecipientResult]) -> dict[str, RecipientResult]:
    """Those that are still true when the attempt is over."""
    return {address: result for address, result in results.items() if result.status is not Status.UNSENT}


_ANSWERED = frozenset({Status.SENT, Status.FAILED})


def unique_addresses(*lists: tuple[Address, ...]) -> tuple[str, ...]:
    """The envelope's recipients: each address once, compared as SMTP servers do in practice, without case."""
    unique: dict[str, str] = {}
    for addresses in lists:
        for address in addresses:
            unique.setdefault(address_key(address.address), address.address)
    return tuple(unique.values())
