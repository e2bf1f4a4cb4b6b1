"""The app settings of `EmailAccess__mode` = entra."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from email_core.errors import ConfigurationError

TENANT_SETTING = "EmailAccess__tenantId"
AUDIENCE_SETTING = "EmailAccess__audience"
AUTHORITY_SETTING = "EmailAccess__authority"
PLATFORM_SETTING = "EmailAccess__appServiceAuthentication"
PLATFORM_IS_ON = "WEBSITE_AUTH_ENABLED"  # Azure's own word on it, which no caller can set
PUBLIC_CLOUD = "https://login.microsoftonline.com"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOKEN_SERVICES = {"login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn"}  # of version 1, by authority


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraSettings:
    """`audiences` are the API's client id and its identifier URIs. `trusts_platform`: App Service Authentication
    stands before the app, so the header in which it says who calls can be from nobody else."""

    tenant_id: str
    audiences: frozenset[str]
    authority: str = PUBLIC_CLOUD
    trusts_platform: bool = False

    @property
    def issuers(self) -> dict[str, str]:
        """By the version of the token, which the API's registration chooses (`requestedAccessTokenVersion`)."""
        service = _TOKEN_SERVICES.get(urlsplit(self.authority).hostname or "", "https://sts.windows.net")
        return {"1.0": f"{service}/{self.tenant_id}/", "2.0": f"{self.authority}/{self.tenant_id}/v2.0"}

    @property
    def keys_address(self) -> str:
        return f"{self.authority}/{self.tenant_id}/discovery/v2.0/keys"

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> "EntraSettings":
        """Raises ConfigurationError."""
        asks_platform = _flag(settings, PLATFORM_SETTING)
        return cls(
            tenant_id=_tenant(settings),
            audiences=_audiences(settings),
            authority=_authority(settings),
            trusts_platform=settings.get(PLATFORM_IS_ON, "").strip().lower() == "true" and asks_platform,
        )


def is_guid(text: object) -> bool:
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def _tenant(settings: Mapping[str, str]) -> str:
    """Its id: with a name, or `common`, the issuer of a token could not be told."""
    tenant = settings.get(TENANT_SETTING, "").strip().lower()
    if not is_guid(tenant):
        fix = "Give the directory (tenant) id, from the overview of Microsoft Entra ID."
        raise ConfigurationError(TENANT_SETTING, "is no tenant id" if tenant else "is not set", fix)
    return tenant


def _audiences(settings: Mapping[str, str]) -> frozenset[str]:
    found = frozenset(filter(None, map(str.strip, settings.get(AUDIENCE_SETTING, "").split(","))))
    if not found:
        fix = "Give the client id of this API's app registration, and its application ID URI after a comma."
        raise ConfigurationError(AUDIENCE_SETTING, "is not set", fix)
    return found


def _authority(settings: Mapping[str, str]) -> str:
    authority = (settings.get(AUTHORITY_SETTING, "").strip() or PUBLIC_CLOUD).rstrip("/")
    try:
        parts = urlsplit(authority)
        is_origin = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and not parts.path
    except ValueError:
        is_origin = False
    if not is_origin or "?" in authority or "#" in authority:
        fix = f"Give your cloud's sign-in address, or leave it out for {PUBLIC_CLOUD}."
        raise ConfigurationError(AUTHORITY_SETTING, "is not an https address without a path", fix)
    return authority


def _flag(settings: Mapping[str, str], name: str) -> bool:
    text = settings.get(name, "").strip().lower()
    if text not in ("", "true", "false"):
        raise ConfigurationError(name, "is neither true nor false", "Set it to true or false.")
    return text == "true"
