"""Who gets in by a token of Microsoft Entra, and every way to pretend to: from the request to the answer."""

import base64
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from email_core.app_senders import AllowedSenders
from email_core.assembly import utc_now
from email_core.sign_in.base import Key
from email_core.sign_in.entra import LEEWAY_SECONDS, LONGEST_PRINCIPAL, LONGEST_TOKEN, EntraSignIn
from email_core.sign_in.signing_keys import SigningKeys
from email_core.stores.memory import MemoryAppSendersStore
from email_core.users import User
from tests.support.doors import Doors, open_doors
from tests.support.entra import (
    ANN,
    API,
    BILLING,
    BOB,
    OTHER_TENANT,
    TENANT,
    Issuer,
    jwk,
    principal,
    private_key,
    running_issuer,
    signed_with_the_public_key,
    unsigned,
)

LIST = "/api/emails"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


async def strangers(user_id):
    """No user is known."""


def sign_in(issuer: Issuer, *, trusts_platform: bool = False, users=strangers) -> EntraSignIn:
    settings = replace(issuer.settings, trusts_platform=trusts_platform)
    allowed = AllowedSenders(MemoryAppSendersStore(), utc_now)
    return EntraSignIn(settings, SigningKeys(settings.keys_address), allowed, users)


@pytest.fixture
def doors(issuer) -> Iterator[Doors]:
    with open_doors(sign_in=sign_in(issuer)) as opened:
        yield opened


@pytest.fixture
def platform_doors(issuer) -> Iterator[Doors]:
    """Behind App Service Authentication."""
    with open_doors(sign_in=sign_in(issuer, trusts_platform=True)) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def status(doors: Doors, **headers: str) -> int:
    return (await doors.call("GET", LIST, **headers)).status


async def detail(doors: Doors, **headers: str) -> str:
    answer = await doors.call("GET", LIST, **headers)
    assert answer.status == 401, answer.body
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return answer.json["detail"]


# ---- who gets in


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_app_gets_in(doors, issuer, scheme):
    assert await status(doors, authorization=f"{scheme} {issuer.of_app('Email.Read')}") == 200


async def test_person_gets_in(doors, issuer):
    assert await status(doors, **bearer(issuer.of_person())) == 200


async def test_token_of_version_1_gets_in(doors, issuer):
    claims = {"ver": "1.0", "iss": f"https://sts.windows.net/{TENANT}/", "azp": None, "appid": BILLING}
    token = issuer.of_app("Email.Read", **claims, aud=f"api://{TENANT}/email")
    assert await status(doors, **bearer(token)) == 200


@pytest.mark.parametrize("changes", [{"exp": 30 - LEEWAY_SECONDS}, {"nbf": LEEWAY_SECONDS - 30}])
async def test_clocks_may_differ_a_little(doors, issuer, changes):
    now = int(time.time())
    token = issuer.of_app("Email.Read", **{name: now + seconds for name, seconds in changes.items()})
    assert await status(doors, **bearer(token)) == 200


async def test_nobody_gets_in_without_a_token(doors):
    answer = await doors.call("GET", LIST)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json["title"] == "You are not signed in"


async def test_health_is_open(doors):
    assert (await doors.get("/api/health")).status == 200


async def test_function_keys_open_nothing(doors):
    assert (await doors.call("GET", f"{LIST}?code=secret", x_functions_key="secret")).status == 401


# ---- what does not get in: the claims

HOUR = 3600


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": BILLING}, "another API"),
        ({"aud": None}, "lacks a claim"),
        ({"aud": [API]}, "another API"),
        ({"aud": [API, BILLING]}, "another API"),
        ({"aud": API.upper() + "0"}, "another API"),
        ({"iss": "https://evil.example/11111111-1111-1111-1111-111111111111/v2.0"}, "another issuer"),
        ({"iss": f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"}, "another issuer"),
        ({"iss": None}, "lacks a claim"),
        ({"iss": f"https://sts.windows.net/{TENANT}/"}, "not that of its version"),
        ({"iss": f"https://sts.windows.net/{TENANT}/", "ver": None}, "not that of its version"),
        ({"iss": f"https://sts.windows.net/{TENANT}", "ver": "1.0"}, "another issuer"),
        ({"ver": "1.0"}, "not that of its version"),
        ({"tid": OTHER_TENANT}, "another tenant"),
        ({"tid": None}, "another tenant"),
        ({"oid": None, "sub": "x"}, "whose it is"),
        ({"oid": "ann"}, "whose it is"),
        ({"azp": "billing"}, "which application"),
        ({"azp": None}, "no access token"),  # as an ID token, which is for the app that signed the person in
        ({"sub": "another"}, "no access token"),
        ({"exp": None}, "lacks a claim"),
        ({"nbf": None}, "lacks a claim"),
        ({"exp": "tomorrow"}, "cannot be read"),
    ],
    ids=str,
)
async def test_token_with_other_claims_is_refused(doors, issuer, claims, said):
    assert said in await detail(doors, **bearer(issuer.of_app("Email.Admin", **claims)))


