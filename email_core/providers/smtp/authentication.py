"""How the account signs in: by password, or by a token of Microsoft Entra (XOAUTH2). One method, one try: a second one
with the same password would bring the account nearer to being locked out."""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Protocol

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPResponseException

from email_core.errors import SecretFault, SecretUnreadable
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.entra import EntraApp, Identity, NoToken, Tokens
from email_core.providers.smtp.outcome import Reply, outcome_of_failure, outcome_of_reply
from email_core.providers.smtp.settings import OAuthSettings, SmtpSettings
from email_core.providers.verdict import words_of
from email_core.secret_store.base import SecretName, SecretStore

NO_AUTHENTICATION = "the server does not support authentication, but a user name is set"
NO_AUTHENTICATION_YET = "the server offers no sign-in on a connection without encryption, and requires STARTTLS first"

_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}=*")


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

    def forget(self) -> None:
        """The next credential is asked for anew, whatever came of it before."""
        ...


def sign_in_of(settings: SmtpSettings, secrets: SecretStore, identity: Identity | None = None) -> SignIn | None:
    """None where nobody signs in. `identity` is the managed identity, for federation."""
    if settings.authentication == "none":
        return None
    if settings.oauth is not None:
        return OAuthSignIn(settings.user_name, Tokens(_app(settings.oauth), secrets, identity))
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
        if not encrypted and not client.server_auth_methods and client.supports_extension("starttls"):
            raise NotSignedIn(outcome_of_failure("auth", NO_AUTHENTICATION_YET, mends_itself=False))
        method = _offered(client, self.ENCRYPTED if encrypted else self.CLEAR)
        authenticate = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}[method]
        password = await self._password.value()
        with _refusals(self._user_name, password):
            response = await authenticate(self._user_name, password)
        return SignedIn(method.upper(), _told(*response, self._user_name, password))

    async def has_changed(self) -> bool:
        return await self._password.has_changed()

    def forget(self) -> None:
        """Nothing is kept here."""


class OAuthSignIn:
    def __init__(self, user_name: str, tokens: Tokens) -> None:
        self._user_name = user_name
        self._tokens = tokens

    async def sign_in(self, client: SMTP, *, encrypted: bool) -> SignedIn:
        _offered(client, ("xoauth2",))
        try:
            token = await self._tokens.token()
        except NoToken as failure:
            outcome = outcome_of_failure("credential", failure.words, mends_itself=failure.mends_itself)
            raise NotSignedIn(replace(outcome, trace=failure.trace)) from failure
        with _refusals(self._user_name, token):
            response = await client.auth_xoauth2(self._user_name, token)
        return SignedIn("XOAUTH2", _told(*response, self._user_name, token))

    async def has_changed(self) -> bool:
        """The next token is a new one: the old one may be of before a permission was granted. No second try with it,
        as the server said no to the account."""
        self.forget()
        return False

    def forget(self) -> None:
        self._tokens.forget()


def _app(oauth: OAuthSettings) -> EntraApp:
    names = {"secret": SecretName.SMTP_CLIENT_SECRET, "certificate": SecretName.SMTP_CLIENT_CERTIFICATE}
    return EntraApp(
        credential=oauth.credential,
        scope=oauth.scope,
        tenant_id=oauth.tenant_id,
        client_id=oauth.client_id,
        authority=oauth.authority,
        secret=names.get(oauth.credential),
    )


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
