"""One connection to the server: connected, encrypted, greeted and signed in; then one command after another.

Each step says where it failed, because what an error means depends on that: until the content is handed over nothing
can have been sent.
"""

import asyncio
import math
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from email_core.providers.base import Outcome
from email_core.providers.smtp.authentication import NotSignedIn, SignIn
from email_core.providers.smtp.dialogue import ConnectionLost, Dialogue
from email_core.providers.smtp.outcome import (
    Reply,
    outcome_of_failure,
    outcome_of_network,
    outcome_of_reply,
)
from email_core.providers.smtp.settings import SmtpSettings, is_private
from email_core.providers.verdict import clean

CONNECT_SECONDS = 30.0  # for each step until the connection can be used
COMMAND_SECONDS = 60.0
MOST_DIGITS = 20  # of a number in EHLO (RFC 1870, 3)

_CONTROL_CHARACTER = re.compile(rb"[\x00-\x1f\x7f]")
NETWORK_ERRORS = (SMTPException, OSError, TimeoutError, UnicodeError)  # the last of a name that DNS cannot ask for

Heard = Callable[[str, str], None]  # stage, detail: told of each step that was taken


class NotConnected(Exception):
    """There is no connection to send with. `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome


class AnsweredEarly(Exception):
    """The server refused the content before its end, so that nothing was sent. The connection is closed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


class Connection:
    """What is kept between emails. `messages` counts the transactions begun on it."""

    def __init__(self, transport: asyncio.Transport, extensions: Mapping[str, str], opened_at: float) -> None:
        """`extensions` are those of the last EHLO: name in lower case -> parameters."""
        self._dialogue = Dialogue(transport)
        self._extensions = extensions
        self._watchdog = _Watchdog(self._dialogue.end)
        self.opened_at = opened_at
        self.used_at = opened_at
        self.messages = 0
        self.is_clean = True  # no transaction is left open
        self.was_kept = False  # from one email to the next: the server may have left meanwhile

    @property
    def is_open(self) -> bool:
        return self._dialogue.is_open

    def offers(self, extension: str) -> bool:
        return extension in self._extensions

    @property
    def size_limit(self) -> int | None:
        """Octets, None where the server has no limit or says none (RFC 1870)."""
        return _number(self._extensions.get("size", "")) or None

    @property
    def most_recipients(self) -> int | None:
        """RFC 9422: `LIMITS RCPTMAX=100 MAILMAX=20`."""
        for limit in self._extensions.get("limits", "").upper().split():
            name, _, value = limit.partition("=")
            if name == "RCPTMAX":
                return _number(value) or None
        return None

    async def command(self, line: bytes) -> Reply:
        """Raises ConnectionLost."""
        self.say([line])
        return await self.hear()

    def say(self, lines: Sequence[bytes]) -> None:
        """Several commands in one go, where the server offers that (RFC 2920). Each must be heard."""
        if any(map(_CONTROL_CHARACTER.search, lines)):
            raise ValueError("a command has one line")  # a second one would be a command of somebody else's
        self._dialogue.say(b"".join(b"%b\r\n" % line for line in lines), replies=len(lines))

    def hear(self, time_left: float = math.inf) -> Awaitable[Reply]:
        """The answer to the first command that has none yet, in `time_left` seconds at most. Raises ConnectionLost."""
        return self._heard_within(min(COMMAND_SECONDS, time_left))

    async def _heard_within(self, seconds: float) -> Reply:
        if not self._dialogue.has_news:
            self._watchdog.expect_within(seconds)
        try:
            reply = await self._dialogue.reply()
        except ConnectionLost:
            self.close()
            raise
        self._watchdog.rest()
        if reply.code == 421:
            self.close()  # it does so too
        return reply

    def begin_content(self) -> None:
        """To be written piece by piece. A server may refuse it before its end, and then hang up or read no more: its
        answer ends the upload."""
        self._dialogue.say(b"", replies=1)

    async def write(self, octets: bytes) -> None:
        """Content, no faster than the server takes it. Raises ConnectionLost or AnsweredEarly."""
        self._dialogue.say(octets, replies=0)
        await self._dialogue.room()
        await self.heed_early_answer()

    async def end_content(self, octets: bytes, seconds: float) -> Reply:
        """The rest of the content and the dot that ends it, together: the server need not wake twice. Raises
        ConnectionLost."""
        self._dialogue.say(octets + b".\r\n", replies=0)
        return await self._heard_within(seconds)

    async def heed_early_answer(self) -> None:
        """Raises AnsweredEarly, or ConnectionLost: without its end the content was not sent."""
        if not (self._dialogue.has_news or self._dialogue.is_hearing):
            return
        reply = await self.hear()
        self.close()
        if reply.code >= 400:
            raise AnsweredEarly(reply)
        raise ConnectionLost(f"{reply.code} came before the content's end")

    async def reset(self, seconds: float) -> bool:
        """Whether the server is still there and ready for the next transaction."""
        try:
            async with asyncio.timeout(seconds):
                await self._hear_out()
                self.is_clean = (await self.command(b"RSET")).code == 250
        except (ConnectionLost, TimeoutError):
            self.close()
            return False
        return self.is_clean

    async def _hear_out(self) -> None:
        """What was said in one go with something that was refused has answers all the same. Where content is asked for
        though it has no recipient, there is only its end (RFC 2920, 3.1). Raises ConnectionLost."""
        anyone = False
        while self._dialogue.awaited:
            reply = await self.hear()
            if reply.code == 354:
                if anyone:
                    raise ConnectionLost("content was asked for after a refusal")
                self._dialogue.say(b".\r\n", replies=1)
            anyone = anyone or reply.code < 300

    def quit(self) -> None:
        """Says goodbye and does not wait for the answer."""
        self._watchdog.stop()
        self._dialogue.quit()

    def close(self) -> None:
        self._watchdog.stop()
        self._dialogue.end("the connection was closed")


