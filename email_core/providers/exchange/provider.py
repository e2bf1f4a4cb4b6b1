"""The Exchange provider. What blocks goes to threads; what limits a mailbox's requests is shared by all instances."""

import asyncio
import importlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from email_core.content import whole
from email_core.errors import SecretFault, SecretUnreadable, StorageUnavailable
from email_core.few_threads import FewThreads, NotInTime
from email_core.mailbox_slots import MailboxSlots, NoSlot, StillInUse
from email_core.providers.base import Envelope, Outcome, OutcomeKind, Proof, Provider, Steps, Submission
from email_core.providers.entra import NoToken, Tokens
from email_core.providers.exchange.outcome import outcome_of_error, outcome_of_words
from email_core.providers.exchange.settings import ExchangeSettings
from email_core.providers.features import Features
from email_core.record import Mode
from email_core.secret_store.base import SecretName, SecretStore

if TYPE_CHECKING:
    from email_core.providers.exchange.ews import Ews

CALL_SECONDS = 80.0  # for a whole answer, and a large email has longer
SLOWEST_UPLOAD = 100_000  # octets a second
STILL_IN_USE_EVERY = 60.0  # seconds: a slot is lost after more without a word
MOST_OCTETS = 45_000_000  # EWS takes requests of 64 MB, and base64 adds a third

logger = logging.getLogger(__name__)


