"""How the account signs in: by password, or by a token of Microsoft Entra (XOAUTH2). One method, one try: a second one
with the same password would bring the account nearer to being locked out."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPResponseException

from email_core.errors import SecretFault, SecretUnreadable
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.smtp.outcome import Reply, outcome_of_failure, outcome_of_reply, words_of
from email_core.providers.smtp.settings import OAuthSettings, SmtpSettings
from email_core.secret_store.base import SecretName, SecretStore

NO_AUTHENTICATION = "the server does not support authentication, but a user name is set"
UNREACHABLE = "the token endpoint cannot be reached"
LONGEST_DESCRIPTION = 300  # characters
Assertion = Callable[[], str]

_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}=*")
_PEM_BLOCK = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.*?-----END (?P=kind)-----", re.DOTALL)


class SignedIn(NamedTuple):
    method: str
    reply: Reply


class NotSignedIn(Exception):
    """`may_be_mended`: the credential that was refused may have been changed meanwhile."""

    def __init__(self, outcome: Outcome, *, may_be_mended: bool = False) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome
        self.may_be_mended = may_be_mended


class SignIn(Protocol):
    async def sign_in(self, client: SMTP, *, encrypted: bool) -> SignedIn:
        """Raises NotSignedIn, or what the client raises where the connection breaks."""
        ...

    async def has_changed(self) -> bool:
        """Asked after a refusal: whether the credential is another one now, so that one more try makes sense."""
        ...


def sign_in_of(settings: SmtpSettings, secrets: SecretStore, assertion: Assertion | None = None) -> SignIn | None:
    """None where nobody signs in. `assertion` gives a managed identity's token, for federation."""
    if settings.authentication == "none":
        return None
    if settings.oauth is not None:
        return OAuthSignIn(settings.user_name, Tokens(settings.oauth, secrets, assertion))
    return PasswordSignIn(settings.user_name, Secret(secrets, SecretName.SMTP_PASSWORD))


class Secret:
    """One secret, and what it was when it was last used."""

    def __init__(self, store: SecretStore, name: SecretName) -> None:
        self._store = store
        self._name = name
        self._used: str | None = None

    async def value(self) -> str:
        """Raises NotSignedIn."""
        try:
            self._used = await self._store.get(self._name)
        except SecretUnreadable as error:
            kind = OutcomeKind.TRANSIENT if error.reason is SecretFault.UNREACHABLE else OutcomeKind.CONFIGURATION
            raise NotSignedIn(Outcome(kind=kind, reply=str(error), stage="credential")) from error
        return self._used

    async def has_changed(self) -> bool:
        """Raises NotSignedIn."""
        used = self._used
        self._store.refresh(self._name)
        return await self.value() != used


class PasswordSignIn:
    # A server that offers several is asked for the first of these.
    ENCRYPTED = ("plain", "login", "cram-md5")
    CLEAR = ("cram-md5", "plain", "login")

    def __init__(self, user_name: str, password: Secret) -> None:
        self._user_name = user_name
        self._password = password

    async def sign_in(self, client: SMTP, *, encrypted: bool) -> SignedIn:
        method = _offered(client, self.ENCRYPTED if encrypted else self.CLEAR)
        authenticate = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}[method]
        password = await self._password.value()
        with _refusals(self._user_name, password):
            response = await authenticate(self._user_name, password)
        return SignedIn(method.upper(), _told(*response, self._user_name, password))

    async def has_changed(self) -> bool:
        return await self._password.has_changed()


class OAuthSignIn:
    def __init__(self, user_name: str, tokens: "Tokens") -> None:
        self._user_name = user_name
        self._tokens = tokens

    async def sign_in(self, client: SMTP, *, encrypted: bool) -> SignedIn:
        _offered(client, ("xoauth2",))
        token = await self._tokens.token()
        with _refusals(self._user_name, token):
            response = await client.auth_xoauth2(self._user_name, token)
        return SignedIn("XOAUTH2", _told(*response, self._user_name, token))

    async def has_changed(self) -> bool:
        return await self._tokens.has_changed()


