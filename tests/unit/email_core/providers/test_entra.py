"""Tokens against the stand-in of the login server, over real TLS, through msal itself."""

import asyncio
import base64
import json
import logging
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from email_core.errors import SecretFault, SecretUnreadable
from email_core.providers import entra
from email_core.providers.entra import (
    EARLY_SECONDS,
    REDIRECTED,
    SAME_ANSWER_SECONDS,
    UNREACHABLE,
    NoToken,
    Tokens,
    certificate,
)
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from tests.fakes.graph import AFTER, CLIENT, HANG, SECRET, TENANT, TOKEN_LIVES, fault, refused_token
from tests.fakes.https import Response
from tests.support.emails import NOON, Clock
from tests.support.graph import graph_server, graph_settings, login_client, moved


class World:
    def __init__(self, server, tokens, clock, secrets):
        self.server, self.tokens, self.clock, self.secrets = server, tokens, clock, secrets


@asynccontextmanager
async def world(*, secret=SECRET, identity=None, **parameters):
    clock = Clock()
    secrets = MemorySecrets(clock)
    name = SecretName.GRAPH_CLIENT_SECRET
    if parameters.get("graph_credential") == "certificate":
        name = SecretName.GRAPH_CLIENT_CERTIFICATE
    if secret is not None:
        await secrets.put(name, secret)
    async with graph_server() as server:
        app = graph_settings(server, **parameters).app
        with login_client() as http:
            yield World(server, Tokens(app, secrets, identity, clock=moved(clock), http_client=http), clock, secrets)


async def test_one_token_is_asked_for_and_kept():
    async with world() as one:
        tokens = {await one.tokens.token() for _ in range(3)}
    assert (tokens, one.server.calls("token")) == (one.server.tokens, 1)


async def test_all_who_need_a_token_at_once_share_one_request():
    async with world() as one:
        await asyncio.gather(*(one.tokens.token() for _ in range(16)))
    assert one.server.calls("token") == 1


async def test_token_is_renewed_before_its_end():
    async with world() as one:
        first = await one.tokens.token()
        one.clock.advance(seconds=TOKEN_LIVES - EARLY_SECONDS - 1)
        assert await one.tokens.token() == first
        one.clock.advance(seconds=2)
        assert await one.tokens.token() != first


async def test_token_that_cannot_be_renewed_yet_is_used_on_until_its_end(caplog):
    async with world() as one:
        first = await one.tokens.token()
        one.clock.advance(seconds=TOKEN_LIVES - EARLY_SECONDS)
        one.server.faults["token"] = [fault(503, body={})] * 9
        with caplog.at_level(logging.WARNING):
            assert await one.tokens.token() == first
        assert "used on" in caplog.text
        one.clock.advance(seconds=EARLY_SECONDS)
        with pytest.raises(NoToken):
            await one.tokens.token()


@pytest.mark.parametrize("lives", [0, -3600])
async def test_token_that_ends_at_once_is_not_asked_for_by_each_email(lives):
    asked = []

    def identity(scope):
        asked.append(scope)
        return "token", time.time() + lives

    async with world(graph_credential="identity", secret=None, identity=identity) as one:
        for _ in range(5):
            await one.tokens.token()
    assert len(asked) == 1


@pytest.mark.parametrize("token", ["secret\r\nX: y", "secret\u20ac", ""])
async def test_token_that_no_header_can_carry_is_none_and_not_repeated(token):
    async with world() as one:
        body = {"access_token": token, "token_type": "Bearer", "expires_in": 3599}
        one.server.faults["token"] = [Response(200, json.dumps(body).encode())] * 2
        with pytest.raises(NoToken) as failure:
            await one.tokens.token()
    assert "secret" not in failure.value.words


async def test_token_that_was_refused_is_replaced_once_for_all():
    async with world() as one:
        refused = await one.tokens.token()
        renewed = await asyncio.gather(*(one.tokens.token(instead_of=refused) for _ in range(8)))
        assert refused not in renewed
        assert len(set(renewed)) == 1
    assert one.server.calls("token") == 2


