"""Access tokens of Microsoft Entra for an application in its own right: by secret, by certificate, by a managed
identity that the app registration trusts (federation), or as the managed identity itself (facts/graph.md).

One token a process, renewed before its end. A failure is never repeated at once by each email, and while the old token
still holds nobody notices it.
"""

import asyncio
import base64
import binascii
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from email_core.errors import SecretFault, SecretUnreadable
from email_core.few_threads import FewThreads, NotInTime
from email_core.providers.verdict import clean, tls_failure
from email_core.secret_store.base import SecretName, SecretStore

EARLY_SECONDS = 300.0  # before its end a token is renewed
SAME_ANSWER_SECONDS = 10.0  # a failure stands for so long
ASK_SECONDS = 20.0  # that the endpoint has for each piece of its answer
WHOLE_SECONDS = 30.0  # for all of it
MOST_THREADS = 2  # of which an endpoint that never comes to an end can hold each for good
SHORTEST_USE = 60.0  # seconds that a token is used, whatever its end is said to be
LONGEST_DESCRIPTION = 300  # characters
LONGEST_TRACE = 100  # characters
REDIRECTED = "the token endpoint sends elsewhere"
UNREACHABLE = "the token endpoint cannot be reached"
NO_TLS = "no TLS with the token endpoint"

Identity = Callable[[str], tuple[str, int]]
"""Gives the managed identity's token for a scope, and the second since 1970 in which it ends. Blocks; raises whatever
azure-identity raises."""

_PASSING = frozenset({UNREACHABLE, "temporarily_unavailable"})
_TOKEN = re.compile(r"[!-~]+")  # as a header can carry it
_PEM_BLOCK = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.*?-----END (?P=kind)-----", re.DOTALL)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraApp:
    """`credential`: secret, certificate, federation or identity. `secret` names what the first two sign in with.
    `federation_scope` is what a managed identity's token must be for, to be taken as an assertion."""

    credential: str
    scope: str
    tenant_id: str = ""
    client_id: str = ""
    authority: str = "https://login.microsoftonline.com"
    secret: SecretName | None = None
    federation_scope: str = "api://AzureADTokenExchange/.default"


class NoToken(Exception):
    """`words` are the endpoint's, or ours; `mends_itself`: it may pass without anybody's doing."""

    def __init__(self, words: str, *, mends_itself: bool, trace: str | None = None) -> None:
        super().__init__("no token")
        self.words = words
        self.mends_itself = mends_itself
        self.trace = trace


@dataclass(frozen=True, slots=True)
class _Token:
    """Times are seconds of the monotonic clock."""

    text: str = field(repr=False)
    renew_at: float
    ends_at: float


