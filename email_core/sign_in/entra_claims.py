"""What a token of Microsoft Entra says of its bearer, once its signature is known to be good.

An application in its own right has a client id, no scope, and is its own subject (`oid` = `sub`); a person has an
object id, and comes through an application that has a scope. A person is told by the object id alone, or by the user
principal name of a member of the tenant, which the tenant's administrators give. `email` is never looked at: whoever
runs another tenant can write anything there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from email_core.caller import Role
from email_core.errors import NotSignedIn
from email_core.sign_in.entra_settings import EntraSettings, is_guid
from email_core.text import has_control_character

_LONGEST_NAME = 128
_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`id` is the client id of an app, or the object id of a person. `principal_name` is a person's, in lower case,
    where it can be relied on."""

    id: str
    name: str
    roles: frozenset[Role]
    is_app: bool
    principal_name: str | None = None


def identity_of(claims: Mapping[str, Any], settings: EntraSettings, *, is_access_token: bool) -> Identity:
    """Raises NotSignedIn. Only an access token was made for calling this API: a person's ID token, which says nearly
    the same, was made for whoever signed that person in."""
    if str(claims.get("tid", "")).lower() != settings.tenant_id:
        raise NotSignedIn("The token is of another tenant")
    client_id, object_id = claims.get("azp") or claims.get("appid"), claims.get("oid")
    if not is_guid(object_id):
        raise NotSignedIn("The token does not say whose it is (oid)")
    if client_id and not claims.get("scp") and claims.get("sub") == object_id:
        return _app(claims, client_id)
    if is_access_token and not claims.get("scp"):
        raise NotSignedIn("The token is no access token: it has neither a scope nor is it an application's own")
    return _person(claims, str(object_id), settings)


def _app(claims: Mapping[str, Any], client_id: Any) -> Identity:
    if not is_guid(client_id):
        raise NotSignedIn("The token does not say which application it is of")
    name = _name(claims.get("app_displayname")) or client_id
    return Identity(id=client_id, name=name, roles=_roles(claims), is_app=True)


def _person(claims: Mapping[str, Any], object_id: str, settings: EntraSettings) -> Identity:
    principal_name = _principal_name(claims, settings)
    name = _name(claims.get("name")) or principal_name or object_id
    return Identity(id=object_id, name=name, roles=_roles(claims), is_app=False, principal_name=principal_name)


def _principal_name(claims: Mapping[str, Any], settings: EntraSettings) -> str | None:
    """A guest's name was given by another tenant, which is then named in `idp`."""
    if claims.get("idp", settings.issuers["1.0"]) not in settings.issuers.values() or claims.get("acct") in (1, "1"):
        return None
    name = _name(claims.get("upn") or claims.get("preferred_username")).lower()
    return name if "@" in name else None


def _roles(claims: Mapping[str, Any]) -> frozenset[Role]:
    named = claims.get("roles", ())
    texts = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return frozenset(_ROLES[text] for text in texts if isinstance(text, str) and text in _ROLES)


def _name(value: Any) -> str:
    return value[:_LONGEST_NAME] if isinstance(value, str) and not has_control_character(value) else ""
