"""Azure Key Vault's REST on loopback, over real TLS, as much of it as secrets need: for Microsoft's own client.

    async with key_vault() as vault, vault.client() as client:
        vault.faults["get"] = [refusal(403, "Forbidden", "ForbiddenByRbac")]

Bodies and codes are those of the service: the Key Vault REST reference, and answers quoted in public reports.
"""

import asyncio
import ssl
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import trustme
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.keyvault.secrets._shared import http_challenge_cache

from email_core.secret_store.key_vault import vault_client

API_VERSIONS = frozenset({"7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"})
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
LARGEST = 25 * 1024


@dataclass(frozen=True)
class Refusal:
    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "text/html"  # of a text


HANG = "say nothing"
RESET = "reset the connection"
Fault = Refusal | str | asyncio.Event


def refusal(status: int, code: str, inner: str | None = None, message: str = "by the test", **headers: str) -> Refusal:
    """A keyword like `retry_after` is the header of that name."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Refusal(status, {"error": error}, {name.replace("_", "-").title(): text for name, text in headers.items()})


def rbac(action: str) -> Refusal:
    return refusal(
        403,
        "Forbidden",
        "ForbiddenByRbac",
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
        "definitions were changed recently, please observe propagation time.\r\nCaller: appid=00;oid=00;iss=https://"
        f"sts.windows.net/{TENANT}/\r\nAction: 'Microsoft.KeyVault/vaults/secrets/{action}/action'\r\n"
        "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: test;location=eastus\r\n",
    )


@dataclass
class Version:
    value: str = field(repr=False)
    created: int
    updated: int
    enabled: bool = True
    exp: int | None = None
    nbf: int | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def attributes(self) -> dict[str, Any]:
        given = {name: at for name, at in (("exp", self.exp), ("nbf", self.nbf)) if at is not None}
        times = {"created": self.created, "updated": self.updated}
        level = {"recoveryLevel": "Recoverable", "recoverableDays": 90}
        return {"enabled": self.enabled, **given, **times, **level}


class Credential:
    """Hands out the token that the vault takes, and remembers for what it was asked."""

    def __init__(self) -> None:
        self.token = "token-of-the-test"
        self.asked: list[tuple[str, str | None]] = []
        self.failure: Exception | None = None

    async def get_token(self, *scopes: str, tenant_id: str | None = None, **_: Any) -> AccessToken:
        self.asked.append((scopes[0], tenant_id))
        if self.failure is not None:
            raise self.failure
        return AccessToken(self.token, int(time.time()) + 3600)


@dataclass
class KeyVault:
    """`faults` are for the next requests of a kind (get, set, get deleted, recover), one each: what is answered, HANG,
    RESET, or an event that the vault's own answer waits for. After `recover` it takes `requests_to_recover` more until
    the secret is back."""

    secrets: dict[str, list[Version]] = field(default_factory=dict)
    deleted: dict[str, list[Version]] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[str] = field(default_factory=list)  # the authorised ones
    challenges: int = 0
    api_versions: set[str] = field(default_factory=set)
    requests_to_recover: int = 0
    credential: Credential = field(default_factory=Credential)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""
    authority: str = ""  # the file with the certificate that vouches for it

    def client(self, **options: Any) -> Any:
        """The app's own, which here trusts the test's authority and a vault that is not under vault.azure.net."""
        trust = {"connection_verify": self.authority, "verify_challenge_resource": False}
        return vault_client(self.address, self.credential, **(trust | options))

    def set(self, name: str, value: str, **attributes: Any) -> None:
        now = int(time.time())
        version = Version(value, **({"created": now, "updated": now} | attributes))
        self.secrets.setdefault(name, []).append(version)

    def delete(self, name: str) -> None:
        self.deleted[name] = self.secrets.pop(name)

    # ---- what it answers

    async def answer(self, request: web.Request) -> web.StreamResponse:
        refused = self._refuse_version(request) or self._challenge(request)
        if refused is not None:
            return _json(refused)
        kind, answer = self._kind(request)
        self.requests.append(kind)
        fault = self.faults[kind].pop(0) if self.faults[kind] else None
        if isinstance(fault, Refusal | str):
            return await self._misbehave(request, fault)
        response = _json(answer(request.match_info["name"], await _body(request)))
        if fault is not None:
            self.hanging.set()
            await fault.wait()
        return response

    def _refuse_version(self, request: web.Request) -> Refusal | None:
        version = request.query.get("api-version")
        if version is None:
            return refusal(400, "BadParameter", message="api-version must be specified")
        self.api_versions.add(version)
        if version not in API_VERSIONS:
            return refusal(400, "BadParameter", message=f"The specified version ({version}) is not recognized.")
        return None

    def _challenge(self, request: web.Request) -> Refusal | None:
        authorization = request.headers.get("Authorization")
        if authorization == f"Bearer {self.credential.token}":
            return None
        self.challenges += 1
        code = "AKV10000: Request is missing a Bearer or PoP token." if authorization is None else "AKV10032: Invalid."
        where = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net"'
        return refusal(401, "Unauthorized", message=code, www_authenticate=where)

    def _kind(self, request: web.Request) -> tuple[str, Any]:
        match request.method, request.path.split("/")[1], request.path.endswith("/recover"):
            case "GET", "secrets", _:
                return "get", self._get
            case "PUT", "secrets", _:
                return "set", self._put
            case "GET", "deletedsecrets", _:
                return "get deleted", self._get_deleted
            case "POST", "deletedsecrets", True:
                return "recover", self._recover
        raise web.HTTPMethodNotAllowed(request.method, [])

    async def _misbehave(self, request: web.Request, fault: Refusal | str) -> web.StreamResponse:
        if fault == RESET:
            request.transport.abort()
        if fault == HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        return _json(fault) if isinstance(fault, Refusal) else web.Response()

    def _get(self, name: str, _: Any) -> Any:
        if self._is_recovering(name) or name not in self.secrets:
            return _not_found(name)
        version = self.secrets[name][-1]
        if not version.enabled:
            message = "Operation get is not allowed on a disabled secret."
            return refusal(403, "Forbidden", "SecretDisabled", message)
        return {"value": version.value, **self._about(name, version)}

    def _put(self, name: str, body: Any) -> Any:
        if name in self.deleted:
            message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            return refusal(409, "Conflict", "ObjectIsDeletedButRecoverable", message)
        if self._is_recovering(name):
            message = f"Secret {name} is currently being recovered and cannot be re-created; retry later."
            return refusal(409, "Conflict", "ObjectIsBeingRecovered", message)
        if len(body["value"]) > LARGEST:
            return refusal(400, "BadParameter", message="The secret's value is too long.")
        self.set(name, body["value"])
        return {"value": body["value"], **self._about(name, self.secrets[name][-1])}

    def _get_deleted(self, name: str, _: Any) -> Any:
        if name not in self.deleted:
            return _not_found(name)
        about = self._about(name, self.deleted[name][-1])
        dates = {"deletedDate": 1, "scheduledPurgeDate": 2}
        return {**about, **dates, "recoveryId": f"{self.address}/deletedsecrets/{name}"}

    def _recover(self, name: str, _: Any) -> Any:
        if name not in self.deleted:
            return _not_found(name)
        self.secrets[name] = self.deleted.pop(name)
        return self._about(name, self.secrets[name][-1])

    def _is_recovering(self, name: str) -> bool:
        if name not in self.secrets or not self.requests_to_recover or "recover" not in self.requests:
            return False
        self.requests_to_recover -= 1
        return True

    def _about(self, name: str, version: Version) -> dict[str, Any]:
        return {"id": f"{self.address}/secrets/{name}/{version.id}", "attributes": version.attributes}


async def _body(request: web.Request) -> Any:
    return await request.json() if request.can_read_body else None


def _not_found(name: str) -> Refusal:
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command."
    )
    return refusal(404, "SecretNotFound", message=message)


def _json(answer: Any) -> web.Response:
    if not isinstance(answer, Refusal):
        return web.json_response(answer)
    if isinstance(answer.body, str):
        return web.Response(text=answer.body, status=answer.status, headers=answer.headers, content_type=answer.kind)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def key_vault() -> AsyncIterator[KeyVault]:
    """An empty vault, until the end. The client caches challenges by address, and a port may come again."""
    vault = KeyVault()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("127.0.0.1").configure_cert(tls)
    app = web.Application()
    for path in ("/secrets/{name}", "/secrets/{name}/", "/deletedsecrets/{name}", "/deletedsecrets/{name}/recover"):
        app.router.add_route("*", path, vault.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    vault.address = f"https://127.0.0.1:{runner.addresses[0][1]}"
    http_challenge_cache.clear()
    try:
        with _authority().cert_pem.tempfile() as vault.authority:
            yield vault
    finally:
        await runner.cleanup()
