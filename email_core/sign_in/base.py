"""What the doors ask of a way to sign in, and the settings that choose one."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from email_core.caller import LOCAL, Caller, Role
from email_core.errors import ConfigurationError, NotPermitted

MODE_SETTING = "EmailAccess__mode"


class AccessMode(StrEnum):
    ENTRA = "entra"  # tokens of Microsoft Entra, checked here
    KEYS = "keys"  # function keys, checked by the host
    LOCAL = "local"  # open: for a developer's machine


class Key(StrEnum):
    """Which the host has asked for, before the app was called."""

    NONE = "none"
    FUNCTION = "function"
    ADMIN = "admin"


class SignIn(Protocol):
    async def caller(self, headers: Mapping[str, str], *, key: Key) -> Caller:
        """Who sends these headers. Raises NotSignedIn, ConfigurationError, or StorageUnavailable."""


def access_mode(settings: Mapping[str, str], *, on_azure: bool) -> AccessMode:
    """Raises ConfigurationError where the mode is missing or wrong, or would leave everything open on Azure."""
    try:
        mode = AccessMode(settings.get(MODE_SETTING, "").strip())
    except ValueError:
        problem = "is none of entra, keys, local" if settings.get(MODE_SETTING, "").strip() else "is not set"
        fix = "Set it to entra or keys on Azure, to local on your own machine: see docs/how-to/control-access.md."
        raise ConfigurationError(MODE_SETTING, problem, fix) from None
    is_development = settings.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    if mode is AccessMode.LOCAL and on_azure:
        raise ConfigurationError(MODE_SETTING, "is local, which is refused on Azure", "Set it to entra or keys.")
    if mode is AccessMode.LOCAL and not is_development:  # as in a container, which nothing tells to be on Azure
        problem = "is local, but the host is none for development"
        raise ConfigurationError(MODE_SETTING, problem, "Set it to entra or keys.")
    if mode is AccessMode.KEYS and not on_azure and is_development:
        problem = "is keys, but a host for development checks none, so everything would be open"
        raise ConfigurationError(MODE_SETTING, problem, "Set it to local on your own machine, or to entra.")
    return mode


class OpenSignIn:
    """Everybody is this machine's developer, but for pages of other sites open in the developer's browser: they could
    call this machine without a question (a simple request), or under a name of theirs that leads here (DNS
    rebinding). What the headers claim of a caller is not looked at."""

    async def caller(self, headers: Mapping[str, str], *, key: Key) -> Caller:
        if not _is_this_machine(headers.get("host", "")) or headers.get("sec-fetch-site") == "cross-site":
            raise NotPermitted("It is open to this machine alone: call it as localhost, from no other page")
        return LOCAL


def _is_this_machine(host: str) -> bool:
    """Of a Host header; a request without one is from no browser."""
    name = host.lower().rpartition(":")[0] if re.search(r":\d*$", host) else host.lower()
    return name in ("", "localhost", "127.0.0.1", "[::1]") or name.endswith(".localhost")


class KeySignIn:
    """The host has checked the key already. A key says what may be done, and not who does it."""

    async def caller(self, headers: Mapping[str, str], *, key: Key) -> Caller:
        if key is Key.NONE:  # the host learned what to ask for while the app was imported
            problem = "became keys after this process began, and its host asks for none"
            raise ConfigurationError(MODE_SETTING, problem, "Restart the app.")
        if key is Key.ADMIN:
            return Caller(id="key", name="the admin key", roles=frozenset({Role.ADMIN}))
        return Caller(id="key", name="a function key", roles=frozenset({Role.SEND, Role.READ}))


class ClosedSignIn:
    """Nobody gets in while the settings are missing or wrong; everybody is told which, without its value."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    async def caller(self, headers: Mapping[str, str], *, key: Key) -> Caller:
        raise self.error()

    def error(self) -> ConfigurationError:
        """A new one each time: what is raised keeps all that it came through."""
        return ConfigurationError(self._error.setting, self._error.problem, self._error.fix)
