"""Who a token is for; the token itself stays where it is."""

import base64
import json
from contextlib import asynccontextmanager

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from email_core.doctor.finding import Verdict
from email_core.doctor.identity import Identity, identity_checks
from tests.support.emails import NOON

SCOPE = "https://storage.azure.com/.default"


def token(**claims) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{body}.signature"


class Credential:
    def __init__(self, answer: str | Exception) -> None:
        self._answer = answer
        self.asked = []

    async def get_token(self, scope):
        self.asked.append(scope)
        if isinstance(self._answer, Exception):
            raise self._answer
        return AccessToken(self._answer, int(NOON.timestamp()))


async def found(credential):
    @asynccontextmanager
    async def opened():
        yield credential

    [check] = identity_checks([Identity("EmailStorage", "managed identity", SCOPE, opened)])
    return await check


@pytest.mark.parametrize(
    ("answer", "whom"),
    [
        (token(appid="4711", oid="1"), "client id 4711"),
        (token(azp="4711"), "client id 4711"),
        (token(upn="ann@contoso.com", appid="az"), "a***@contoso.com"),
        (token(oid="1"), "an identity that it does not name"),
        ("opaque", "an identity that it does not name"),
        ("a.b.c", "an identity that it does not name"),
    ],
)
async def test_token_tells_whom_it_is_for(answer, whom):
    credential = Credential(answer)
    finding = await found(credential)
    assert finding.verdict is Verdict.OK
    assert finding.detail == f"managed identity: token for {whom} until 12:00 UTC"
    assert credential.asked == [SCOPE]
    assert answer not in repr(finding)


async def test_identity_that_gets_no_token_is_told_with_the_fix():
    finding = await found(Credential(CredentialUnavailableError("no IMDS at 169.254.169.254")))
    assert (finding.verdict, finding.detail) == (
        Verdict.FAILED,
        "managed identity: no token (CredentialUnavailableError)",
    )
    assert "EmailStorage__clientId" in finding.fix
