"""The Graph provider: a message at once, or as a draft where it is too large for that or proof is wanted."""

import asyncio
import base64
import logging
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

from email_core.content import whole
from email_core.errors import StorageUnavailable
from email_core.logs import where
from email_core.mailbox_slots import MailboxSlots, NoSlot
from email_core.mime import with_bcc
from email_core.providers.base import BEFORE_MAIL, Envelope, Outcome, OutcomeKind, Proof, Provider, Steps, Submission
from email_core.providers.entra import Tokens
from email_core.providers.features import Features
from email_core.providers.graph.client import GraphClient, Trace, mailbox_path, message_path
from email_core.providers.graph.draft import IMMUTABLE_IDS, UNFINISHED, Draft, delete_draft, draft_of
from email_core.providers.graph.json_message import json_message
from email_core.providers.graph.large import MOST_INSIDE
from email_core.providers.graph.outcome import Refused, asks_for_less
from email_core.providers.graph.sent_item import LOOKED_AT, MOST_OF_ONE_ID, is_the_sent_one
from email_core.providers.graph.settings import GraphSettings
from email_core.providers.graph.upload import Pause
from email_core.providers.sender_dns import EXCHANGE_ONLINE
from email_core.record import Mode

QUIET = timedelta(seconds=10)  # that a mailbox is left alone, where Graph does not say how long
_PASSING = frozenset({OutcomeKind.TRANSIENT, OutcomeKind.UNCONFIRMED, OutcomeKind.DEFERRED})

logger = logging.getLogger(__name__)


