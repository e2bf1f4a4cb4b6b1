"""Who the app signs in as, and that it gets a token. The token's own words are read, never shown or checked."""

import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError

from email_core.doctor.finding import Finding, bounded, failed, ok

SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class Identity:
    """One that the settings `<setting>__credential` and `<setting>__clientId` choose, for what `scope` names.
    `credential` opens it."""

    setting: str
    kind: str
    scope: str
    credential: Callable[[], AbstractAsyncContextManager[Any]]


def identity_checks(identities: list[Identity]) -> list[Awaitable[Finding]]:
    return [bounded(identity.setting, _token(identity), SECONDS) for identity in identities]


async def _token(identity: Identity) -> Finding:
    try:
        async with identity.credential() as credential:
            token = await credential.get_token(identity.scope)
    except AzureError as error:
        return failed(
            identity.setting,
            f"{identity.kind}: no token ({type(error).__name__})",
            f"Switch on the app's managed identity, and name a user-assigned one in {identity.setting}__clientId; on a "
            "developer's machine sign in: az login.",
        )
    until = datetime.fromtimestamp(token.expires_on, UTC)
    return ok(identity.setting, f"{identity.kind}: token for {_whom(token.token)} until {until:%H:%M} UTC")


def _whom(token: str) -> str:
    """The client id of an app or a managed identity, else the person."""
    claims = _claims(token)
    if "upn" in claims:
        return str(claims["upn"])
    client_id = claims.get("appid") or claims.get("azp")
    return f"client id {client_id}" if client_id else "an identity that it does not name"


def _claims(token: str) -> dict[str, Any]:
    """Of a JSON Web Token; empty for one of another kind."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
