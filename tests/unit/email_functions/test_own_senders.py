"""As whom a caller sends, from the token to the answer: apps as administrators say, persons as themselves."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from email_core.assembly import chosen_sign_in, install, subsystem
from email_core.sign_in.signing_keys import SigningKeys
from email_core.stores.memory import memory_stores
from tests.support.doors import Doors, open_doors, small_email
from tests.support.entra import API, BILLING, BOB, TENANT, Issuer, private_key

ENTRA = {"EmailAccess__mode": "entra", "EmailAccess__tenantId": TENANT, "EmailAccess__audience": API}
ISSUER = Issuer()


async def key_of_the_issuer(keys: SigningKeys, kid: str) -> object:
    return private_key(kid).public_key()


@pytest.fixture
async def doors(monkeypatch) -> AsyncIterator[Doors]:
    """As the assembly builds it, but that no key is fetched."""
    monkeypatch.setattr(SigningKeys, "key", key_of_the_issuer)
    with open_doors() as opened:
        stores = replace(memory_stores(), app_senders=opened.app_senders, users=opened.users)
        install(replace(await subsystem(), sign_in=chosen_sign_in(ENTRA, stores)))
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


ADMINISTRATOR = bearer(ISSUER.of_app("Email.Admin", azp=API))
APP = bearer(ISSUER.of_app("Email.Send"))
ANN = bearer(ISSUER.of_person("Email.Send"))


async def sent_as(doors: Doors, headers: dict[str, str], address: str, **fields: str) -> int:
    return (await doors.post("/api/emails", small_email(**{"from": address}, **fields), **headers)).status


async def test_app_sends_as_anybody_until_it_is_limited(doors):
    assert await sent_as(doors, APP, "bob@contoso.com") == 202


async def limited(doors: Doors, *senders: str) -> None:
    body = b'{"senders": [%s]}' % ",".join(f'"{sender}"' for sender in senders).encode()
    answer = await doors.call("PUT", f"/api/apps/{BILLING}", body, "application/json", **ADMINISTRATOR)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("ann@contoso.com", 202),
        ("ANN@Contoso.com", 202),
        ("weekly@news.contoso.com", 202),
        ("bob@contoso.com", 403),
        ("ann@sub.news.contoso.com", 403),
        ("ann@news.contoso.com.evil.example", 403),
    ],
)
async def test_limited_app_sends_as_those_it_may(doors, address, status):
    await limited(doors, "ann@contoso.com", "@news.contoso.com")
    assert await sent_as(doors, APP, address) == status
    raw = f"From: {address}\r\nTo: bob@example.com\r\nSubject: Hi\r\n\r\nHello\r\n".encode()
    assert (await doors.call("POST", "/api/emails", raw, "message/rfc822", **APP)).status == status


@pytest.mark.parametrize("name", ["Sender", "Resent-From", "resent-sender"])
@pytest.mark.parametrize(("agent", "status"), [("bob@contoso.com", 403), ("ANN@contoso.com", 202), ("a@b@c", 422)])
async def test_limited_app_says_in_no_header_that_another_sends(doors, name, agent, status):
    await limited(doors, "ann@contoso.com")
    raw = f"From: ann@contoso.com\r\nTo: bob@example.com\r\n{name}: {agent}\r\n\r\nHello\r\n".encode()
    assert (await doors.call("POST", "/api/emails", raw, "message/rfc822", **APP)).status == status


async def test_person_says_in_no_header_that_another_sends(doors):
    await known(doors, "ann")
    raw = b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSender: bob@contoso.com\r\n\r\nHello\r\n"
    for person in (ANN, bearer(ISSUER.of_person())):
        assert (await doors.call("POST", "/api/emails", raw, "message/rfc822", **person)).status == 403


async def test_address_that_only_folds_to_an_allowed_one_is_another(doors):
    await limited(doors, "strasse@contoso.com")
    assert await sent_as(doors, APP, "straße@contoso.com") == 403


async def test_app_itself_lifts_no_limit(doors):
    await limited(doors, "ann@contoso.com")
    for method in ("PUT", "DELETE", "GET"):
        answer = await doors.call(method, f"/api/apps/{BILLING}", b'{"senders": []}', "application/json", **APP)
        assert answer.status == 403


async def test_person_sends_as_themselves_and_nobody_else(doors):
    assert await sent_as(doors, ANN, "ann@contoso.com") == 202
    assert await sent_as(doors, ANN, "bob@contoso.com") == 403


async def test_person_without_a_role_sends_their_own_mail_and_an_app_without_one_none(doors):
    await known(doors, "ann")
    person, app = bearer(ISSUER.of_person()), bearer(ISSUER.of_app())
    own, others = small_email(**{"from": None}), small_email(**{"from": "bob@contoso.com"})
    assert (await doors.post("/api/emails", own, **person)).status == 202
    assert (await doors.post("/api/eml", own, **person)).status == 200
    stored = [record.sender.address for record, _ in doors.emails.inserted]
    await doors.post("/api/emails", others, **person)
    assert {record.sender.address for record, _ in doors.emails.inserted} == {*stored} == {"ann@contoso.com"}
    assert (await doors.post("/api/emails", own, **app)).json["role"] == "Email.Send"


async def test_person_who_is_nobody_known_sends_nothing_without_a_role(doors):
    assert (await doors.post("/api/emails", small_email(), **bearer(ISSUER.of_person()))).status == 403


async def known(doors: Doors, name: str) -> None:
    body = f'{{"email": "{name}@contoso.com"}}'.encode()
    answer = await doors.call("PUT", f"/api/users/{name}@contoso.com", body, "application/json", **ADMINISTRATOR)
    assert answer.status == 201


async def test_disabled_person_sends_nothing_whatever_their_role(doors):
    await doors.know("ann@contoso.com", email="ann@contoso.com", enabled=False)
    assert await sent_as(doors, ANN, "ann@contoso.com") == 403
    assert (await doors.post("/api/emails", small_email(**{"from": None}), **ANN)).status == 422  # no default sender


async def test_person_sends_on_behalf_of_nobody_else(doors):
    await known(doors, "ann")
    await known(doors, "bob")
    statuses = [
        (await doors.post("/api/emails", small_email(**{"from": None}, user=f"{user}@contoso.com"), **ANN)).status
        for user in ("ann", "bob")
    ]
    assert statuses == [202, 403]


async def test_person_sees_what_was_sent_on_their_behalf(doors):
    await doors.call(
        "PUT", "/api/users/ann@contoso.com", b'{"email": "ann@contoso.com"}', "application/json", **ADMINISTRATOR
    )
    answer = await doors.post("/api/emails", small_email(**{"from": None}, user="ANN@contoso.com"), **APP)
    url = answer.json["links"]["self"]
    without_a_role = bearer(ISSUER.of_person())
    assert (await doors.call("GET", url, **without_a_role)).status == 200
    assert (await doors.call("GET", f"{url}/eml", **without_a_role)).status == 200
    bob = bearer(ISSUER.of_person(oid=BOB, upn="bob@contoso.com"))
    assert (await doors.call("GET", url, **bob)).status == 404