class GraphProvider(Provider):
    name = "graph"
    features = Features(
        title="Microsoft Graph",
        sign_in="managed identity, federation, certificate, client secret",
        keeps_message_id=True,
        recipients_apart=False,
        proof_of_sending=True,
        bounces_elsewhere=False,
        bcc="in the message's headers, which Graph takes out",
        largest_message="150 MB (over 2 MB as a draft, with Mail.ReadWrite)",
        throttles_itself=True,
    )

    def __init__(
        self,
        settings: GraphSettings,
        tokens: Tokens,
        slots: MailboxSlots,
        clock: Callable[[], datetime],
        *,
        tls_context: ssl.SSLContext | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`tls_context` trusts a private certificate authority, for tests."""
        self.configuration = settings.fingerprint
        self.account = settings.batch_mailbox or ""
        self.secrets = (settings.app.secret,) if settings.app.secret else ()
        self.target = settings.address
        self.sender_dns = EXCHANGE_ONLINE
        self._settings = settings
        self._tokens = tokens
        self._slots = slots
        self._client = GraphClient(settings.address, tokens, clock, tls_context)
        self._pause = pause
        self._closing: set[asyncio.Task[None]] = set()

    async def submit(self, submission: Submission) -> Outcome:
        trace = Trace()
        mailbox = self._mailbox(submission)
        try:
            async with asyncio.timeout(_finite(submission.seconds)), self._slots.slot(mailbox) as still_in_use:
                trace.still_in_use = still_in_use
                outcome = await self._submitted(mailbox, submission, trace)
        except NoSlot as busy:
            return Outcome(kind=OutcomeKind.DEFERRED, reply=busy.reason, retry_after=busy.wait)
        except TimeoutError:
            kind = OutcomeKind.UNCONFIRMED if trace.may_have_sent else OutcomeKind.TRANSIENT
            words = "the provider did not finish within the lease"
            return Outcome(kind=kind, reply=words, stage="request", trace=str(trace) or None)
        except StorageUnavailable:
            words = "the storage did not answer before the email was handed over"
            return Outcome(kind=OutcomeKind.TRANSIENT, reply=words, trace=str(trace) or None)
        if asks_for_less(outcome):
            await self._be_quiet(mailbox, outcome.retry_after)
        return replace(outcome, trace=str(trace) or outcome.trace)

    async def was_sent(self, envelope: Envelope) -> Proof:
        mailbox = self._mailbox(envelope)
        try:
            async with self._slots.slot(mailbox) as still_in_use:
                return await self._proof(mailbox, envelope, Trace(still_in_use))
        except (NoSlot, StorageUnavailable):
            return Proof.LATER
        except Refused as refused:
            outcome = refused.outcome  # what pauses the provider says nothing of this email
            return Proof.LATER if outcome.kind in _PASSING or outcome.stage in BEFORE_MAIL else Proof.NONE

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        """Its draft, where nobody can have sent it. Raises Refused, or what `slot` raises."""
        handle = envelope.handle or ""
        if in_doubt and not handle.startswith(UNFINISHED):
            return
        mailbox = self._mailbox(envelope)
        async with self._slots.slot(mailbox) as still_in_use:
            trace = Trace(still_in_use)
            if await self._proof_of_draft(mailbox, handle, trace) is Proof.NOT_SENT:
                await delete_draft(self._client, mailbox, draft_of(handle), trace)

    def _steps(self, submission: Submission | None) -> Steps:
        return Steps(("credential", *("request",) * bool(submission)), time.monotonic)

    async def _rehearsed(self, submission: Submission | None, steps: Steps) -> Outcome | None:
        """With a new token: the old one may be of before a permission was granted."""
        self._tokens.forget()
        try:
            await self._client.sign_in()
        except Refused as refused:
            return refused.outcome
        steps.heard("credential", "a token was given")
        if submission is None:
            return None
        outcome = await self.submit(submission)
        if outcome.kind is OutcomeKind.DELIVERED:
            steps.heard("request", outcome.reply)
        return outcome

    def sign_in_anew(self) -> None:
        self._tokens.forget()

    def close(self) -> None:
        closing = asyncio.ensure_future(self.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        await self._client.aclose()

    # ---- one email

    def _mailbox(self, envelope: Envelope) -> str:
        """Whose mailbox it goes through: batch mail through the batch account's, where there is one, other mail through
        the user's own, which is the From address's unless an administrator has given the user another. Graph and
        Exchange see to it that the From address may be used from there."""
        batch = self._settings.batch_mailbox if envelope.mode is Mode.BATCH else None
        return batch or envelope.mailbox or envelope.sender

    async def _submitted(self, mailbox: str, submission: Submission, trace: Trace) -> Outcome:
        is_large = submission.content.size > MOST_INSIDE
        try:
            if not (submission.handle or self._settings.always_drafts or is_large):
                return await self._at_once(mailbox, submission, trace)
            return await Draft(self._client, mailbox, submission, trace, pause=self._pause).run()
        except Refused as refused:
            return refused.outcome

    async def _at_once(self, mailbox: str, submission: Submission, trace: Trace) -> Outcome:
        """202 alone is success (facts/graph.md, "sendMail")."""
        mime = await whole(submission.content)
        message = None if self._settings.saves_to_sent_items else json_message(mime, submission.bcc)
        path = f"{mailbox_path(mailbox)}/sendMail"
        if message is not None:
            body = {"message": message, "saveToSentItems": False}
            answer = await self._client.call("sendMail", "POST", path, trace=trace, wanted={202}, json=body, sends=True)
        else:
            answer = await self._client.call(
                "sendMail",
                "POST",
                path,
                trace=trace,
                wanted={202},
                content=base64.b64encode(with_bcc(mime, submission.bcc)),
                headers={"Content-Type": "text/plain"},
                sends=True,
            )
        return Outcome(kind=OutcomeKind.DELIVERED, reply=answer.words, stage="request", code=answer.status)

    async def _be_quiet(self, mailbox: str, wait: timedelta | None) -> None:
        try:
            await self._slots.be_quiet(mailbox, wait or QUIET)
        except StorageUnavailable as error:
            logger.warning("other instances are not told to leave a mailbox alone: %s", where(error))

    # ---- proof

    async def _proof(self, mailbox: str, envelope: Envelope, trace: Trace) -> Proof:
        """Raises Refused, or what `slot` raises."""
        if envelope.handle:
            return await self._proof_of_draft(mailbox, envelope.handle, trace)
        if not self._settings.saves_to_sent_items:
            return Proof.NONE
        return await self._proof_of_sent_items(mailbox, envelope, trace)

    async def _proof_of_draft(self, mailbox: str, handle: str, trace: Trace) -> Proof:
        if handle.startswith(UNFINISHED):
            return Proof.NOT_SENT
        path = f"{message_path(mailbox, draft_of(handle))}?$select=isDraft"
        answer = await self._client.call("proof", "GET", path, trace=trace, wanted={200, 404}, headers=IMMUTABLE_IDS)
        is_draft = answer.member("isDraft")
        if answer.status == 404 or not isinstance(is_draft, bool):
            return Proof.LATER  # on its way from one folder to another it is in none
        return Proof.NOT_SENT if is_draft else Proof.SENT

    async def _proof_of_sent_items(self, mailbox: str, envelope: Envelope, trace: Trace) -> Proof:
        """Needs Mail.Read. That it is not there proves nothing: it may be on its way."""
        condition = quote(f"internetMessageId eq '{envelope.message_id.replace(chr(39), chr(39) * 2)}'", safe="")
        query = f"$filter={condition}&$select={','.join(LOOKED_AT)}&$top={MOST_OF_ONE_ID}"
        path = f"{mailbox_path(mailbox)}/mailFolders/sentitems/messages?{query}"
        answer = await self._client.call("proof", "GET", path, trace=trace, wanted={200})
        found = answer.member("value")
        items = found if isinstance(found, list) else []
        return Proof.SENT if any(is_the_sent_one(item, envelope) for item in items) else Proof.NONE


def _finite(seconds: float) -> float | None:
    """As asyncio wants it: None is without end."""
    return seconds if seconds < math.inf else None
