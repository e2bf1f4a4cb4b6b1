"""`/api/users` as a caller sees it; who may is the core's (test_user_directory.py)."""

import pytest

from email_core.errors import StorageUnavailable
from email_core.record import Mode
from email_core.sign_in.base import KeySignIn
from email_core.users import User, UserOptions
from tests.support.doors import IdleProvider, open_doors, small_email

ANN = {
    "id": "Ann",
    "name": "Ånn 王 🌍",
    "email": "ann@contoso.com",
    "external": True,
    "company": "USMF",
    "enabled": False,
}
DEFAULTS = {"name": "", "email": None, "external": False, "company": "", "enabled": True}
OPTIONS = {
    "provider": None,
    "last_choice": None,
    "ask_again": True,
    "sender": None,
    "workflow_notifications": False,
    "choices": ["smtp", "eml"],
}


# ---- users


async def test_user_is_added_read_changed_and_deleted(doors):
    added = await doors.put("/api/users/Ann", ANN)
    assert (added.status, added.json) == (201, ANN)
    changed = await doors.put("/api/users/ann", {"email": "new@contoso.com"})
    assert (changed.status, changed.json) == (200, {"id": "ann"} | DEFAULTS | {"email": "new@contoso.com"})
    assert (await doors.get("/api/users/ANN")).json == changed.json
    assert (await doors.call("DELETE", "/api/users/ann")).status == 204
    for gone in (await doors.get("/api/users/ann"), await doors.call("DELETE", "/api/users/ann")):
        assert (gone.status, gone.json["title"]) == (404, "There is no such user")


async def test_emails_of_a_deleted_user_stay(doors):
    await doors.know("ann", email="ann@contoso.com")
    accepted = await doors.accepted(user="ann")
    await doors.call("DELETE", "/api/users/ann")
    assert (await doors.get(accepted["links"]["self"])).json["user"] == "ann"


async def test_address_of_a_user_is_kept_as_mail_needs_it(doors):
    assert (await doors.put("/api/users/ann", {"email": "ann@bücher.example"})).json[
        "email"
    ] == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("ann", {"id": "bob"}, "/id"),
        ("me", {}, "/id"),
        ("a b", {}, "/id"),
        ("x" * 129, {}, "/id"),
        ("ann", {"email": "ann"}, "/email"),
        ("ann", {"email": ""}, "/email"),
        ("ann", {"name": "a\nb"}, "/name"),
        ("ann", {"name": "é" * 161}, "/name"),
        ("ann", {"company": "x" * 129}, "/company"),
        ("ann", {"external": "yes"}, "/external"),
        ("ann", {"enabled": "yes"}, "/enabled"),
        ("ann", {"provider": "smtp"}, "/provider"),
        ("ann", [], ""),
    ],
)
async def test_user_that_makes_no_sense_is_pointed_at_and_not_stored(doors, path, body, pointer):
    answer = await doors.put(f"/api/users/{path}", body)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert (await doors.get("/api/users")).json["items"] == []


async def test_id_in_the_body_may_repeat_the_path_s(doors):
    assert (await doors.put("/api/users/ann", {"id": "ANN"})).json["id"] == "ann"


async def test_users_are_listed_page_by_page(doors):
    for user_id in ("carol", "ann", "bob"):
        await doors.know(user_id, enabled=user_id != "bob")
    first = (await doors.get("/api/users?limit=2")).json
    second = (await doors.get(f"/api/users?limit=2&cursor={first['next']}")).json
    assert [one["id"] for one in first["items"] + second["items"]] == ["ann", "bob", "carol"]
    assert (first["items"][0], second["next"]) == ({"id": "ann"} | DEFAULTS, None)
    assert [one["id"] for one in (await doors.get("/api/users?enabled=true&q=A")).json["items"]] == ["ann", "carol"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=501", "?limit"),
        ("cursor=a/b", "?cursor"),
        ("enabled=x", "?enabled"),
        ("x=1", "?x"),
    ],
)
async def test_list_asked_for_wrongly_is_refused(doors, query, pointer):
    answer = await doors.get(f"/api/users?{query}")
    assert (answer.status, answer.pointers) == (422, [pointer])