FAILURES = [  # the endpoint's answer, words of it, whether it may pass
    (refused_token("7000215", "Invalid client secret provided."), "AADSTS7000215", False),
    (refused_token("7000222", "The provided client secret keys are expired."), "AADSTS7000222", False),
    (refused_token("65001", "The user or administrator has not consented.", "invalid_grant", 400), "65001", False),
    (refused_token("90002", "Tenant 'x' not found.", "invalid_request", 400), "AADSTS90002", False),
    (refused_token("90033", "A transient error.", "temporarily_unavailable", 400), "temporarily", True),
    (fault(503, body={}), "cannot be reached", True),
    (AFTER, "cannot be reached", True),
]


@pytest.mark.parametrize(("answer", "words", "passes"), FAILURES)
async def test_failure_of_the_endpoint_is_told(answer, words, passes):
    async with world() as one:
        one.server.faults["token"] = [answer] * 3
        with pytest.raises(NoToken) as failure:
            await one.tokens.token()
    assert words in failure.value.words
    assert "Trace ID" not in failure.value.words
    assert failure.value.mends_itself is passes


async def test_certificate_of_the_endpoint_that_nobody_trusts_is_told_and_does_not_mend_itself():
    async with graph_server() as server:
        secrets = MemorySecrets(Clock())
        await secrets.put(SecretName.GRAPH_CLIENT_SECRET, SECRET)
        with requests.Session() as trusts_nobody:
            trusts_nobody.trust_env = False
            with pytest.raises(NoToken) as failure:
                await Tokens(graph_settings(server).app, secrets, http_client=trusts_nobody).token()
    assert "CERTIFICATE_VERIFY_FAILED" in failure.value.words
    assert not failure.value.mends_itself


async def test_unknown_tenant_is_told():
    async with world(graph_tenant_id="nobody.example") as one:
        with pytest.raises(NoToken) as failure:
            await one.tokens.token()
    assert not failure.value.mends_itself


async def test_failure_stands_for_a_moment_so_that_not_each_email_asks():
    async with world(secret="wrong") as one:
        for _ in range(5):
            with pytest.raises(NoToken):
                await one.tokens.token()
        assert one.server.calls("token") == 1
        await one.secrets.put(SecretName.GRAPH_CLIENT_SECRET, SECRET)
        one.clock.advance(seconds=SAME_ANSWER_SECONDS)
        assert await one.tokens.token() in one.server.tokens


async def test_secret_that_was_changed_meanwhile_is_tried_at_once():
    async with world(secret="old") as one:

        def refresh(name):
            one.secrets._kept[name] = (SECRET, one.clock())

        one.secrets.refresh = refresh
        assert await one.tokens.token() in one.server.tokens
    assert one.server.calls("token") == 2


async def test_what_was_mended_counts_at_once_after_forgetting():
    async with world(secret="wrong") as one:
        with pytest.raises(NoToken):
            await one.tokens.token()
        await one.secrets.put(SecretName.GRAPH_CLIENT_SECRET, SECRET)
        one.tokens.forget()
        assert await one.tokens.token() in one.server.tokens


@pytest.mark.parametrize(("fault", "passes"), [(SecretFault.MISSING, False), (SecretFault.UNREACHABLE, True)])
async def test_secret_that_cannot_be_read_is_told_with_its_fix(fault, passes):
    async with world() as one:

        async def get(name):
            raise SecretUnreadable(name, fault, "Enter it.")

        one.secrets.get = get
        with pytest.raises(NoToken, match="no token") as failure:
            await one.tokens.token()
    assert failure.value.words == f"The secret graph-client-secret is {fault}. Enter it."
    assert failure.value.mends_itself is passes


# ---- without a client secret


