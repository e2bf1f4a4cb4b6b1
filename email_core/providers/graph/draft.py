"""A message as a draft: made in the mailbox, filled with its files, sent (facts/graph.md, "Draft path").

Its immutable id is kept before it is sent: after a lost answer Graph is asked what became of it, and what is still a
draft is sent, not made again. While its files are on their way the id is kept as `unfinished`: where the worker dies
then, the next attempt deletes that draft and makes another. So it does where the draft is for others than the email
goes to now: it was made before mail was redirected, or while it was.
"""

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from email_core.diagnosis import diagnose
from email_core.errors import LostRace
from email_core.logs import where
from email_core.mime import with_bcc
from email_core.providers.base import Outcome, OutcomeKind, Submission
from email_core.providers.graph.client import GraphClient, Trace, mailbox_path, message_path
from email_core.providers.graph.large import MOST_INSIDE, divided
from email_core.providers.graph.outcome import PROVIDER, Refused
from email_core.providers.graph.scanner import CannotBeDivided
from email_core.providers.graph.upload import Pause, Upload

IMMUTABLE_IDS = {"Prefer": 'IdType="ImmutableId"'}  # else an id changes when the draft moves to Sent Items
UNFINISHED = "unfinished:"  # before the kept id of a draft that nobody has sent, as its files are not all there

_FOR = "~"  # between a kept id and for whom the draft is
# As Graph writes ids. They become a part of addresses: one with dots in it could lead elsewhere.
_ID = re.compile(r"[A-Za-z0-9+/=_-]+")

logger = logging.getLogger(__name__)


class Draft:
    """One email's, in one attempt."""

    def __init__(
        self,
        client: GraphClient,
        mailbox: str,
        submission: Submission,
        trace: Trace,
        *,
        pause: Pause,
    ) -> None:
        self._client = client
        self._mailbox = mailbox
        self._submission = submission
        self._trace = trace
        self._pause = pause

    async def run(self) -> Outcome:
        """Raises Refused, or StorageUnavailable where the content cannot be read."""
        handle = self._submission.handle
        if not handle:
            return await self._make_and_send()
        draft = draft_of(handle)
        if handle != handle_of(draft, self._submission.recipients):
            await self._delete(draft)
            return await self._make_and_send()
        try:
            return await self._send(draft)
        except Refused as refused:
            if refused.answer is None or refused.answer.error_code != "ErrorItemNotFound":
                raise
            # Somebody deleted it, or an earlier attempt sent it after all (facts/graph.md: do not resend).
            words = f"the answer to the content was lost: the draft is not there any more ({refused.outcome.reply})"
            return Outcome(kind=OutcomeKind.UNCONFIRMED, reply=words, stage="request")

    async def _make_and_send(self) -> Outcome:
        try:
            inside, files = await divided(self._submission.content)
        except CannotBeDivided as reason:
            return Outcome(kind=OutcomeKind.PERMANENT, reply=f"the message is too large: {reason}", stage="request")
        draft = await self._make(with_bcc(inside, self._submission.bcc))
        try:
            if files:
                await self._submission.keep_handle(UNFINISHED + draft)
            upload = Upload(self._client, self._mailbox, draft, self._trace, pause=self._pause)
            await upload.run(self._submission.content, files)
            await self._submission.keep_handle(handle_of(draft, self._submission.recipients))
        except LostRace:  # another worker has the email
            await self._delete(draft)
            return Outcome(kind=OutcomeKind.TRANSIENT, reply="another worker has it now", stage="request")
        except asyncio.CancelledError:  # the time is over
            self._client.in_background(self._delete(draft))
            raise
        except Exception:
            await self._delete(draft)
            raise
        return await self._send(draft)

    async def _make(self, mime: bytes) -> str:
        try:
            answer = await self._client.call(
                "draft",
                "POST",
                f"{mailbox_path(self._mailbox)}/messages",
                trace=self._trace,
                wanted={201},
                content=base64.b64encode(mime),
                headers={"Content-Type": "text/plain", **IMMUTABLE_IDS},
            )
        except Refused as refused:
            size = self._submission.content.size
            if size > MOST_INSIDE and _lacks_permission(refused):
                raise Refused(without_permission(refused, size, MOST_INSIDE), refused.answer) from refused
            raise
        draft = answer.member("id")
        if not isinstance(draft, str) or not _ID.fullmatch(draft):
            outcome = Outcome(kind=OutcomeKind.TRANSIENT, reply="Graph named no draft", stage="request")
            raise Refused(outcome, answer)
        return draft

    async def _send(self, draft: str) -> Outcome:
        try:
            answer = await self._client.call(
                "send",
                "POST",
                f"{message_path(self._mailbox, draft)}/send",
                trace=self._trace,
                wanted={202},
                content=b"",
                headers=IMMUTABLE_IDS,
                sends=True,
            )
        except Refused as refused:
            if refused.outcome.kind is OutcomeKind.PERMANENT and refused.outcome.code != 404:
                await self._delete(draft)  # nobody sends it any more
            raise
        return Outcome(kind=OutcomeKind.DELIVERED, reply=answer.words, stage="request", code=answer.status)

    async def _delete(self, draft: str) -> None:
        await delete_draft(self._client, self._mailbox, draft, self._trace)


def handle_of(draft: str, recipients: Sequence[str]) -> str:
    """What is kept of a draft that can be sent."""
    return f"{draft}{_FOR}{hashlib.sha256(' '.join(recipients).encode()).hexdigest()[:16]}"


def draft_of(handle: str) -> str:
    """The draft's id, finished or not."""
    return handle.removeprefix(UNFINISHED).partition(_FOR)[0]


async def delete_draft(client: GraphClient, mailbox: str, draft: str, trace: Trace) -> None:
    """So that nobody finds it among their drafts. It does no harm where it stays."""
    try:
        path = message_path(mailbox, draft)
        await client.call("delete", "DELETE", path, trace=trace, wanted={204}, headers=IMMUTABLE_IDS)
    except Refused as refused:
        logger.info("a draft that is not needed any more stays: %s", where(refused))


def _lacks_permission(refused: Refused) -> bool:
    """Graph itself said so: not a proxy, and not for a quota or the mailbox."""
    answer, outcome = refused.answer, refused.outcome
    if answer is None or not answer.error_code:
        return False
    found = diagnose(provider=PROVIDER, stage=outcome.stage, code=outcome.code, reply=outcome.reply)
    return found.id == "graph-access-denied"


def without_permission(refused: Refused, size: int, most: int) -> Outcome:
    """A large mail where drafts are not permitted: no try will send it, but a permission would have."""
    words = (
        f"the message has {size} octets, and Graph takes {most} in one request: larger ones go as drafts, for which "
        f"the application needs the permission Mail.ReadWrite ({refused.outcome.reply})"
    )
    return replace(refused.outcome, kind=OutcomeKind.PERMANENT, reply=words)