@pytest.mark.parametrize(
    ("name", "seconds", "said"),
    [
        ("exp", -LEEWAY_SECONDS - 1, "expired"),
        ("exp", -HOUR, "expired"),
        ("nbf", LEEWAY_SECONDS + 5, "not valid yet"),
        ("iat", HOUR, "not valid yet"),
    ],
)
async def test_token_of_another_time_is_refused(doors, issuer, name, seconds, said):
    token = issuer.of_app("Email.Admin", **{name: int(time.time()) + seconds})
    assert said in await detail(doors, **bearer(token))


# ---- what does not get in: the signature


async def test_unsigned_token_is_refused(doors, issuer):
    claims = jwt.decode(issuer.of_app("Email.Admin"), options={"verify_signature": False})
    for algorithm in ("none", "None", "NONE", "RS256"):
        assert await detail(doors, **bearer(unsigned(claims, algorithm)))


async def test_public_key_is_no_secret_to_sign_with(doors, issuer):
    public = private_key("first").public_key()
    claims = jwt.decode(issuer.of_app("Email.Admin"), options={"verify_signature": False})
    for octets in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        assert "RS256" in await detail(doors, **bearer(signed_with_the_public_key(claims, octets)))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_another_algorithm_is_refused(doors, issuer, algorithm):
    token = issuer.token({"oid": ANN, "sub": ANN, "azp": BILLING}, algorithm=algorithm)
    assert "RS256" in await detail(doors, **bearer(token))


async def test_key_of_the_attacker_under_the_name_of_a_real_one_is_refused(doors, issuer):
    token = issuer.of_app("Email.Admin", key="attacker", headers={"kid": "first"})
    assert "signature" in await detail(doors, **bearer(token))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
async def test_key_that_the_token_brings_is_not_used(doors, issuer, name):
    values = {"jwk": jwk("attacker"), "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/", "x5c": ["MII="]}
    token = issuer.of_app("Email.Admin", key="attacker", headers={"kid": "first", name: values[name]})
    assert "signature" in await detail(doors, **bearer(token))


async def test_token_that_asks_for_more_than_we_know_is_refused(doors, issuer):
    assert await detail(doors, **bearer(issuer.of_app("Email.Admin", headers={"crit": ["exp"]})))


async def test_changed_claims_are_refused(doors, issuer):
    header, _, signature = issuer.of_app().split(".")
    _, payload, _ = issuer.of_app("Email.Admin").split(".")
    assert "signature" in await detail(doors, **bearer(f"{header}.{payload}.{signature}"))


async def test_unknown_keys_are_asked_for_once(issuer):
    with open_doors(sign_in=sign_in(issuer)) as doors:
        await status(doors, **bearer(issuer.of_app("Email.Read")))
        before = issuer.fetches
        for number in range(50):
            token = issuer.of_app("Email.Admin", key="attacker", headers={"kid": f"forged-{number}"})
            assert "not among" in await detail(doors, **bearer(token))
        assert issuer.fetches == before


async def test_nobody_is_signed_in_while_the_keys_cannot_be_had():
    with running_issuer() as issuer:
        issuer.is_down = True
        with open_doors(sign_in=sign_in(issuer)) as doors:
            answer = await doors.call("GET", LIST, **bearer(issuer.of_app("Email.Admin")))
    assert (answer.status, answer.json["title"]) == (503, "Nobody can be signed in at this moment")


# ---- what does not get in: the header

NESTED = base64.urlsafe_b64encode(b"[" * 3000).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer a.b.c.d.e",
        "Bearer ....",
        "Bearer e30.e30.e30",
        f"Bearer {NESTED}.e30.e30",
        "Bearer " + "a" * 4000 + "." + "b" * 4000 + ".c",
        "Bearer " + "a." * 1000,
        "Bearer " + "a" * LONGEST_TOKEN + ".b.c",
        "Bearer " + "é.é.é",
        "Basic YW5uOnNlY3JldA==",
        "Negotiate YII=",
    ],
    ids=lambda value: value[:24],
)
async def test_header_that_holds_no_token_is_refused(doors, value):
    assert await detail(doors, authorization=value)


