"""What test environments do with mail instead of sending it to its recipients (the parameter `delivery_mode`), the same
for every provider: no way out leads past it, a test email's neither.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from email_core.addresses import parse_address
from email_core.content import Content
from email_core.errors import StorageUnavailable
from email_core.mime import redirected_head
from email_core.parameters import Parameters
from email_core.providers.around import Around
from email_core.providers.base import (
    HANDED_OVER,
    LONGEST_REHEARSAL,
    Envelope,
    Outcome,
    OutcomeKind,
    Proof,
    Provider,
    Rehearsal,
    Step,
    Submission,
)

HELD = "delivery_mode is hold: nothing is sent"
UNREADABLE = "the content could not be read from the storage"
STEP = "delivery_mode"

E = TypeVar("E", bound=Envelope)


def in_delivery_mode(parameters: Parameters, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
    match parameters.delivery_mode:
        case "live":
            return providers
        case "redirect":
            address = parse_address(parameters.redirect_address).address
            return {name: Redirected(one, address) for name, one in providers.items()}
    return {name: Withheld(one) for name, one in providers.items()}


class Withheld(Around):
    """Delivery parks mail before it comes here; what comes all the same does not leave."""

    async def submit(self, submission: Submission) -> Outcome:
        return Outcome(kind=OutcomeKind.DEFERRED, reply=HELD)

    async def rehearse(self, submission: Submission | None, seconds: float = LONGEST_REHEARSAL) -> Rehearsal:
        """As far as it goes without an email."""
        rehearsal = await super().rehearse(None, seconds)
        if submission is None or rehearsal.outcome is not None:
            return rehearsal
        step = Step(STEP, False, HELD, 0.0)
        return Rehearsal((*rehearsal.steps, step), Outcome(kind=OutcomeKind.HELD, reply=HELD))


class Redirected(Around):
    """One address gets everything, for all recipients: they share what becomes of it."""

    def __init__(self, inner: Provider, address: str) -> None:
        super().__init__(inner)
        self._address = address

    async def submit(self, submission: Submission) -> Outcome:
        try:
            redirected = await self._with_content(submission)
        except StorageUnavailable:
            return Outcome(kind=OutcomeKind.TRANSIENT, reply=UNREADABLE)
        return self._for_all(submission, await super().submit(redirected))

    async def rehearse(self, submission: Submission | None, seconds: float = LONGEST_REHEARSAL) -> Rehearsal:
        if submission is None:
            return await super().rehearse(None, seconds)
        rehearsal = await super().rehearse(await self._with_content(submission), seconds)
        outcome = rehearsal.outcome and self._for_all(submission, rehearsal.outcome)
        return replace(rehearsal, outcome=outcome)

    async def was_sent(self, envelope: Envelope) -> Proof:
        return await super().was_sent(self._enveloped(envelope))

    def _enveloped(self, envelope: E) -> E:
        changes: dict[str, Any] = {"recipients": (self._address,), "bcc": ()}
        return replace(envelope, **changes)

    async def _with_content(self, submission: Submission) -> Submission:
        content = await RedirectedContent.of(submission, self._address)
        return replace(self._enveloped(submission), content=content)

    def _for_all(self, submission: Submission, outcome: Outcome) -> Outcome:
        replies = list(outcome.recipients.values())[:1]
        recipients = {recipient: reply for recipient in submission.recipients for reply in replies}
        was_sent = outcome.kind in HANDED_OVER
        reply = f"{outcome.reply} (redirected to {self._address}: delivery_mode is redirect)"
        return replace(outcome, recipients=recipients, reply=reply if was_sent else outcome.reply)


@dataclass(frozen=True, slots=True)
class RedirectedContent:
    """Another header before the same body, which is not looked into: what is signed there stays so."""

    content: Content
    head: bytes = field(repr=False)
    replaces: int  # octets

    @classmethod
    async def of(cls, submission: Submission, address: str) -> "RedirectedContent":
        """Raises StorageUnavailable where the header cannot be read."""
        old = await _head_of(submission.content)
        head = redirected_head(old, address, recipients=submission.recipients, bcc=submission.bcc)
        return cls(submission.content, head, len(old))

    @property
    def size(self) -> int:
        return self.content.size - self.replaces + len(self.head)

    async def chunks(self) -> AsyncIterator[bytes]:
        head, left = self.head, self.replaces
        async for chunk in self.content.chunks():
            if len(chunk) <= left:
                left -= len(chunk)
                continue
            yield head + chunk[left:]
            head, left = b"", 0
        if head:
            yield head


async def _head_of(content: Content) -> bytes:
    """All of it, however long: a list of recipients behind the first piece would be sent to."""
    head = bytearray()
    async for chunk in content.chunks():
        begin = max(len(head) - 3, 0)  # the empty line may stand on both sides
        head += chunk
        end = head.find(b"\r\n\r\n", begin)
        if end >= 0:
            return bytes(head[: end + 2])
    return bytes(head)
