"""Stands in for Microsoft Entra: real RSA keys, tokens signed with them, and a key server on this machine."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from email_core.sign_in.entra_settings import EntraSettings

TENANT = "11111111-1111-1111-1111-111111111111"
OTHER_TENANT = "99999999-9999-9999-9999-999999999999"
API = "22222222-2222-2222-2222-222222222222"
BILLING = "33333333-3333-3333-3333-333333333333"  # an app
ANN = "44444444-4444-4444-4444-444444444444"
BOB = "55555555-5555-5555-5555-555555555555"


def private_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of this name, the same for a whole run: making one takes a tenth of a second."""
    return _private_key(name, bits)


@cache
def _private_key(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def jwk(kid: str, bits: int = 2048) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(private_key(kid, bits).public_key(), as_dict=True) | {"kid": kid, "use": "sig"}


@dataclass
class Issuer:
    """`published` are the keys that its server shows, by name; `fetches` counts how often it was asked."""

    authority: str = "https://login.microsoftonline.com"
    published: list[str] = field(default_factory=lambda: ["first"])
    fetches: int = 0
    is_down: bool = False

    @property
    def settings(self) -> EntraSettings:
        audiences = frozenset({API, f"api://{TENANT}/email"})
        return EntraSettings(tenant_id=TENANT, audiences=audiences, authority=self.authority)

    def answer(self) -> bytes | None:
        self.fetches += 1
        if self.is_down:
            return None
        return json.dumps({"keys": [jwk(kid) for kid in self.published]}).encode()

    # ---- tokens; `claims` are changed, and left out where they are None

    def of_app(self, *roles: str, key: str = "first", headers: Any = None, **claims: Any) -> str:
        own = {"azp": BILLING, "oid": BILLING.replace("3", "a"), "sub": BILLING.replace("3", "a"), "roles": list(roles)}
        return self.token(own | claims, key=key, headers=headers)

    def of_person(self, *roles: str, oid: str = ANN, upn: str = "ann@contoso.com", **claims: Any) -> str:
        own = {"azp": BILLING, "scp": "access_as_user", "oid": oid, "sub": f"pairwise-{oid}", "name": "Ann"}
        return self.token(own | {"preferred_username": upn, "roles": list(roles)} | claims)

    def token(
        self, claims: dict[str, Any], *, key: str = "first", headers: Any = None, algorithm: str = "RS256"
    ) -> str:
        all_claims = self.claims(claims)
        return jwt.encode(all_claims, private_key(key), algorithm, {"kid": key} | (headers or {}))

    def claims(self, changes: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        usual = {
            "iss": f"{self.authority}/{TENANT}/v2.0",
            "aud": API,
            "tid": TENANT,
            "ver": "2.0",
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + 3600,
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """With its key server."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.answer() if self.path == f"/{TENANT}/discovery/v2.0/keys" else None
            self.send_response(200 if body else 503)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.authority = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


# ---- forgeries


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    return f"{_part({'alg': algorithm, 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}."


def signed_with_the_public_key(claims: dict[str, Any], public: bytes) -> str:
    """HS256, the public key being the secret: a checker that lets the token choose the algorithm takes it."""
    import hashlib
    import hmac

    text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(public, text.encode(), hashlib.sha256))}"


def principal(claims: dict[str, Any], auth_typ: str = "aad") -> str:
    """`X-MS-CLIENT-PRINCIPAL`. A claim that is a list is there several times."""
    pairs = [
        {"typ": name, "val": one}
        for name, value in claims.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    body = {"auth_typ": auth_typ, "claims": pairs, "name_typ": "name", "role_typ": "roles"}
    return base64.b64encode(json.dumps(body).encode()).decode()


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