async def test_two_tokens_are_refused(doors, issuer):
    """Hosts join headers of one name by commas."""
    token = issuer.of_app("Email.Read")
    assert await detail(doors, authorization=f"Bearer {token},Bearer {token}")
    assert await detail(doors, authorization=f"Bearer {token}, {token}")


async def test_token_that_is_too_long_is_refused_unread(doors, issuer):
    assert "none" in await detail(doors, **bearer(issuer.of_app("Email.Read", padding="x" * LONGEST_TOKEN)))


# ---- roles


@pytest.mark.parametrize(
    ("roles", "method", "url", "needed"),
    [
        ((), "POST", "/api/emails", "Email.Send"),
        (("Email.Read",), "POST", "/api/emails", "Email.Send"),
        (("Email.Send", "Email.Read"), "GET", "/api/providers", "Email.Admin"),
        (("email.admin", "Email.Admin ", "Mail.Send", "Directory.Read.All"), "GET", "/api/providers", "Email.Admin"),
    ],
)
async def test_role_that_is_missing_is_named(doors, issuer, roles, method, url, needed):
    answer = await doors.call(method, url, b"{}", "application/json", **bearer(issuer.of_app(*roles)))
    assert (answer.status, answer.json["role"]) == (403, needed)
    assert needed in answer.json["detail"]


async def test_roles_count_only_as_a_list_of_texts(doors, issuer):
    for roles in ({"Email.Admin": True}, [["Email.Admin"]], [{"value": "Email.Admin"}], 1):
        answer = await doors.call("GET", "/api/providers", **bearer(issuer.of_app(**{"roles": roles})))
        assert answer.status == 403


async def test_roles_in_other_claims_count_for_nothing(doors, issuer):
    token = issuer.of_app(role="Email.Admin", wids=["Email.Admin"], groups=["Email.Admin"], scope="Email.Admin")
    assert (await doors.call("GET", "/api/providers", **bearer(token))).status == 403


async def test_administrator_has_the_other_roles(doors, issuer):
    token = issuer.of_app("Email.Admin")
    assert (await doors.call("GET", "/api/providers", **bearer(token))).status == 200
    body = b'{"from": "ann@contoso.com", "to": ["bob@example.com"]}'
    assert (await doors.call("POST", "/api/emails", body, "application/json", **bearer(token))).status == 202


# ---- App Service Authentication

OF_ANN = {"tid": TENANT, "oid": ANN, "sub": "pairwise", "name": "Ann", "preferred_username": "ann@contoso.com"}
OF_BOB = OF_ANN | {"oid": BOB, "name": "Bob", "preferred_username": "bob@contoso.com"}
LONG_NAMES = {
    "http://schemas.microsoft.com/identity/claims/tenantid": TENANT,
    "http://schemas.microsoft.com/identity/claims/objectidentifier": ANN,
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": "Email.Admin",
}


async def test_forged_principal_is_not_looked_at(doors, issuer):
    forged = principal(OF_ANN | {"roles": "Email.Admin"})
    assert await status(doors, x_ms_client_principal=forged) == 401
    headers = {"x_ms_client_principal": forged} | bearer(issuer.of_person())
    assert (await doors.call("GET", "/api/providers", **headers)).status == 403  # no role came from it


async def test_other_headers_of_the_platform_are_never_looked_at(platform_doors):
    headers = {"x_ms_client_principal_id": ANN, "x_ms_client_principal_name": "ann@contoso.com"}
    assert await status(platform_doors, **headers, x_ms_token_aad_access_token="x") == 401


