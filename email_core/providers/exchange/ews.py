"""exchangelib, as far as one message needs it. It blocks: called in threads. Imported only when it is used.

No retry of its own (FailFast): its other policy may send a message twice after a time-out (facts/ews-and-pop3.md).
"""

import logging
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
from exchangelib.items import SEND_AND_SAVE_COPY, SEND_ONLY, SEND_TO_NONE
from exchangelib.properties import DistinguishedFolderId
from exchangelib.protocol import BaseProtocol, FailFast, close_connections
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

from email_core.providers.exchange.settings import ExchangeSettings

REQUEST_SECONDS = 80  # shorter than a mailbox's slot may be in use without a word

VERSIONS = {
    "2010_sp2": EXCHANGE_2010_SP2,
    "2013": EXCHANGE_2013,
    "2013_sp1": EXCHANGE_2013_SP1,
    "2016": EXCHANGE_2016,
    "2019": EXCHANGE_2019,
}
AUTHENTICATION = {"basic": BASIC, "ntlm": NTLM, "oauth": OAUTH2}


class Ews:
    """One server, as one account reaches it. Giving the version and the way to sign in avoids probing for them."""

    def __init__(self, settings: ExchangeSettings) -> None:
        # What it logs of a failure is the whole request, with the message in it.
        logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)
        self._settings = settings
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
        _Send(account=account).get(
            items=[message], folder=folder, message_disposition=SEND_AND_SAVE_COPY if saves else SEND_ONLY
        )

    def has_sent(self, mailbox: str, message_id: str, *, credential: str) -> bool:
        account = self._account(mailbox, credential)
        return bool(account.sent.filter(message_id=message_id).exists())

    def close(self) -> None:
        close_connections()

    def _account(self, mailbox: str, credential: str) -> Any:
        """Made for each call, without a request; the connections under it are kept by server and credential."""
        settings = self._settings
        configuration = Configuration(
            service_endpoint=settings.address,
            credentials=self._credentials(credential),
            auth_type=AUTHENTICATION[settings.authentication],
            version=Version(build=VERSIONS[settings.version]),
            retry_policy=FailFast(),
            max_connections=settings.concurrency,
        )
        return Account(
            mailbox,
            config=configuration,
            autodiscover=False,
            access_type=IMPERSONATION if settings.impersonates else DELEGATE,
            default_timezone=UTC,
            locale="en",
        )

    def _credentials(self, credential: str) -> Any:
        if self._settings.authentication == "oauth":
            token = OAuth2Token({"access_token": credential, "token_type": "Bearer"})
            return OAuth2AuthorizationCodeCredentials(access_token=token)
        return Credentials(self._settings.user_name, credential)


class _Send(CreateItem):  # type: ignore[misc]  # it has no annotations
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