class _Watchdog:
    """Ends a connection whose server says nothing for too long. One timer that is seldom moved: a timer for each
    command, as the client's own, costs a tenth of a small email."""

    def __init__(self, bark: Callable[[str], None]) -> None:
        self._bark = bark
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._deadline: float | None = None

    def expect_within(self, seconds: float) -> None:
        self._seconds = max(0.0, seconds)
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._look_at(self._deadline)

    def rest(self) -> None:
        self._deadline = None

    def stop(self) -> None:
        self.rest()
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._look_at(self._deadline)
            return
        self._bark(f"timed out: no answer within {self._seconds:.3g} s")


class Connector:
    """Opens connections to one server, each in the same way."""

    def __init__(self, settings: SmtpSettings, sign_in: SignIn | None, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._sign_in = sign_in
        self._clock = clock
        self._tls_context = settings.tls_context()
        self._local_hostname = settings.local_hostname

    async def open(self, heard: Heard | None = None) -> Connection:
        """Raises NotConnected. A sign-in that was refused is tried once more where its secret has changed."""
        if self._local_hostname is None:
            self._local_hostname = await asyncio.to_thread(socket.getfqdn)  # asks the DNS: once, and not in the loop
        try:
            return await self._opened(heard)
        except NotSignedIn as refusal:
            if not (refusal.may_be_mended and await self._has_changed()):
                raise NotConnected(refusal.outcome) from refusal
        try:
            return await self._opened(heard)
        except NotSignedIn as refusal:
            raise NotConnected(refusal.outcome) from refusal

    async def _has_changed(self) -> bool:
        try:
            return self._sign_in is not None and await self._sign_in.has_changed()
        except NotSignedIn as unreadable:
            raise NotConnected(unreadable.outcome) from unreadable

    async def _opened(self, heard: Heard | None) -> Connection:
        client = SMTP(
            hostname=self._settings.server,
            port=self._settings.port,
            local_hostname=self._local_hostname,
            use_tls=self._settings.security == "tls",
            start_tls=False,  # asked for below, so that the address is checked before
            tls_context=self._tls_context,
            timeout=CONNECT_SECONDS,
        )
        try:
            await self._take_steps(client, heard or unheard)
            return Connection(_transport_of(client), client.esmtp_extensions, self._clock())
        except BaseException:
            _abort(client)
            raise

    async def _take_steps(self, client: SMTP, heard: Heard) -> None:
        with _step("connect", self._settings.server, self._settings.port):
            greeting = await client.connect()
        heard("connect", Reply.of(*greeting).text)
        self._check_address(client)
        if self._settings.security == "starttls":
            with _step("ehlo"):
                await _greet(client)
            with _step("tls"):
                await client.starttls()
        if self._settings.security != "none" and heard is not unheard:
            heard("tls", clean(_about_tls(client.get_transport_info("ssl_object"))))
        with _step("ehlo"):
            offered = await _greet(client)
        heard("ehlo", offered)
        if self._sign_in is not None:
            with _step("auth"):
                signed_in = await self._sign_in.sign_in(client, encrypted=self._settings.security != "none")
            heard("auth", f"{signed_in.method}: {signed_in.reply.text}")

    def _check_address(self, client: SMTP) -> None:
        """A password goes to no public address in clear text, and no email to one that proves nothing."""
        settings = self._settings
        exposed = self._sign_in is not None if settings.security == "none" else not settings.verify_certificate
        if exposed and not is_private(str(client.get_transport_info("peername")[0])):
            raise NotConnected(outcome_of_failure("tls", _EXPOSED, mends_itself=False))


def _transport_of(client: SMTP) -> asyncio.Transport:
    """Raises NotConnected."""
    if client.transport is None:
        raise NotConnected(outcome_of_failure("connect", "Connection lost"))
    return cast(asyncio.Transport, client.transport)


def _abort(client: SMTP) -> None:
    """At once: its own way waits for TLS's goodbye."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


_EXPOSED = (
    "the server has a public address, and its certificate is not to be checked or the connection not to be encrypted: "
    "set smtp_verify_certificate to true and smtp_security to starttls or tls"
)


@contextmanager
def _step(stage: str, server: str = "", port: int = 0) -> Iterator[None]:
    """Foreign errors end here."""
    try:
        yield
    except NETWORK_ERRORS as error:
        raise NotConnected(_outcome_of(stage, error, server, port)) from error
    finally:
        _heed_cancellation()


def _outcome_of(stage: str, error: Exception, server: str, port: int) -> Outcome:
    if isinstance(error, SMTPResponseException) and error.code >= 200:  # below is the client's own: no reply at all
        return outcome_of_reply(stage, Reply.of(error.code, error.message))
    return outcome_of_network(stage, error, server, port)


def _heed_cancellation() -> None:
    """asyncio.wait_for of Python 3.11, which the client is built on, loses a cancellation that comes together with an
    answer. Unheeded, an email would be sent after its time was over."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _greet(client: SMTP) -> str:
    """What the server offers must be known before MAIL."""
    try:
        response = await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        response = await client.helo()  # a server of before 1995: it offers nothing
    return Reply.of(*response).text


def unheard(stage: str, detail: str) -> None:
    """Nobody listens."""


def _about_tls(connection: ssl.SSLObject) -> str:
    """`TLSv1.3, certificate of smtp.contoso.com, valid until 2027-01-31`."""
    from cryptography import x509

    octets = connection.getpeercert(binary_form=True)
    if octets is None:
        return f"{connection.version()}, no certificate"
    certificate = x509.load_der_x509_certificate(octets)
    until = certificate.not_valid_after_utc.date().isoformat()
    return f"{connection.version()}, certificate of {_names(certificate, x509)}, valid until {until}"


def _names(certificate: Any, x509: Any) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return str(certificate.subject.rfc4514_string())
    return ", ".join(str(name.value) for name in names)


def _number(text: str) -> int:
    """0 where it is none, or beyond all that anybody means."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else 0