class Tokens:
    """Whoever needs a token at the same time shares one request for it."""

    def __init__(
        self,
        app: EntraApp,
        secrets: SecretStore,
        identity: Identity | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        http_client: Any = None,
    ) -> None:
        """`http_client` takes the place of msal's own, for tests."""
        self._app = app
        self._secrets = secrets
        self._identity = identity
        self._clock = clock
        self._http_client = http_client
        self._kept: _Token | None = None
        self._failure: tuple[NoToken, float] | None = None
        self._renewal: asyncio.Task[_Token] | None = None
        self._threads = FewThreads(MOST_THREADS, "token")

    async def token(self, *, instead_of: str | None = None) -> str:
        """`instead_of` is a token that was refused: it is not given out again, but where there is no other. Raises
        NoToken."""
        now, kept = self._clock(), self._kept
        if kept is not None and kept.text == instead_of:
            kept = None
        if kept is not None and now < kept.renew_at:
            return kept.text
        try:
            return (await self._renewed(now)).text
        except NoToken as failure:
            if kept is not None and now < kept.ends_at:
                logger.warning("the token is not renewed yet, and used on: %s", failure.words)
                return kept.text
            raise

    def forget(self) -> None:
        """The next token is a new one: the old one may be of before a permission was granted."""
        self._kept = self._failure = None

    async def _renewed(self, now: float) -> _Token:
        if self._failure is not None and now < self._failure[1] + SAME_ANSWER_SECONDS:
            raise self._failure[0]
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._keep)
        return await asyncio.shield(self._renewal)  # others wait for it too

    def _keep(self, renewal: "asyncio.Task[_Token]") -> None:
        self._renewal = None
        if renewal.cancelled():
            return
        error = renewal.exception()
        if isinstance(error, NoToken):
            self._failure = error, self._clock()
        elif error is None:
            self._kept, self._failure = renewal.result(), None

    async def _renew(self) -> _Token:
        """Where the credential is refused it may have been changed meanwhile: then once more."""
        secret = await self._secret_value()
        answer = await self._answer(secret)
        if "access_token" not in answer and answer.get("error") not in _PASSING and self._app.secret is not None:
            self._secrets.refresh(self._app.secret)
            changed = await self._secret_value()
            if changed != secret:
                answer = await self._answer(changed)
        return self._token_of(answer)

    async def _answer(self, secret: str) -> dict[str, Any]:
        try:
            return await self._threads.run(WHOLE_SECONDS, partial(self._ask, secret))
        except NotInTime as error:
            return {"error": UNREACHABLE, "error_description": str(error)}

    async def _secret_value(self) -> str:
        if self._app.secret is None:
            return ""
        try:
            return await self._secrets.get(self._app.secret)
        except SecretUnreadable as error:
            raise NoToken(str(error), mends_itself=error.reason is SecretFault.UNREACHABLE) from error

    def _token_of(self, answer: Mapping[str, Any]) -> _Token:
        text = answer.get("access_token")
        if not isinstance(text, str):
            raise _no_token(answer)
        if not _TOKEN.fullmatch(text):  # an error of the request would repeat it
            raise _no_token({"error": "the token has characters that no token has"})
        now, lives = self._clock(), max(float(answer.get("expires_in", 0)), SHORTEST_USE)
        return _Token(text, now + max(lives - EARLY_SECONDS, lives / 2), now + lives)

    # ---- in a thread: msal and the identity block

    def _ask(self, secret: str) -> dict[str, Any]:
        """A new application each time, once an hour: msal's own cache and its memory of failures would keep what was
        mended meanwhile."""
        import msal  # 0.1 s: only who signs in with it waits for it
        from msal.exceptions import MsalServiceError
        from requests import RequestException

        from email_core.providers.login_session import LoginSession, Redirected

        try:
            if self._app.credential == "identity":
                return self._token_of_identity()
            with nullcontext(self._http_client) if self._http_client else LoginSession(ASK_SECONDS) as http:
                application = msal.ConfidentialClientApplication(
                    self._app.client_id,
                    client_credential=self._credential(secret),
                    authority=f"{self._app.authority}/{self._app.tenant_id}",
                    instance_discovery=False,  # an administrator named the authority: nobody else is asked about it
                    http_client=http,
                )
                return dict(application.acquire_token_for_client([self._app.scope]))
        except Redirected as error:
            return {"error": REDIRECTED, "error_description": str(error)}
        except (RequestException, MsalServiceError) as error:
            tls = tls_failure(error)
            if tls is not None and not tls[1]:  # somebody has to mend it
                return {"error": NO_TLS, "error_description": clean(str(tls[0]))}
            return {"error": UNREACHABLE, "error_description": type(error).__name__}
        except Exception as error:  # noqa: BLE001 - of a wrong tenant, key or identity come errors of any kind
            return {"error": type(error).__name__, "error_description": str(error)}

    def _token_of_identity(self) -> dict[str, Any]:
        token, ends = self._of_identity(self._app.scope)
        return {"access_token": token, "expires_in": ends - time.time()}

    def _of_identity(self, scope: str) -> tuple[str, int]:
        if self._identity is None:
            raise ValueError("no managed identity was given")
        return self._identity(scope)

    def _credential(self, secret: str) -> Any:
        match self._app.credential:
            case "certificate":
                return certificate(secret)
            case "federation":
                return {"client_assertion": lambda: self._of_identity(self._app.federation_scope)[0]}
        return secret


def certificate(text: str) -> dict[str, str]:
    """Of PEM, or of the base64 of a PKCS #12 file without a password, as Key Vault keeps certificates. Raises
    ValueError."""
    keys, certificates = (
        "\n".join(block[0] for block in _PEM_BLOCK.finditer(text) if block["kind"].endswith(kind))
        for kind in ("PRIVATE KEY", "CERTIFICATE")
    )
    if keys and certificates:
        return {"private_key": keys, "public_certificate": certificates}
    try:
        return _from_pkcs12(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        problem = "the secret needs a private key and a certificate in PEM, or PKCS #12 in base64"
        raise ValueError(problem) from None  # not chained: it may hold the key


def _from_pkcs12(octets: bytes) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    key, own, _ = pkcs12.load_key_and_certificates(octets, None)
    if key is None or own is None:
        raise ValueError
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "private_key": private.decode(),
        "public_certificate": own.public_bytes(serialization.Encoding.PEM).decode(),
    }


def _no_token(answer: Mapping[str, Any]) -> NoToken:
    """The endpoint's words without its trace ids, which are different each time."""
    error = str(answer.get("error", "no token"))
    description = str(answer.get("error_description", "")).partition("\n")[0].partition(" Trace ID:")[0]
    words = f"no token to sign in with: {error}: {description}"[:LONGEST_DESCRIPTION]
    ids = [str(answer[name]) for name in ("correlation_id", "trace_id") if answer.get(name)]
    return NoToken(
        words, mends_itself=error in _PASSING, trace=f"token {'/'.join(ids)}"[:LONGEST_TRACE] if ids else None
    )
