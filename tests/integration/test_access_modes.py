"""The app as a whole, in the local runner: what each mode lets in."""

import pytest

from tests.support.app import running_app
from tests.support.entra import ANN, API, TENANT, Issuer, principal

pytestmark = pytest.mark.slow

FORGED = {"X-MS-CLIENT-PRINCIPAL": principal({"tid": TENANT, "oid": ANN, "sub": ANN, "roles": "Email.Admin"})}
CLAIMED = {"x-functions-key": "forged", **FORGED}
CALLS = [("GET", "/api/emails"), ("POST", "/api/emails"), ("GET", "/api/providers"), ("GET", "/api/emails?code=forged")]


def statuses(storage_connection: str, headers: dict[str, str], **settings: str) -> set[int]:
    with running_app(
        storage_connection, 25, **{f"EmailAccess__{name}": value for name, value in settings.items()}
    ) as app:
        health = app.get("/api/health").status_code
        answers = {app.request(method, url, headers=headers).status_code for method, url in CALLS}
        assert health == (503 if answers == {503} else 200)  # open to all, and says that nobody gets in
        return answers


@pytest.mark.parametrize("mode", ["kyes", "keys"], ids=["unknown", "keys, which no local host checks"])
def test_mode_that_cannot_be_kept_closes_all_and_the_health_says_so(storage_connection, mode):
    assert statuses(storage_connection, CLAIMED, mode=mode) == {503}


def test_neither_key_nor_forged_principal_opens_anything_where_tokens_are_asked_for(storage_connection):
    entra = {"mode": "entra", "tenantId": TENANT, "audience": API, "appServiceAuthentication": "true"}
    assert statuses(storage_connection, CLAIMED, **entra) == {401}


def test_two_authorizations_are_refused(storage_connection):
    token = Issuer().of_app("Email.Admin")
    with running_app(
        storage_connection, 25, EmailAccess__mode="entra", EmailAccess__tenantId=TENANT, EmailAccess__audience=API
    ) as app:
        twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        answer = app.get("/api/emails", headers=twice)
    assert (answer.status_code, answer.json()["detail"][:17]) == (401, "The token is none")


def test_local_mode_is_open(storage_connection):
    assert statuses(storage_connection, {}, mode="local") == {200, 400}  # 400: the body is empty