class ExchangeProvider(Provider):
    name = "exchange"
    features = Features(
        title="Exchange Server (deprecated)",
        sign_in="NTLM, basic, OAuth (hybrid modern authentication)",
        keeps_message_id=True,
        recipients_apart=False,
        proof_of_sending=True,
        bounces_elsewhere=False,
        bcc="beside the message",
        largest_message="45 MB",
        throttles_itself=True,
        deprecated="For an Exchange Server of your own alone: Exchange Online has no Exchange Web Services any more, "
        "and Microsoft develops them no further. Use graph where you can.",
    )

    def __init__(
        self, settings: ExchangeSettings, secrets: SecretStore, slots: MailboxSlots, tokens: Tokens | None = None
    ) -> None:
        """`tokens` are needed where the account signs in by OAuth."""
        self.configuration = settings.fingerprint
        self.account = settings.batch_mailbox or ""
        self.secrets = (SecretName.EXCHANGE_CLIENT_SECRET if settings.app else SecretName.EXCHANGE_PASSWORD,)
        self.target = settings.address
        self.warnings = (f"The provider exchange is deprecated. {self.features.deprecated}",)
        self._settings = settings
        self._secrets = secrets
        self._slots = slots
        self._tokens = tokens
        self._ews: Ews | None = None
        self._threads = FewThreads(settings.concurrency, "ews")
        for warning in self.warnings:
            logger.warning(warning)

    async def submit(self, submission: Submission) -> Outcome:
        refusal = self._refusal(submission)
        if refusal is not None:
            return refusal
        mailbox = self._mailbox(submission)
        try:
            async with self._slots.slot(mailbox) as still_in_use:
                return await self._submitted(mailbox, submission, still_in_use)
        except NoSlot as busy:
            return Outcome(kind=OutcomeKind.DEFERRED, reply=busy.reason, retry_after=busy.wait)
        except StorageUnavailable:
            words = "the storage did not answer before the email was handed over"
            return Outcome(kind=OutcomeKind.TRANSIENT, reply=words)

    async def was_sent(self, envelope: Envelope) -> Proof:
        """By its Message-ID in Sent Items. That it is not there proves nothing: it may be on its way."""
        if not self._settings.saves_to_sent_items:
            return Proof.NONE
        mailbox = self._mailbox(envelope)
        try:
            async with self._slots.slot(mailbox):
                credential = await self._credential()
                look = partial(self._server().has_sent, mailbox, envelope.message_id, envelope.since)
                found = await self._threads.run(CALL_SECONDS, partial(look, credential=credential))
        except (NoSlot, StorageUnavailable, _NoCredential, NotInTime):
            return Proof.LATER
        except Exception as error:  # noqa: BLE001 - exchangelib raises its own, and those of what it is made of
            kind = outcome_of_error(error, self._settings.address).kind
            return Proof.LATER if kind in (OutcomeKind.TRANSIENT, OutcomeKind.UNCONFIRMED) else Proof.NONE
        return Proof.SENT if found else Proof.NONE

    def _steps(self, submission: Submission | None) -> Steps:
        return Steps(("credential", *("request",) * bool(submission)), time.monotonic)

    async def _rehearsed(self, submission: Submission | None, steps: Steps) -> Outcome | None:
        """The server is first asked something when it gets the email: before that only the credential can be had."""
        self.sign_in_anew()
        try:
            await self._credential()
        except _NoCredential as failure:
            return failure.outcome
        steps.heard("credential", "there is a token" if self._tokens else "there is a password")
        if submission is None:
            return None
        outcome = await self.submit(submission)
        if outcome.kind is OutcomeKind.DELIVERED:
            steps.heard("request", outcome.reply)
        return outcome

    def sign_in_anew(self) -> None:
        if self._tokens is not None:
            self._tokens.forget()

    def close(self) -> None:
        if self._ews is not None:
            self._ews.close()

    def _mailbox(self, envelope: Envelope) -> str:
        """The batch account's for batch mail, where there is one, else the user's own, or the From address's."""
        batch = self._settings.batch_mailbox if envelope.mode is Mode.BATCH else None
        return batch or envelope.mailbox or envelope.sender

    def _refusal(self, submission: Submission) -> Outcome | None:
        if not self._settings.takes(submission.sender):
            words = "the sender is an external user: they cannot send through Exchange Server"
            return Outcome(kind=OutcomeKind.PERMANENT, reply=words, stage="request")
        if submission.content.size > MOST_OCTETS:
            words = f"the message has {submission.content.size} octets, and Exchange Web Services take {MOST_OCTETS}"
            return Outcome(kind=OutcomeKind.PERMANENT, reply=words, stage="request")
        return None

    async def _submitted(self, mailbox: str, submission: Submission, still_in_use: StillInUse) -> Outcome:
        """Once more where the credential that was refused has been changed meanwhile."""
        mime = await whole(submission.content)
        try:
            credential = await self._credential()
            await still_in_use()
            outcome = await self._sent(mailbox, mime, submission, credential, still_in_use)
            if outcome.stage == "auth":
                changed = await self._credential(instead_of=credential)
                if changed != credential:
                    await still_in_use()
                    outcome = await self._sent(mailbox, mime, submission, changed, still_in_use)
        except _NoCredential as failure:
            return failure.outcome
        return outcome

    async def _sent(
        self, mailbox: str, mime: bytes, submission: Submission, credential: str, still_in_use: StillInUse
    ) -> Outcome:
        send = partial(self._server().send, mailbox, mime, message_id=submission.message_id, bcc=submission.bcc)
        seconds = min(CALL_SECONDS + len(mime) / SLOWEST_UPLOAD, submission.seconds)
        try:
            async with _kept(still_in_use):
                await self._threads.run(seconds, partial(send, credential=credential))
        except NotInTime as error:
            kind = OutcomeKind.UNCONFIRMED if error.began else OutcomeKind.TRANSIENT
            words = f"the answer to the content was lost: {error}" if error.began else str(error)
            return Outcome(kind=kind, reply=words, stage="request")
        except Exception as error:  # noqa: BLE001 - exchangelib raises its own, and those of what it is made of
            return outcome_of_error(error, self._settings.address)
        return Outcome(kind=OutcomeKind.DELIVERED, reply="Exchange Server took it", stage="request", code=200)

    async def _credential(self, instead_of: str | None = None) -> str:
        """The password or the access token, read anew where it was refused. Raises _NoCredential."""
        if self._tokens is not None:
            try:
                return await self._tokens.token(instead_of=instead_of)
            except NoToken as failure:
                outcome = outcome_of_words("credential", failure.words, mends_itself=failure.mends_itself)
                raise _NoCredential(outcome) from failure
        if instead_of is not None:
            self._secrets.refresh(SecretName.EXCHANGE_PASSWORD)
        try:
            return await self._secrets.get(SecretName.EXCHANGE_PASSWORD)
        except SecretUnreadable as error:
            passes = error.reason is SecretFault.UNREACHABLE
            raise _NoCredential(outcome_of_words("credential", str(error), mends_itself=passes)) from error

    def _server(self) -> "Ews":
        """exchangelib is an optional package, and takes half a second to import: not before it is needed."""
        if self._ews is None:
            self._ews = importlib.import_module("email_core.providers.exchange.ews").Ews(self._settings)
        return self._ews


@asynccontextmanager
async def _kept(still_in_use: StillInUse) -> AsyncIterator[None]:
    """A slot, for as long as this takes."""
    renewal = asyncio.create_task(_renew(still_in_use))
    try:
        yield
    finally:
        renewal.cancel()


async def _renew(still_in_use: StillInUse) -> None:
    while True:
        await asyncio.sleep(STILL_IN_USE_EVERY)
        with suppress(StorageUnavailable):  # what is sent is sent, with the slot or without
            await still_in_use()


class _NoCredential(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome
