"""SMTP submission through a relay (facts of RFC 5321 and aiosmtplib 5.1). A connection for each email.

The steps are taken one by one, because what an error means depends on where it happens: before the content is
handed over nothing can have been sent; after it, a lost answer leaves the email unconfirmed.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from email_core.content import whole
from email_core.parameters import Parameters
from email_core.providers.base import (
    Outcome,
    OutcomeKind,
    Provider,
    RecipientReply,
    RecipientVerdict,
    Submission,
)

CONNECT_SECONDS = 30.0
COMMAND_SECONDS = 60.0
SLOWEST_UPLOAD = 50_000  # octets a second: the time-out of the content grows with its size

_NETWORK_ERRORS = (SMTPException, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """`security`: starttls (required), tls (implicit) or none. `local_hostname`: the EHLO name, None = this host's."""

    server: str
    port: int
    security: str
    local_hostname: str | None

    @classmethod
    def from_parameters(cls, parameters: Parameters) -> "SmtpSettings | None":
        """None where no server is named: SMTP is not configured."""
        if not parameters.smtp_server:
            return None
        return cls(
            server=parameters.smtp_server,
            port=parameters.smtp_port,
            security=parameters.smtp_security,
            local_hostname=parameters.smtp_local_hostname or None,
        )


class SmtpProvider(Provider):
    name = "smtp"

    def __init__(self, settings: SmtpSettings, tls_context: ssl.SSLContext | None = None) -> None:
        """`tls_context` is for a private certificate authority; by default the system's are trusted."""
        self._settings = settings
        self._tls_context = tls_context or (None if settings.security == "none" else _default_tls_context())

    async def submit(self, submission: Submission) -> Outcome:
        client = SMTP(
            hostname=self._settings.server,
            port=self._settings.port,
            local_hostname=self._settings.local_hostname,
            use_tls=self._settings.security == "tls",
            start_tls=self._settings.security == "starttls",
            tls_context=self._tls_context,
            timeout=CONNECT_SECONDS,
        )
        try:
            try:
                await client.connect()
                await _greet(client)
            except _NETWORK_ERRORS as error:
                return _not_connected(error)
            client.timeout = COMMAND_SECONDS
            return await _Transaction(client, submission).run()
        finally:
            client.close()  # after the answer there is nothing to say; a cancelled connection is out of step


class _Transaction:
    """MAIL, RCPT for each recipient, DATA."""

    def __init__(self, client: SMTP, submission: Submission) -> None:
        self._client = client
        self._submission = submission
        self._mime = b""
        self._needs_smtputf8 = False

    async def run(self) -> Outcome:
        self._mime = await whole(self._submission.content)
        self._needs_smtputf8 = needs_smtputf8(self._submission, self._mime)
        refusal = self._refused_before_mail()
        if refusal is not None:
            return refusal
        try:
            sender = self._submission.sender
            await self._client.mail(sender, options=self._mail_options(), encoding=_encoding(sender))
            replies = {recipient: await self._rcpt(recipient) for recipient in self._submission.recipients}
        except SMTPResponseException as error:
            return _outcome_of_reply(error.code, _reply_text(error.code, error.message))
        except _NETWORK_ERRORS as error:
            return Outcome(kind=OutcomeKind.TRANSIENT, reply=f"lost before the content was sent: {_words(error)}")
        exceptions = {
            address: reply for address, reply in replies.items() if reply.verdict is not RecipientVerdict.ACCEPTED
        }
        if len(exceptions) == len(replies):
            return _nobody_accepted(exceptions)
        return await self._data(replies, exceptions)

    def _refused_before_mail(self) -> Outcome | None:
        if self._needs_smtputf8 and not self._client.supports_extension("smtputf8"):
            return Outcome(
                kind=OutcomeKind.PERMANENT,
                reply="the server does not offer SMTPUTF8, which an address or header in UTF-8 needs",
            )
        limit = self._client.esmtp_extensions.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(self._mime):
            size = len(self._mime)
            return Outcome(
                kind=OutcomeKind.PERMANENT,
                reply=f"the server takes {limit} octets (SIZE); the message has {size}",
            )
        return None

    def _mail_options(self) -> list[str]:
        options = []
        if self._client.supports_extension("size"):
            options.append(f"size={len(self._mime)}")
        if not self._mime.isascii() and self._client.supports_extension("8bitmime"):
            options.append("BODY=8BITMIME")
        if self._needs_smtputf8:
            options.append("SMTPUTF8")
        return options

    async def _rcpt(self, recipient: str) -> RecipientReply:
        try:
            response = await self._client.rcpt(recipient, encoding=_encoding(recipient))
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code == 421:  # the server closes the connection: no fault of this recipient
                raise
            verdict = RecipientVerdict.LATER if error.code < 500 else RecipientVerdict.REFUSED
            return RecipientReply(verdict, _reply_text(error.code, error.message))
        return RecipientReply(RecipientVerdict.ACCEPTED, _reply_text(response.code, response.message))

    async def _data(self, replies: Mapping[str, RecipientReply], exceptions: Mapping[str, RecipientReply]) -> Outcome:
        mime = self._mime
        try:
            response = await self._client.data(mime, timeout=COMMAND_SECONDS + len(mime) / SLOWEST_UPLOAD)
        except SMTPResponseException as error:
            return _outcome_of_reply(error.code, _reply_text(error.code, error.message), exceptions)
        except _NETWORK_ERRORS as error:
            return Outcome(
                kind=OutcomeKind.UNCONFIRMED,
                reply=f"the answer to the content was lost: {_words(error)}",
                recipients=exceptions,
            )
        kind = OutcomeKind.PARTLY_DELIVERED if exceptions else OutcomeKind.DELIVERED
        return Outcome(
            kind=kind,
            reply=_reply_text(response.code, response.message),
            recipients=replies if exceptions else {},
        )


async def _greet(client: SMTP) -> None:
    """What the server offers must be known before MAIL; connecting asks only where it needs STARTTLS."""
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()  # a server of before 1995: it offers nothing


def needs_smtputf8(submission: Submission, mime: bytes) -> bool:
    """Whether the envelope or a header is not ASCII (RFC 6531, RFC 6532): the server must offer it."""
    head = mime[: mime.find(b"\r\n\r\n")]
    return not (head.isascii() and "".join((submission.sender, *submission.recipients)).isascii())


def _default_tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()  # 28 ms: once a provider, never once an email
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _not_connected(error: Exception) -> Outcome:
    certificate = next((link for link in _chain(error) if isinstance(link, ssl.SSLError)), None)
    if certificate is not None:
        return Outcome(kind=OutcomeKind.CONFIGURATION, reply=f"no TLS with the server: {certificate}")
    if "STARTTLS" in str(error):
        return Outcome(kind=OutcomeKind.CONFIGURATION, reply=f"no TLS with the server: {error}")
    return Outcome(kind=OutcomeKind.TRANSIENT, reply=f"no connection to the server: {_words(error)}")


def _chain(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error is not None and error not in links:
        links.append(error)
        error = error.__cause__ or error.__context__
    return links


def _outcome_of_reply(code: int, reply: str, exceptions: Mapping[str, RecipientReply] | None = None) -> Outcome:
    kind = OutcomeKind.TRANSIENT if code < 500 else OutcomeKind.PERMANENT
    return Outcome(kind=kind, reply=reply, recipients=exceptions or {})


def _nobody_accepted(replies: Mapping[str, RecipientReply]) -> Outcome:
    """Some may be taken later: then the email is not over, though some of its recipients are."""
    later = [reply for reply in replies.values() if reply.verdict is RecipientVerdict.LATER]
    kind = OutcomeKind.TRANSIENT if later else OutcomeKind.PERMANENT
    return Outcome(kind=kind, reply=(later or list(replies.values()))[0].reply, recipients=replies)


def _encoding(address: str) -> str:
    return "ascii" if address.isascii() else "utf-8"


def _reply_text(code: int, message: str) -> str:
    return f"{code} {message}".replace("\n", " ")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
