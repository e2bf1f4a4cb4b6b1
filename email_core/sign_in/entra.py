"""Signing in with Microsoft Entra: by a bearer token, which is checked here, or by App Service Authentication, which
has checked one and says so in a header. That header is looked at only where the platform itself says that it is on, and
the settings that it is wanted: otherwise whoever calls could have written it.
"""

import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from email_core.app_senders import AllowedSenders
from email_core.caller import Caller, Role
from email_core.errors import NotSignedIn, SignInUnavailable
from email_core.message import address_key
from email_core.sign_in.base import Key
from email_core.sign_in.entra_claims import Identity, identity_of
from email_core.sign_in.entra_settings import EntraSettings
from email_core.sign_in.signing_keys import NoKeys, SigningKeys
from email_core.users import User

LEEWAY_SECONDS = 60  # that clocks may differ
LONGEST_TOKEN = 16_384  # characters; one with 200 groups and many roles has 6,000
LONGEST_PRINCIPAL = 32_768
PRINCIPAL_HEADER = "x-ms-client-principal"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_REQUIRED = ["exp", "iat", "nbf", "iss", "aud", "sub"]
_LONG_NAMES = {  # of claims, as App Service Authentication passes on what comes from .NET
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid",
    "http://schemas.microsoft.com/identity/claims/tenantid": "tid",
    "http://schemas.microsoft.com/identity/claims/scope": "scp",
    "http://schemas.microsoft.com/identity/claims/identityprovider": "idp",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": "roles",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier": "sub",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "name",
}


Users = Callable[[str], Awaitable[User | None]]
"""The known user with this id, disabled or not; None where there is none. Raises StorageUnavailable."""


class EntraSignIn:
    def __init__(self, settings: EntraSettings, keys: SigningKeys, apps: AllowedSenders, users: Users) -> None:
        self._settings = settings
        self._keys = keys
        self._apps = apps
        self._users = users

    async def caller(self, headers: Mapping[str, str], *, key: Key) -> Caller:
        found = [await self._of_token(headers), self._of_platform(headers)]
        identities = [identity for identity in found if identity is not None]
        if not identities:
            raise NotSignedIn("Sign in with Microsoft Entra: send Authorization: Bearer <token>", offered=False)
        if len({(one.is_app, one.id) for one in identities}) > 1:
            raise NotSignedIn("The token is of somebody else than who App Service Authentication says is signed in")
        return await self._caller(identities[0])

    async def _caller(self, identity: Identity) -> Caller:
        if identity.is_app:
            allowed = await self._apps.of(identity.id)
            return Caller(id=f"app:{identity.id}", name=identity.name, roles=identity.roles, allowed_senders=allowed)
        user = await self._user(identity)
        return Caller(
            id=f"user:{identity.id}",
            name=identity.name,
            roles=identity.roles,
            user=user.id if user is not None and user.enabled else None,
            allowed_senders=None if Role.ADMIN in identity.roles else _own_addresses(identity, user),
        )

    async def _user(self, identity: Identity) -> User | None:
        """By the object id, which is nobody else's ever; else by the user principal name. A disabled one is found, too:
        who is disabled under the one is not let in as the other."""
        ids = filter(None, (identity.id, identity.principal_name))
        return next(filter(None, [await self._users(user_id) for user_id in ids]), None)

    # ---- the bearer token

    async def _of_token(self, headers: Mapping[str, str]) -> Identity | None:
        value = headers.get("authorization")
        if value is None:
            return None
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn("Authorization must be Bearer <token>")
        # Two headers of the name arrive as one, with a comma, which no token has.
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise NotSignedIn("The token is none: send one alone, as Microsoft Entra gave it")
        claims = self._claims(token, await self._key(token))
        return identity_of(claims, self._settings, is_access_token=True)

    async def _key(self, token: str) -> Any:
        """By the name that the token gives. What else its header says, of algorithms or of where a key is, is not
        followed."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise NotSignedIn("The token's header cannot be read") from None
        if header.get("alg") != "RS256":
            raise NotSignedIn("The token is not signed with RS256")
        try:
            key = await self._keys.key(str(header.get("kid", "")))
        except NoKeys:
            raise SignInUnavailable from None
        if key is None:
            raise NotSignedIn("The token is signed with a key that is not among Microsoft Entra's")
        return key

    def _claims(self, token: str, key: Any) -> dict[str, Any]:
        import jwt

        options: Any = {"require": _REQUIRED, "verify_aud": False}
        issuers = self._settings.issuers
        try:
            claims = jwt.decode(token, key, ["RS256"], options, issuer=list(issuers.values()), leeway=LEEWAY_SECONDS)
        except jwt.InvalidTokenError as error:
            raise NotSignedIn(_words(error)) from None  # not chained: its words may hold what the token says
        if not isinstance(claims["aud"], str) or claims["aud"] not in self._settings.audiences:
            raise NotSignedIn("The token is for another API (aud)")
        if claims["iss"] != issuers.get(str(claims.get("ver"))):
            raise NotSignedIn("The token's issuer is not that of its version (iss, ver)")
        return claims

    # ---- App Service Authentication

    def _of_platform(self, headers: Mapping[str, str]) -> Identity | None:
        value = headers.get(PRINCIPAL_HEADER)
        if value is None or not self._settings.trusts_platform:
            return None
        claims = _principal(value)
        if claims.get("aud", next(iter(self._settings.audiences))) not in self._settings.audiences:
            raise NotSignedIn("App Service Authentication checked a token for another API")
        return identity_of(claims, self._settings, is_access_token=False)


def _own_addresses(identity: Identity, user: User | None) -> frozenset[str]:
    """None of a disabled user, whatever roles Entra gives: an administrator of the mail wants them to send nothing."""
    if user is not None and not user.enabled:
        return frozenset()
    own = (user.email if user is not None else None, identity.principal_name)
    return frozenset(address_key(text) for text in own if text)


def _words(error: Exception) -> str:
    import jwt

    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired"
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet"
        case jwt.InvalidIssuerError():
            return "The token is of another issuer"
        case jwt.InvalidSignatureError():
            return "The token's signature is wrong"
        case jwt.MissingRequiredClaimError():
            return f"The token lacks a claim: it needs {', '.join(_REQUIRED)}"
    return "The token cannot be read"


def _principal(value: str) -> dict[str, Any]:
    """The claims of the header, under their short names. A claim that is there several times becomes a list, which
    only roles may be."""
    try:
        if len(value) > LONGEST_PRINCIPAL:
            raise ValueError
        body = json.loads(binascii.a2b_base64(value, strict_mode=True))
        if body["auth_typ"] != "aad":
            raise ValueError
        found: dict[str, list[str]] = {}
        for claim in body["claims"]:
            found.setdefault(_LONG_NAMES.get(claim["typ"], claim["typ"]), []).append(str(claim["val"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NotSignedIn("What App Service Authentication says cannot be read") from None
    claims: dict[str, Any] = {name: values[0] for name, values in found.items() if len(set(values)) == 1}
    if {"oid", "tid", "sub", "azp", "appid", "scp", "aud", "idp", "acct"} & (found.keys() - claims.keys()):
        raise NotSignedIn("What App Service Authentication says names several identities")
    return claims | {"roles": found.get("roles", [])}