class Tokens:
    """Access tokens by client credentials. One msal application is kept: it caches a token, and asks for the next one
    five minutes before its end. It is made anew when the credential changed and after a failure, as it would answer
    from memory for a minute although the configuration was mended."""

    def __init__(
        self, settings: OAuthSettings, secrets: SecretStore, assertion: Assertion | None, http_client: Any = None
    ) -> None:
        """`http_client` takes the place of msal's own, for tests."""
        self._settings = settings
        self._secret = _secret_of(settings, secrets)
        self._assertion = assertion
        self._http_client = http_client
        self._application: Any = None
        self._made_with: str | None = None

    async def token(self) -> str:
        """Raises NotSignedIn; nothing that msal or its HTTP client raises."""
        credential = await self._secret.value() if self._secret else ""
        result = await asyncio.to_thread(self._acquire, credential)
        token = result.get("access_token")
        if not isinstance(token, str):
            self._application = None
            raise NotSignedIn(_outcome_of_token_endpoint(result), may_be_mended=True)
        return token

    async def has_changed(self) -> bool:
        """The next token is a new one in any case: the old one may be of before a permission was granted."""
        self._application = None
        return self._secret is not None and await self._secret.has_changed()

    def _acquire(self, credential: str) -> dict[str, Any]:
        """In a thread: msal blocks, already when it is constructed."""
        import msal  # 0.1 s: only who signs in with it waits for it
        from msal.exceptions import MsalServiceError
        from requests import RequestException

        try:
            if self._application is None or credential != self._made_with:
                self._application, self._made_with = self._new_application(msal, credential), credential
            return dict(self._application.acquire_token_for_client([self._settings.scope]))
        except (RequestException, MsalServiceError) as error:
            return {"error": UNREACHABLE, "error_description": type(error).__name__}
        except Exception as error:  # noqa: BLE001 - of a wrong tenant, key or identity come errors of any kind
            return {"error": type(error).__name__, "error_description": str(error)}

    def _new_application(self, msal: Any, credential: str) -> Any:
        return msal.ConfidentialClientApplication(
            self._settings.client_id,
            client_credential=self._credential(credential),
            authority=f"{self._settings.authority}/{self._settings.tenant_id}",
            instance_discovery=False,  # an administrator named the authority: nobody else is asked about it
            http_client=self._http_client,
        )

    def _credential(self, secret: str) -> Any:
        match self._settings.credential:
            case "certificate":
                return _certificate(secret)
            case "federation":
                return {"client_assertion": self._assertion}
        return secret


def _certificate(pem: str) -> dict[str, str]:
    keys, certificates = (
        "\n".join(block[0] for block in _PEM_BLOCK.finditer(pem) if block["kind"].endswith(kind))
        for kind in ("PRIVATE KEY", "CERTIFICATE")
    )
    if not keys or not certificates:
        raise ValueError(
            f"the secret {SecretName.SMTP_CLIENT_CERTIFICATE} needs a private key and a certificate in PEM"
        )
    return {"private_key": keys, "public_certificate": certificates}


def _secret_of(settings: OAuthSettings, secrets: SecretStore) -> Secret | None:
    names = {"secret": SecretName.SMTP_CLIENT_SECRET, "certificate": SecretName.SMTP_CLIENT_CERTIFICATE}
    name = names.get(settings.credential)
    return Secret(secrets, name) if name else None


def _offered(client: SMTP, methods: tuple[str, ...]) -> str:
    """The first of the methods that the server offers. Raises NotSignedIn where there is none."""
    offered = client.server_auth_methods
    for method in methods:
        if method in offered:
            return method
    if not offered:
        raise NotSignedIn(outcome_of_failure("auth", NO_AUTHENTICATION, mends_itself=False))
    wanted, got = ", ".join(methods).upper(), ", ".join(offered).upper()
    raise NotSignedIn(
        outcome_of_failure("auth", f"the server offers to sign in by {got}, and not by {wanted}", mends_itself=False)
    )


@contextmanager
def _refusals(user_name: str, credential: str) -> Iterator[None]:
    """Without a cause: the client's error has the words as they came."""
    try:
        yield
    except SMTPAuthenticationError as error:
        outcome = outcome_of_reply("auth", _told(error.code, error.message, user_name, credential))
        raise NotSignedIn(outcome, may_be_mended=error.code >= 500) from None
    except SMTPResponseException as error:  # what came was no reply at all
        words = without_credential(words_of(error), user_name, credential)
        raise NotSignedIn(outcome_of_failure("auth", f"no connection to the server: {words}")) from None


def _told(code: int, message: str, user_name: str, credential: str) -> Reply:
    reply = Reply.of(code, message)
    return reply._replace(text=without_credential(reply.text, user_name, credential))


def without_credential(text: str, user_name: str, credential: str) -> str:
    """A server may repeat the command that it refuses, whole or cut off: what was sent of the credential becomes `…`,
    in each form in which it goes over the wire."""
    encoded = [b64encode(said.encode()).decode() for said in _sayings(user_name, credential)]
    for form in sorted(filter(None, (credential, *encoded)), key=len, reverse=True):  # one may be part of another
        text = text.replace(form, "…")
    told = "\n".join(encoded).lower()
    return _BASE64.sub(lambda word: "…" if word[0].rstrip("=").lower() in told else word[0], text)


def _sayings(user_name: str, credential: str) -> tuple[str, ...]:
    """What AUTH LOGIN, PLAIN and XOAUTH2 say, before it is encoded."""
    return credential, f"\0{user_name}\0{credential}", f"user={user_name}\x01auth=Bearer {credential}\x01\x01"


def _outcome_of_token_endpoint(result: Mapping[str, Any]) -> Outcome:
    """The endpoint's words without its trace ids, which are different each time."""
    error = str(result.get("error", "no token"))
    description = str(result.get("error_description", "")).partition("\n")[0].partition(" Trace ID:")[0]
    words = f"no token to sign in with: {error}: {description}"[:LONGEST_DESCRIPTION]
    return outcome_of_failure("credential", words, mends_itself=error in (UNREACHABLE, "temporarily_unavailable"))
