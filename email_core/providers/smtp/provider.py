"""The SMTP provider: a kept or a new connection for each email, and as many transactions as its recipients need."""

import asyncio
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from email_core.logs import where
from email_core.providers.base import HANDED_OVER, Outcome, OutcomeKind, Provider, RecipientReply, Steps, Submission
from email_core.providers.entra import Identity
from email_core.providers.features import Features
from email_core.providers.smtp.authentication import sign_in_of
from email_core.providers.smtp.connection import NETWORK_ERRORS, Connection, Connector, Heard, NotConnected, unheard
from email_core.providers.smtp.outcome import Part, combined, outcome_of_failure, outcome_of_network, replies_of
from email_core.providers.smtp.pool import BUSY, Pool
from email_core.providers.smtp.settings import SmtpSettings
from email_core.providers.smtp.transaction import Stale, Taken, TimeLeft, TooMany, Transaction
from email_core.secret_store.base import SecretStore

ONE_AT_A_TIME_SECONDS = 600.0  # after the server has stumbled over several commands in one go, it gets no more of them

_GOES_ON = HANDED_OVER | {OutcomeKind.PERMANENT}

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SmtpProvider(Provider):
    name = "smtp"
    features = Features(
        title="SMTP",
        sign_in="none, password, OAuth (XOAUTH2)",
        keeps_message_id=True,
        recipients_apart=True,
        proof_of_sending=False,
        bounces_elsewhere=True,
        bcc="in the envelope alone",
        largest_message="what the server says (SIZE)",
        throttles_itself=False,
    )

    def __init__(
        self,
        settings: SmtpSettings,
        secrets: SecretStore,
        *,
        identity: Identity | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`identity` is the managed identity, where the app registration trusts one."""
        self.configuration = settings.fingerprint
        self.account = settings.user_name
        self.secrets = settings.secrets
        self.target = f"{settings.server}:{settings.port}"
        self.sender_dns = settings.sender_dns
        self.warnings = tuple(settings.warnings())
        self._settings = settings
        self._clock = clock
        self._sign_in = sign_in_of(settings, secrets, identity)
        self._connector = Connector(settings, self._sign_in, clock)
        self._pool = Pool(self._connector.open, settings.max_connections, clock)
        self._one_at_a_time_until = -math.inf
        for warning in self.warnings:
            logger.warning(warning)

    async def submit(self, submission: Submission) -> Outcome:
        ends_at = self._clock() + submission.seconds
        try:
            async with self._pool.turn(submission.seconds):
                return await self._in_parts(submission, lambda: ends_at - self._clock())
        except NotConnected as failure:
            return failure.outcome

    def sign_in_anew(self) -> None:
        if self._sign_in is not None:
            self._sign_in.forget()
        self._pool.sign_in_anew()

    def close(self) -> None:
        self._pool.close()

    # ---- one email, in as many transactions as the server takes its recipients in

    async def _in_parts(self, submission: Submission, time_left: TimeLeft) -> Outcome:
        """The first part that must be tried again ends it, and so does the time: the others' turn comes with the next
        attempt. What became of the earlier parts is kept, whatever happens to a later one."""
        most, left = self._settings.most_recipients, submission.recipients
        parts: list[Part] = []
        begun, longest = self._clock(), 0.0
        while left and not (parts and time_left() < longest):
            asked = left[:most]
            try:
                outcome, refused = await self._part(submission, parts, asked, time_left)
            except TooMany:
                most = len(asked) // 2
                continue
            waiting = set(refused)
            parts.append((tuple(one for one in asked if one not in waiting), outcome))
            left = (*refused, *left[len(asked) :])
            if outcome.kind not in _GOES_ON:
                break
            longest, begun = max(longest, self._clock() - begun), self._clock()
        return combined(parts, left)

    async def _part(
        self, submission: Submission, before: Sequence[Part], recipients: tuple[str, ...], time_left: TimeLeft
    ) -> Taken:
        """Raises TooMany. Its progress goes with that of those before it."""
        if before:
            submission = _after(before, submission)
        try:
            kept = await _in_time(self._pool.idle(time_left), None)
            if kept is not None:
                try:
                    return await self._on(kept, submission, recipients, time_left)
                except Stale:
                    pass  # the server had closed it, or was about to: that is no failed attempt
            return await self._on(await _in_time(self._pool.fresh(), time_left()), submission, recipients, time_left)
        except NotConnected as failure:
            return Taken(failure.outcome)

    async def _on(
        self,
        connection: Connection,
        submission: Submission,
        recipients: tuple[str, ...],
        time_left: TimeLeft,
        heard: Heard = unheard,
    ) -> Taken:
        """Raises Stale or TooMany."""
        sender = self._settings.envelope_sender or submission.sender
        slowly = self._clock() < self._one_at_a_time_until
        transaction = Transaction(connection, submission, sender, recipients, time_left, heard, one_at_a_time=slowly)
        try:
            taken = await transaction.run()
        except BaseException:
            connection.close()  # canceled or broken off, it is out of step with the server
            raise
        if transaction.stumbled:
            self._speak_slowly()
        self._pool.give_back(connection)
        return taken

    def _speak_slowly(self) -> None:
        """The next try is made as if the server offered no pipelining: some only say that they can."""
        self._one_at_a_time_until = self._clock() + ONE_AT_A_TIME_SECONDS
        logger.warning("the SMTP server broke off while it had several commands: it gets one at a time for a while")

    # ---- the test email

    def _steps(self, submission: Submission | None) -> Steps:
        encrypts, signs_in = self._settings.security != "none", self._settings.authentication != "none"
        until_signed_in = ("resolve", "connect", *("tls",) * encrypts, "ehlo", *("auth",) * signs_in)
        return Steps((*until_signed_in, *("mail", "rcpt", "data") * bool(submission)), self._clock)

    async def _rehearsed(self, submission: Submission | None, steps: Steps) -> Outcome | None:
        """On a new connection, whatever became of the last ones."""
        usual = steps.lacking
        try:
            steps.heard("resolve", await self._addresses())
            steps.lacking = f"{BUSY}: none was free"
            async with self._pool.turn():
                steps.lacking = usual
                return await self._alone(submission, steps)
        except NotConnected as failure:
            return failure.outcome

    async def _alone(self, submission: Submission | None, steps: Steps) -> Outcome | None:
        """Raises NotConnected."""
        kept = await self._pool.idle()
        if kept is not None:
            kept.quit()  # the new one takes its place among `max_connections`
        connection = await self._connector.open(steps.heard)
        self._pool.forget_failure()
        if submission is None:
            self._pool.give_back(connection)
            return None
        return (await self._on(connection, submission, submission.recipients, _no_end, steps.heard)).outcome

    async def _addresses(self) -> str:
        """Raises NotConnected."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._settings.server, self._settings.port, type=socket.SOCK_STREAM)
        except NETWORK_ERRORS as error:
            server, port = self._settings.server, self._settings.port
            raise NotConnected(replace(outcome_of_network("connect", error, server, port), stage="resolve")) from error
        return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))


def _after(before: Sequence[Part], submission: Submission) -> Submission:
    """With its progress, the parts' before it is kept."""
    told = replies_of(before)

    async def keep_progress(more: Mapping[str, RecipientReply], turn: tuple[str, ...]) -> None:
        await submission.keep_progress({**told, **more}, turn)

    return replace(submission, keep_progress=keep_progress)


def _no_end() -> float:
    return math.inf


async def _in_time(connecting: Awaitable[T], seconds: float | None) -> T:
    """Raises NotConnected, whatever happens: before there is a connection nothing can be sent. None: it keeps to its
    time by itself."""
    try:
        if seconds is None:
            return await connecting
        async with asyncio.timeout(seconds):
            return await connecting
    except NotConnected:
        raise
    except TimeoutError as error:
        raise NotConnected(
            outcome_of_failure("connect", "timed out: no connection in the time that was left")
        ) from error
    except Exception as error:  # what was sent before must not be forgotten for it
        logger.error("connecting to the SMTP server raised: %s", where(error))
        raise NotConnected(outcome_of_failure("connect", f"internal error: {type(error).__name__}")) from error