async def test_caller_who_is_no_known_user_is_told_so(doors):
    for answer in (await doors.get("/api/users/me"), await doors.get("/api/users/me/options")):
        assert answer.status == 404
        assert "there is no `me` locally" in answer.json["detail"]


# ---- options


async def test_options_are_the_defaults_until_they_are_changed(doors):
    await doors.know("ann")
    assert (await doors.get("/api/users/ann/options")).json == OPTIONS
    changes = {"provider": "eml", "ask_again": False, "sender": "Shared@contoso.com", "workflow_notifications": True}
    changed = await doors.patch("/api/users/ann/options", changes)
    assert (changed.status, changed.json) == (200, OPTIONS | changes)
    reset = await doors.patch("/api/users/ann/options", {"provider": None, "sender": None})
    assert reset.json == OPTIONS | {"ask_again": False, "workflow_notifications": True}
    assert (await doors.get("/api/users/ann/options")).json == reset.json


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"provider": "graph"}, "/provider"),
        ({"provider": 1}, "/provider"),
        ({"sender": "support"}, "/sender"),
        ({"ask_again": None}, "/ask_again"),
        ({"last_choice": "smtp"}, "/last_choice"),
        ({"name": "Ann"}, "/name"),
    ],
)
async def test_options_that_make_no_sense_are_pointed_at_and_not_kept(doors, body, pointer):
    await doors.know("ann")
    answer = await doors.patch("/api/users/ann/options", {"workflow_notifications": True} | body)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert (await doors.users.get("ann")).options == UserOptions()


# ---- mail


class Graph(IdleProvider):
    name = "graph"


@pytest.fixture
def two_ways():
    with open_doors(more_providers={"graph": Graph()}) as opened:
        yield opened


async def test_person_is_asked_then_what_they_chose_is_used_until_they_reset_it(two_ways):
    await two_ways.know("ann", email="ann@contoso.com")
    email = {"to": ["bob@example.com"], "user": "ann", "mode": "interactive"}
    asked = await two_ways.post("/api/emails", email)
    assert (asked.status, asked.json["type"], asked.json["choices"]) == (
        409,
        "choose-provider",
        ["smtp", "graph", "eml"],
    )
    assert two_ways.nothing_happened
    chose = await two_ways.post("/api/emails", email | {"provider": "graph"})
    again = await two_ways.post("/api/emails", email)
    assert (chose.status, again.status) == (202, 202)
    assert [record.provider for record, _ in two_ways.emails.inserted] == ["graph", "graph"]
    await two_ways.patch("/api/users/ann/options", {"provider": None})
    assert (await two_ways.post("/api/emails", email)).status == 409


async def test_dry_run_remembers_nothing(two_ways):
    await two_ways.know("ann", email="ann@contoso.com")
    email = {"to": ["bob@example.com"], "user": "ann", "mode": "interactive", "provider": "graph", "dry_run": True}
    assert (await two_ways.post("/api/emails", email)).json["provider"] == "graph"
    assert (await two_ways.users.get("ann")).options == UserOptions()


async def test_person_who_chose_their_own_mail_app_is_sent_there(two_ways):
    await two_ways.know("ann", email="ann@contoso.com")
    email = {"to": ["bob@example.com"], "user": "ann", "mode": "interactive"}
    draft = await two_ways.post("/api/eml", email | {"provider": "eml"})
    sent_there = await two_ways.post("/api/emails", email)
    assert (draft.status, draft.media_type) == (200, "message/rfc822")
    assert (sent_there.status, sent_there.json["type"]) == (409, "use-mail-app")
    assert sent_there.json["links"] == {"eml": "/api/eml"}


CHOOSES_EML = {"provider": "eml", "mode": "interactive"}


@pytest.mark.parametrize("fields", [{}, {"provider": "eml"}, {"mode": "interactive"}, CHOOSES_EML | {"dry_run": True}])
async def test_draft_that_nobody_was_asked_for_is_not_remembered(two_ways, fields):
    await two_ways.know("ann")
    assert (await two_ways.post("/api/eml", {"user": "ann"} | fields)).status == 200
    assert (await two_ways.users.get("ann")).options == UserOptions()


