"""exchangelib, as far as one message needs it. It blocks: called in threads. Imported only when it is used.

No retry of its own (FailFast): its other policy may send a message twice after a time-out (facts/ews-and-pop3.md).
"""

import logging
import re
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from exchangelib import (
    BASIC,
    DELEGATE,
    IMPERSONATION,
    NTLM,
    OAUTH2,
    UTC,
    Account,
    Configuration,
    Credentials,
    Mailbox,
    Message,
    OAuth2AuthorizationCodeCredentials,
)
from exchangelib.errors import MalformedResponseError, UnauthorizedError
from exchangelib.items import SEND_AND_SAVE_COPY, SEND_ONLY, SEND_TO_NONE
from exchangelib.properties import DistinguishedFolderId
from exchangelib.protocol import BaseProtocol, FailFast, Protocol
from exchangelib.services import CreateItem
from exchangelib.version import (
    EXCHANGE_2010_SP2,
    EXCHANGE_2013,
    EXCHANGE_2013_SP1,
    EXCHANGE_2016,
    EXCHANGE_2019,
    Version,
)
from oauthlib.oauth2 import OAuth2Token
from requests.adapters import HTTPAdapter

from email_core.providers.exchange.outcome import GATEWAY_LOST_IT
from email_core.providers.exchange.settings import ExchangeSettings

REQUEST_SECONDS = 70  # for each piece of an answer: shorter than the provider waits for all of it
CLOCKS_DIFFER = timedelta(minutes=5)

VERSIONS = {
    "2010_sp2": EXCHANGE_2010_SP2,
    "2013": EXCHANGE_2013,
    "2013_sp1": EXCHANGE_2013_SP1,
    "2016": EXCHANGE_2016,
    "2019": EXCHANGE_2019,
}
_ASKS_FOR_PASSWORD = re.compile(rb"<input\b[^>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
AUTHENTICATION = {"basic": BASIC, "ntlm": NTLM, "oauth": OAUTH2}


class Ews:
    """One server, as one account reaches it. Giving the version and the way to sign in avoids probing for them."""

    def __init__(self, settings: ExchangeSettings) -> None:
        # What it logs of a failure is the whole request, with the message in it.
        logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)
        self._settings = settings
        self._one_writer = Lock()
        self._known: tuple[str | None, Any] = None, None  # the last credential, and the configuration with it
        BaseProtocol.HTTP_ADAPTER_CLS = _adapter_of(settings)  # the process has one Exchange Server
        BaseProtocol.TIMEOUT = REQUEST_SECONDS

    def send(self, mailbox: str, mime: bytes, *, message_id: str, bcc: tuple[str, ...], credential: str) -> None:
        """Raises whatever exchangelib raises. `credential` is the password, or the access token."""
        account = self._account(mailbox, credential)
        message = Message(
            account=account,
            mime_content=mime,
            message_id=message_id,
            bcc_recipients=[Mailbox(email_address=address) for address in bcc] or None,
        )
        saves = self._settings.saves_to_sent_items
        folder = DistinguishedFolderId(id="sentitems", mailbox=Mailbox(email_address=mailbox)) if saves else None
        disposition = SEND_AND_SAVE_COPY if saves else SEND_ONLY
        answer = _Send(account=account).get(
            expect_result=None, items=[message], folder=folder, message_disposition=disposition
        )
        if answer is None:
            raise MalformedResponseError("No answer for the message")

    def has_sent(self, mailbox: str, message_id: str, since: datetime | None, *, credential: str) -> bool:
        """An email that was sent before `since` is another: an app that hands in finished MIME may use a Message-ID
        again."""
        found = self._account(mailbox, credential).sent.filter(message_id=message_id)
        if since is not None:
            found = found.filter(datetime_sent__gte=since.astimezone(UTC) - CLOCKS_DIFFER)
        return bool(found.exists())

    def close(self) -> None:
        """Its own connections: another one may stand in its place already."""
        with self._one_writer:
            (_, configuration), self._known = self._known, (None, None)
        if configuration is not None:
            with suppress(KeyError):
                protocol, _ = Protocol[configuration]
                del Protocol[configuration]
                protocol.close()

    def _account(self, mailbox: str, credential: str) -> Any:
        """Made for each call, without a request; the connections under it are kept by the configuration."""
        return Account(
            mailbox,
            config=self._configuration_for(credential),
            autodiscover=False,
            access_type=IMPERSONATION if self._settings.impersonates else DELEGATE,
            default_timezone=UTC,
            locale="en",
        )

    def _configuration_for(self, credential: str) -> Any:
        """The same for as long as this is the credential; exchangelib would keep the connections of every one."""
        with self._one_writer:
            known, configuration = self._known
            if known != credential:
                if configuration is not None:
                    with suppress(KeyError):
                        del Protocol[configuration]
                configuration = self._configuration(credential)
                self._known = credential, configuration
            return configuration

    def _configuration(self, credential: str) -> Any:
        settings = self._settings
        return Configuration(
            service_endpoint=settings.address,
            credentials=self._credentials(credential),
            auth_type=AUTHENTICATION[settings.authentication],
            version=Version(build=VERSIONS[settings.version]),
            retry_policy=_ByStatus(),
            max_connections=settings.concurrency,
        )

    def _credentials(self, credential: str) -> Any:
        if self._settings.authentication == "oauth":
            token = OAuth2Token({"access_token": credential, "token_type": "Bearer"})
            return _GivenToken(access_token=token)
        return _Password(self._settings.user_name, credential)


class _Password(Credentials):
    """exchangelib finds its connections by the address and the credentials: with other settings they must be others."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


class _GivenToken(OAuth2AuthorizationCodeCredentials):
    """exchangelib finds its connections by the credentials, and its own with a token are others after each use."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


class _ByStatus(FailFast):
    """FailFast calls a server busy whenever the connection ends with the answer. That is how gateways answer that lost
    the server behind them, which may have sent the message."""

    def raise_response_errors(self, response: Any) -> None:
        if response.status_code == 200 and _is_sign_in_page(response):
            raise UnauthorizedError("a sign-in page stands in front of Exchange Web Services")
        if response.status_code in GATEWAY_LOST_IT:
            raise MalformedResponseError(f"Code: {response.status_code}")
        response.headers.pop("connection", None)
        super().raise_response_errors(response)


def _is_sign_in_page(response: Any) -> bool:
    """Of a proxy that asks for the password in a form, and hands nothing on before it has it. Another page of HTML may
    be one that a filter put in the place of the server's own answer."""
    content = response.content
    is_html = response.headers.get("content-type", "").lower().startswith("text/html")
    return is_html and b"envelope" not in content.lower() and _ASKS_FOR_PASSWORD.search(content) is not None


class _Send(CreateItem):
    """Into a folder that is named, so that none has to be looked for first."""

    def call(self, items: Any, folder: Any, message_disposition: str) -> Any:
        return self._elems_to_objs(
            self._chunked_get_elements(
                self.get_payload,
                items=items,
                folder=folder,
                message_disposition=message_disposition,
                send_meeting_invitations=SEND_TO_NONE,
            )
        )


def _adapter_of(settings: ExchangeSettings) -> type[HTTPAdapter]:
    context = settings.tls_context()

    class Adapter(HTTPAdapter):
        """Trusts the certificate authorities of the settings, and none that the environment names."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **kwargs)

        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            return

    return Adapter
