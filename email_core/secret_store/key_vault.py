"""Secrets in Azure Key Vault, read through a short cache."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.request import getproxies

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.keyvault.secrets import KeyVaultSecret, SecretProperties
from azure.keyvault.secrets.aio import SecretClient

from email_core.errors import SecretFault, SecretUnreadable
from email_core.secret_store.base import VAULT_SETTING, SecretName, SecretState

CACHED_FOR = timedelta(minutes=5)
KEPT_FOR = timedelta(hours=1)  # how old a value may get while the vault cannot be reached
ASKED_AGAIN_AFTER = timedelta(seconds=30)  # while it cannot
TIMEOUTS: dict[str, Any] = {"connection_timeout": 3, "read_timeout": 5}  # seconds; an Access bounds the whole
WAITS = (0, 1, 2, 4, 8)  # seconds, for the vault to come to the end of deleting or recovering a secret

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """A kind of request: the seconds it may take, retries included, and the role or, in the older model, the
    permissions that it needs."""

    seconds: float
    role: str
    permissions: str


READING = Access(10, "Key Vault Secrets User", "Get")
WRITING = Access(30, "Key Vault Secrets Officer", "Get, Set and Recover")

_FORBIDDEN = (
    SecretFault.FORBIDDEN,
    "Grant the app's identity the role {role} on {vault}; it takes some minutes to count.",
)
_CHANGING = SecretFault.DELETED, "{vault} is still deleting or recovering it: try again in a minute."
_DIAGNOSES = {  # by the code in the vault's answer, the inner one where there is one
    "SecretNotFound": (SecretFault.MISSING, "Enter it: PUT /api/secrets/{name}."),
    "SecretDisabled": (
        SecretFault.DISABLED,
        "Enable its current version in {vault}, or enter it again: PUT /api/secrets/{name}.",
    ),
    "ForbiddenByRbac": _FORBIDDEN,
    "AccessDenied": (
        SecretFault.FORBIDDEN,
        "Give the app's identity the secret permissions {permissions} in the access policies of {vault}.",
    ),
    "ForbiddenByFirewall": (
        SecretFault.FORBIDDEN,
        "The firewall of {vault} keeps the app out: allow the app's subnet or addresses under Networking there.",
    ),
    "ForbiddenByConnection": (
        SecretFault.FORBIDDEN,
        "{vault} takes no connections from public networks: give it a private endpoint in the app's network.",
    ),
    "ObjectIsDeletedButRecoverable": _CHANGING,
    "ObjectIsBeingDeleted": _CHANGING,
    "ObjectIsBeingRecovered": _CHANGING,
}
_DELETED = "Enter it again, PUT /api/secrets/{name}, or recover it in {vault}."
_EXPIRED = "Enter it again, PUT /api/secrets/{name}, or change the expiration date of its current version in {vault}."
_NOT_ACTIVE = "The activation date of its current version in {vault} is still to come: change it, or enter it again."
_NO_SIGN_IN = (
    "The app could not sign in to {vault}: switch on its managed identity, and name a user-assigned one in "
    "EmailSecrets__clientId."
)
_BUSY = "{vault} {event}. It may pass: try again in a few minutes."
_UNREACHABLE = "{vault} {event}. See that it is the vault's address ({setting}), and that the app's network reaches it."

# What the client raises for an answer that is none of a vault, or of a vault at another address.
_NOT_UNDERSTOOD = (DecodeError, ValueError)


def vault_client(address: str, credential: Any, **options: Any) -> SecretClient:
    proxy = {"use_env_settings": bool(getproxies())}
    return SecretClient(address, credential, retry_policy=RetriesInTime(retry_total=2), **TIMEOUTS, **proxy, **options)


class RetriesInTime(AsyncRetryPolicy[Any, Any]):
    """Leaves an answer as it is that asks for more patience (Retry-After) than a caller has."""

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        wait = self.get_retry_after(response) or 0
        return wait < READING.seconds and bool(super().is_retry(settings, response))


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str = field(repr=False)
    read_at: datetime
    asked_at: datetime  # later than `read_at` where the vault could not be reached

    def is_fresh(self, now: datetime) -> bool:
        """A clock that was set back makes no value fresh."""
        usual = timedelta(0) <= now - self.read_at < CACHED_FOR
        return usual or timedelta(0) <= now - self.asked_at < ASKED_AGAIN_AFTER

    def may_stand_in(self, now: datetime) -> bool:
        return timedelta(0) <= now - self.read_at < KEPT_FOR


class KeyVaultSecrets:
    """The vault of one client. Nobody waits longer than an Access allows, and who asks for the same secret at the
    same time shares one request. A vault that cannot be reached for a while stops no mail: the value read before is
    used on, for an hour at most."""

    def __init__(self, client: SecretClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[SecretName, _Kept] = {}
        self._readings: dict[SecretName, asyncio.Task[_Kept]] = {}

    async def get(self, name: SecretName) -> str:
        kept = self._kept.get(name)
        if kept is None or not kept.is_fresh(self._clock()):
            kept = await self._shared_reading(name)
        return kept.value

    async def put(self, name: SecretName, value: str) -> None:
        try:
            async with self._asking(name, WRITING):
                await self._set(name, value)
        finally:  # it may be written, whatever came back
            self._readings.pop(name, None)  # it may still bring the old value
            self.refresh(name)

    async def about(self, name: SecretName) -> SecretState:
        try:
            _, properties = await self._current(name)
        except SecretUnreadable as error:
            if error.reason in (SecretFault.MISSING, SecretFault.DELETED):
                return SecretState(set=False, updated_at=None)
            raise
        # each value is a version of its own
        return SecretState(set=True, updated_at=properties.created_on, expires_at=properties.expires_on)

    def refresh(self, name: SecretName) -> None:
        """A reading under way is left alone: it began after what was refused had been read."""
        self._kept.pop(name, None)

    async def _shared_reading(self, name: SecretName) -> _Kept:
        """Goes on where the caller that began it is cancelled: others may wait for it."""
        reading = self._readings.get(name)
        if reading is None:
            reading = self._readings[name] = asyncio.create_task(self._read(name))
            reading.add_done_callback(partial(self._keep, name))
        return await asyncio.shield(reading)

    def _keep(self, name: SecretName, reading: "asyncio.Task[_Kept]") -> None:
        failed = reading.cancelled() or reading.exception() is not None
        if self._readings.get(name) is reading:
            del self._readings[name]
            if not failed:
                self._kept[name] = reading.result()

    async def _read(self, name: SecretName) -> _Kept:
        try:
            value, _ = await self._current(name)
        except SecretUnreadable as error:
            kept = self._kept.get(name)
            if error.reason is not SecretFault.UNREACHABLE or kept is None or not kept.may_stand_in(self._clock()):
                raise
            logger.warning("%s The value of %s is used on.", error, kept.read_at.isoformat(timespec="seconds"))
            return replace(kept, asked_at=self._clock())
        return _Kept(value, self._clock(), self._clock())

    async def _current(self, name: SecretName) -> tuple[str, SecretProperties]:
        """Key Vault hands out a value outside its dates as well: they are ours to heed."""
        async with self._asking(name, READING):
            secret = await self._get_or_say_deleted(name)
        expires_at, active_from = secret.properties.expires_on, secret.properties.not_before
        if not secret.value:
            raise self._unreadable(name, *_DIAGNOSES["SecretNotFound"])
        if expires_at is not None and expires_at <= self._clock():
            raise self._unreadable(name, SecretFault.EXPIRED, _EXPIRED)
        if active_from is not None and active_from > self._clock():
            raise self._unreadable(name, SecretFault.DISABLED, _NOT_ACTIVE)
        return secret.value, secret.properties

    async def _get_or_say_deleted(self, name: SecretName) -> KeyVaultSecret:
        try:
            return await self._client.get_secret(name)
        except ResourceNotFoundError as error:
            if await self._is_deleted(name):
                raise self._unreadable(name, SecretFault.DELETED, _DELETED) from error
            raise

    async def _is_deleted(self, name: SecretName) -> bool:
        """Whether it can be recovered. Who may not know is told that it is missing."""
        try:
            await self._client.get_deleted_secret(name)
        except AzureError:
            return False
        return True

    async def _set(self, name: SecretName, value: str) -> None:
        """A deleted secret keeps its name: it is recovered, and then gets its value."""
        for wait in WAITS:
            with suppress(ResourceExistsError):
                await self._client.set_secret(name, value)
                return
            with suppress(ResourceExistsError, ResourceNotFoundError):  # still on its way, there or back
                await self._client.recover_deleted_secret(name)
            await asyncio.sleep(wait)
        await self._client.set_secret(name, value)

    @asynccontextmanager
    async def _asking(self, name: SecretName, access: Access) -> AsyncIterator[None]:
        """Foreign errors end here. What could not be understood may hold a value: it is not chained."""
        try:
            async with asyncio.timeout(access.seconds):
                yield
        except (AzureError, TimeoutError, *_NOT_UNDERSTOOD) as error:
            raise self._translated(name, access, error) from (None if isinstance(error, _NOT_UNDERSTOOD) else error)

    def _translated(self, name: SecretName, access: Access, error: Exception) -> SecretUnreadable:
        if isinstance(error, ClientAuthenticationError):
            return self._unreadable(name, SecretFault.FORBIDDEN, _NO_SIGN_IN)
        reason, fix = _DIAGNOSES.get(_code(error)) or _by_status(error)
        return self._unreadable(
            name, reason, fix, role=access.role, permissions=access.permissions, event=_event(error, access)
        )

    def _unreadable(self, name: SecretName, reason: SecretFault, fix: str, **facts: str) -> SecretUnreadable:
        return SecretUnreadable(
            name, reason, fix.format(vault=self._client.vault_url, setting=VAULT_SETTING, name=name, **facts)
        )


def _code(error: Exception) -> str:
    """As in `{"error": {"code": "Forbidden", "innererror": {"code": "SecretDisabled"}}}`."""
    told = error.error if isinstance(error, HttpResponseError) else None
    if told is None:
        return ""
    return str((told.innererror or {}).get("code") or told.code)


def _by_status(error: Exception) -> tuple[SecretFault, str]:
    status = getattr(error, "status_code", None) or 0
    if status == 403:
        return _FORBIDDEN
    return SecretFault.UNREACHABLE, _BUSY if status == 429 or status >= 500 else _UNREACHABLE


def _event(error: Exception, access: Access) -> str:
    if isinstance(error, _NOT_UNDERSTOOD):
        return "does not answer like a vault of this address"
    if isinstance(error, TimeoutError):
        return f"did not answer within {access.seconds:g} seconds"
    if isinstance(error, HttpResponseError):
        return f"answered {error.status_code} {_code(error)}".rstrip()
    return "cannot be reached from here"