@pytest.mark.parametrize("claims", [OF_ANN | {"roles": ["Email.Send", "Email.Admin"]}, LONG_NAMES])
async def test_person_whom_the_platform_signed_in_gets_in(platform_doors, claims):
    answer = await platform_doors.call("GET", "/api/providers", x_ms_client_principal=principal(claims))
    assert answer.status == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "!",
        "e30",
        "e30=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b"[" * 20_000).decode(),
        base64.b64encode(json.dumps({"auth_typ": "aad", "claims": {"oid": ANN}}).encode()).decode(),
        base64.b64encode(json.dumps({"auth_typ": "aad", "claims": [["oid", ANN]]}).encode()).decode(),
        principal(OF_ANN, auth_typ="github"),
        principal(OF_ANN | {"tid": OTHER_TENANT}),
        principal(OF_ANN | {"aud": BILLING}),
        principal({"oid": ANN}),
        principal({"tid": TENANT}),
        principal(OF_ANN | {"oid": [ANN, BOB]}),
        principal(OF_ANN | {"idp": [f"https://sts.windows.net/{OTHER_TENANT}/", "live.com"]}),
        principal(OF_ANN) + "," + principal(OF_ANN),
        principal(OF_ANN) + "\n",
        principal(OF_ANN | {"padding": "x" * LONGEST_PRINCIPAL}),
    ],
    ids=lambda value: value[:24],
)
async def test_principal_that_is_none_is_refused(platform_doors, value):
    assert await detail(platform_doors, x_ms_client_principal=value)


async def test_token_and_principal_of_one_person_get_in(platform_doors, issuer):
    assert await status(platform_doors, x_ms_client_principal=principal(OF_ANN), **bearer(issuer.of_person())) == 200


async def test_token_and_principal_that_differ_are_refused(platform_doors, issuer):
    headers = {"x_ms_client_principal": principal(OF_BOB)} | bearer(issuer.of_person())
    assert "somebody else" in await detail(platform_doors, **headers)


async def test_wrong_token_is_refused_whatever_the_principal(platform_doors, issuer):
    token = issuer.of_person(exp=int(time.time()) - HOUR)
    assert "expired" in await detail(platform_doors, x_ms_client_principal=principal(OF_ANN), **bearer(token))


# ---- which user a person is

OFF = "66666666-6666-6666-6666-666666666666"
KNOWN = {
    ANN: User(id="ann-by-object", email="ann@contoso.com"),
    "bob@contoso.com": User(id="bob@contoso.com", email="bob@contoso.com"),
    OFF: User(id=OFF, email="bob@contoso.com", enabled=False),
}


async def known(user_id):
    return KNOWN.get(user_id)


async def user_of(issuer: Issuer, token: str) -> str | None:
    return (await sign_in(issuer, users=known).caller(bearer(token), key=Key.NONE)).user


@pytest.mark.parametrize(
    ("changes", "user"),
    [
        ({"oid": ANN, "upn": "somebody@contoso.com"}, "ann-by-object"),
        ({"oid": BOB, "upn": "bob@contoso.com"}, "bob@contoso.com"),
        ({"oid": BOB, "upn": "BOB@Contoso.com"}, "bob@contoso.com"),
        ({"oid": BOB, "upn": "nobody@contoso.com", "email": "bob@contoso.com"}, None),
        ({"oid": BOB, "upn": "nobody@contoso.com", "unique_name": "bob@contoso.com"}, None),
        ({"oid": BOB, "upn": "bob@contoso.com", "idp": f"https://sts.windows.net/{OTHER_TENANT}/"}, None),
        ({"oid": BOB, "upn": "bob@contoso.com", "idp": "live.com"}, None),
        ({"oid": BOB, "upn": "bob@contoso.com", "acct": 1}, None),
        ({"oid": BOB, "upn": ["bob@contoso.com"]}, None),
        ({"oid": OFF, "upn": "bob@contoso.com"}, None),  # whom an administrator disabled
    ],
    ids=str,
)
async def test_person_is_known_by_what_cannot_be_chosen(issuer, changes, user):
    own = {name: value for name, value in changes.items() if name != "upn"}
    assert await user_of(issuer, issuer.of_person(**own, upn=changes["upn"])) == user


async def test_app_is_no_user(issuer):
    assert await user_of(issuer, issuer.of_app("Email.Send", oid=ANN, sub=ANN)) is None


# ---- the log


async def test_nothing_of_a_token_is_logged_or_told(doors, issuer, caplog):
    caplog.set_level(logging.DEBUG)
    good, expired = issuer.of_person(), issuer.of_person(exp=int(time.time()) - HOUR)
    forged = issuer.of_app("Email.Admin", key="attacker", headers={"kid": "leaking-name"})
    answers = [await doors.call("GET", LIST, **bearer(token)) for token in (good, expired, forged, "leak.leak.leak")]
    told = caplog.text + "".join(answer.body.decode() for answer in answers)
    for secret in (*good.split("."), *expired.split("."), "leak", "ann@contoso.com"):
        assert secret not in told