@pytest.mark.parametrize("call", ["/api/emails", "/api/eml"])
@pytest.mark.parametrize("user", [{"user": "nobody"}, {"user": "off"}])
async def test_unknown_and_disabled_user_is_pointed_at(doors, call, user):
    await doors.know("off", enabled=False)
    answer = await doors.post(call, small_email(**user))
    assert (answer.status, answer.pointers) == (422, ["/user"])
    assert doors.nothing_happened


async def test_record_names_the_user_as_they_are_written_and_who_handed_it_over(doors):
    await doors.know("Ann", email="ann@contoso.com", name="Ann")
    await doors.accepted(user="ANN", **{"from": None})
    [(record, mime)] = doors.emails.inserted
    assert (record.user, record.accepted_by, record.mode) == ("Ann", "local", Mode.BATCH)
    assert b"From: Ann <ann@contoso.com>" in mime


async def test_resent_email_keeps_user_mailbox_and_caller(two_ways):
    await two_ways.know("ann", email="ann@contoso.com", sender="support@contoso.com")
    first = await two_ways.accepted(user="ann", mode="interactive", provider="graph")
    await two_ways.post(first["links"]["cancel"])
    await two_ways.users.delete(await two_ways.users.get("ann"))
    await two_ways.post(first["links"]["self"] + "/resend")
    old, new = (record for record, _ in two_ways.emails.inserted)
    assert new.mailbox == "ann@contoso.com"
    for name in ("user", "mailbox", "accepted_by", "sender", "provider"):
        assert getattr(new, name) == getattr(old, name)


async def test_batch_has_each_email_s_own_user(doors):
    await doors.know("ann", email="ann@contoso.com")
    await doors.know("bob", email="bob@contoso.com")
    emails = [small_email(user=user, **{"from": None}) for user in ("ann", "nobody", "bob")]
    answer = await doors.post("/api/email-batches", {"emails": emails})
    assert [item["status"] for item in answer.json["items"]] == [202, 422, 202]
    assert [record.sender.address for record, _ in doors.emails.inserted] == ["ann@contoso.com", "bob@contoso.com"]


# ---- the import


async def test_import_adds_users_and_says_how_many(doors):
    csv = b"id,email,enabled\nann,ann@contoso.com,no\nbob,,\n"
    answer = await doors.call("POST", "/api/users/import", csv, "text/csv; charset=utf-8")
    assert (answer.status, answer.json) == (200, {"imported": 2})
    assert (await doors.users.get("ann")).user == User(id="ann", email="ann@contoso.com", enabled=False)
    assert (await doors.users.get("bob")).user == User(id="bob")


async def test_import_with_a_bad_line_stores_nothing(doors):
    answer = await doors.call("POST", "/api/users/import", b"id,email\nann,a@b.test\nbob,nobody\n", "text/csv")
    assert (answer.status, answer.pointers) == (422, ["line 3, email"])
    assert (await doors.get("/api/users")).json["items"] == []


async def test_import_of_another_type_is_refused(doors):
    assert (await doors.call("POST", "/api/users/import", b"[]", "application/json")).status == 415


async def test_import_that_ended_in_the_middle_says_where(doors, monkeypatch):
    async def fail(rows):
        raise StorageUnavailable("import users")

    monkeypatch.setattr(doors.users, "merge", fail)
    answer = await doors.call("POST", "/api/users/import", b"id\nann\n", "text/csv")
    assert (answer.status, answer.json["done"], answer.json["total"]) == (503, 0, 1)


# ---- by keys


async def test_with_keys_the_admin_key_opens_what_is_a_user_s_own():
    with open_doors(sign_in=KeySignIn()) as doors:
        await doors.know("ann", email="ann@contoso.com")
        assert (await doors.get("/api/users/ann")).status == 200
        answer = await doors.patch("/api/users/ann/options", {"sender": "office@contoso.com"})
        assert (answer.status, answer.json["sender"]) == (200, "office@contoso.com")