def rsa_certificate() -> tuple[str, str]:
    """A key and its certificate: as PEM, and as PKCS #12 in base64. Entra takes RSA alone."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.contoso.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, NOON + timedelta(days=365))
    own = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    archive = pkcs12.serialize_key_and_certificates(b"app", key, own, None, plain)
    return (private + own.public_bytes(serialization.Encoding.PEM)).decode(), base64.b64encode(archive).decode()


PEM, PKCS12 = rsa_certificate()


def claims_of(assertion: str) -> dict:
    body = assertion.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.mark.parametrize("text", [PEM, PKCS12, base64.encodebytes(base64.b64decode(PKCS12)).decode()])
async def test_certificate_signs_the_assertion(text):
    async with world(graph_credential="certificate", secret=text) as one:
        assert await one.tokens.token() in one.server.tokens
    (assertion,) = one.server.assertions
    claims = claims_of(assertion)
    assert (claims["iss"], claims["aud"]) == (CLIENT, f"{one.server.address}/{TENANT}/oauth2/v2.0/token")


@pytest.mark.parametrize("text", ["", "no certificate", base64.b64encode(b"neither").decode()])
def test_what_is_no_certificate_is_told_without_repeating_it(text):
    with pytest.raises(ValueError, match="private key and a certificate") as error:
        certificate(text)
    assert not text or text not in str(error.value)


async def test_managed_identity_is_the_assertion_of_a_federated_app():
    asked = []

    def identity(scope):
        asked.append(scope)
        return "assertion-of-the-identity", 0

    async with world(graph_credential="federation", secret=None, identity=identity) as one:
        assert await one.tokens.token() in one.server.tokens
    assert (one.server.assertions, asked) == (
        ["assertion-of-the-identity"],
        ["api://AzureADTokenExchange/.default"],
    )


async def test_managed_identity_itself_needs_no_login_server():
    asked = []

    def identity(scope):
        asked.append(scope)
        return "token-of-the-identity", 4_000_000_000

    async with world(graph_credential="identity", secret=None, identity=identity) as one:
        assert await one.tokens.token() == "token-of-the-identity"
        await one.tokens.token()
    assert (asked, one.server.steps) == (["https://graph.microsoft.com/.default"], [])


async def test_managed_identity_that_is_missing_is_told():
    def identity(scope):
        raise RuntimeError("ManagedIdentityCredential authentication unavailable, no managed identity endpoint found.")

    async with world(graph_credential="identity", secret=None, identity=identity) as one:
        with pytest.raises(NoToken) as failure:
            await one.tokens.token()
    assert "no managed identity endpoint" in failure.value.words


async def test_no_secret_or_token_is_in_a_repr_or_an_error():
    async with world(secret="hidden-value") as one:
        one.server.secret = "hidden-value"
        token = await one.tokens.token()
        told = repr(one.tokens.__dict__)
        one.server.secret = "another"
        with pytest.raises(NoToken) as failure:
            await one.tokens.token(instead_of=token)
    assert not any(word in told + failure.value.words + repr(failure.value) for word in (token, "hidden-value"))


async def test_caller_that_is_canceled_takes_the_token_from_nobody():
    async with world() as one:
        first, second = (asyncio.create_task(one.tokens.token()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second in one.server.tokens


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("step", ["discovery", "token"])
async def test_secret_is_not_sent_where_the_endpoint_sends_it(status, step):
    async with world() as one:
        elsewhere = f"{one.server.address}/elsewhere/oauth2/v2.0/token"
        one.server.faults[step] = [Response(status, headers={"location": elsewhere})]
        with pytest.raises(NoToken) as raised:
            await one.tokens.token()
    assert (REDIRECTED in raised.value.words, raised.value.mends_itself) == (True, False)
    assert not [one for one in one.server.requests if "elsewhere" in one.target]


async def test_endpoint_that_never_comes_to_an_end_is_as_one_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr(entra, "WHOLE_SECONDS", 0.3)
    async with world() as one:
        one.server.faults["token"] = [HANG]
        with pytest.raises(NoToken) as raised:
            await one.tokens.token()
    assert (UNREACHABLE in raised.value.words, raised.value.mends_itself) == (True, True)
