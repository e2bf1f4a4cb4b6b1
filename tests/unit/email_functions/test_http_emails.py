"""The doors as a caller sees them: a request in, a response out, over memory stores."""

import base64
import logging
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from email_core.errors import StorageUnavailable
from email_core.record import Mode
from tests.support.doors import open_doors, small_email
from tests.support.memory import traced
from tests.unit.email_functions.test_email_schema import EXAMPLE, FILE

MIME = b"From: Ann <ann@contoso.com>\r\nTo: bob@example.com\r\nBcc: sue@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"


# ---- accept


async def test_an_email_is_accepted_kept_and_its_doorbell_rung(doors):
    await doors.know("ann", email="ann@contoso.com")
    answer = await doors.post("/api/emails", EXAMPLE)
    [(record, mime)] = doors.emails.inserted
    [(doorbell, delay)] = doors.doorbells.rung
    own = f"/api/emails/{record.id}"
    assert (answer.status, answer.headers["Location"]) == (202, own)
    assert answer.json == {
        "id": record.id,
        "status": "Unsent",
        "links": {"self": own, "eml": f"{own}/eml", "cancel": f"{own}/cancel"},
    }
    assert (doorbell.email_id, doorbell.mode, delay) == (record.id, Mode.BATCH, timedelta(0))
    assert message_from_bytes(mime, policy=default)["Subject"] == "Statement"


async def test_a_body_without_a_content_type_is_read_as_json(doors):
    answer = await doors.call("POST", "/api/emails", b'{"from": "ann@contoso.com", "to": ["bob@example.com"]}')
    assert answer.status == 202


async def test_interactive_mail_rings_at_its_own_door(doors):
    await doors.accepted(mode="interactive")
    assert doors.doorbells.rung[0][0].mode is Mode.INTERACTIVE


async def test_mail_of_later_rings_later(doors):
    await doors.accepted(send_at=(datetime.now(UTC) + timedelta(minutes=1)).isoformat())
    assert timedelta(seconds=50) < doors.doorbells.rung[0][1] <= timedelta(minutes=1)


async def test_finished_mime_is_accepted_without_its_bcc(doors):
    await doors.know("ann", email="ann@contoso.com")
    answer = await doors.post_mime(MIME, "?mode=interactive&user=ann&code=key")
    [(record, mime)] = doors.emails.inserted
    assert answer.status == 202
    assert (record.mode, record.user, record.recipients) == (
        Mode.INTERACTIVE,
        "ann",
        ("bob@example.com", "sue@example.com"),
    )
    assert b"sue@" not in mime
    assert mime.endswith(b"\r\n\r\nHello\r\n")


@pytest.mark.parametrize("content_type", ["message/rfc822", "Message/RFC822; charset=x", "message/rfc822 ;x=y"])
async def test_a_media_type_is_read_without_case_and_parameters(doors, content_type):
    assert (await doors.call("POST", "/api/emails", MIME, content_type)).status == 202


async def test_the_parameters_sender_is_taken_where_the_app_names_none():
    with open_doors(default_sender="office@contoso.com") as doors:
        await doors.accepted(**{"from": None})
    assert doors.emails.inserted[0][0].sender.address == "office@contoso.com"


async def test_500_recipients_are_accepted_in_one_email(doors):
    half = [f"user{number}@example.com" for number in range(250)]
    await doors.accepted(to=half, bcc=[f"hidden{address}" for address in half])
    assert len(doors.emails.inserted[0][0].recipients) == 500


async def test_a_doorbell_that_cannot_be_put_loses_no_email(doors, monkeypatch):
    async def ring(*_):
        raise StorageUnavailable("put a doorbell")

    monkeypatch.setattr(doors.doorbells, "ring", ring)
    email = await doors.accepted()
    assert (await doors.get(email["links"]["self"])).json["status"] == "Unsent"


# ---- dry run


@pytest.mark.parametrize("fields", [{}, {"send_at": "2199-01-01T00:00:00+01:00"}])
async def test_a_dry_run_tells_what_would_happen_and_stores_nothing(doors, fields):
    await doors.know("ann", email="ann@contoso.com")
    answer = await doors.post("/api/emails", EXAMPLE | fields | {"bcc": ["sue@example.com"], "dry_run": True})
    assert answer.status == 200
    told = answer.json
    assert told.pop("size") > 500
    assert told == {
        "dry_run": True,
        "mode": "batch",
        "user": "ann",
        "provider": "smtp",
        "from": {"address": "ann@contoso.com", "name": "Ann"},
        "rules": [
            "From ann@contoso.com because it is the address of the user ann.",
            "Through smtp because it is the batch provider.",
        ],
        "recipients": ["bob@example.com", "eve@example.com", "sue@example.com"],
        "send_at": "2198-12-31T23:00:00.000Z" if fields else None,
        "expires_at": "2199-01-30T23:00:00.000Z" if fields else told["expires_at"],
    }
    assert doors.nothing_happened


async def test_finished_mime_can_be_tried_dry_too(doors):
    answer = await doors.post_mime(MIME, "?dry_run=true")
    assert (answer.status, answer.json["recipients"]) == (200, ["bob@example.com", "sue@example.com"])
    assert doors.nothing_happened


async def test_a_dry_run_asked_for_in_the_wrong_place_sends_nothing(doors):
    answer = await doors.post("/api/emails?dry_run=true", small_email())
    assert (answer.status, answer.pointers) == (422, ["?dry_run"])
    assert doors.nothing_happened


# ---- bad input

PAST, FUTURE = "2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"to": []}, ["/to"]),
        ({"to": ["bob"]}, ["/to/0"]),
        ({"cc": ["bob@example.com", {"address": "bob@"}]}, ["/cc/1"]),
        ({"bcc": ["@example.com"]}, ["/bcc/0"]),
        ({"from": "ann@@contoso.com"}, ["/from"]),
        ({"reply_to": ["x"]}, ["/reply_to/0"]),
        ({"subject": "a\r\nBcc: eve@example.com"}, ["/subject"]),
        ({"headers": {"Bcc": "eve@example.com"}}, ["/headers/Bcc"]),
        ({"headers": {"X-A": "1", "x-a": "2"}}, ["/headers"]),
        ({"surprise": True}, ["/surprise"]),
        ({"attachments": [FILE | {"content": "not base64!"}]}, ["/attachments/0/content"]),
        ({"template": "welcome"}, ["/template"]),
        ({"provider": "pigeon"}, ["/provider"]),
        ({"provider": ""}, ["/provider"]),
        ({"user": "me"}, ["/user"]),
        ({"send_at": "2199-01-01T00:00:00"}, ["/send_at"]),
        ({"expires_at": PAST}, ["/expires_at"]),
        ({"send_at": FUTURE, "expires_at": FUTURE}, ["/expires_at"]),
        ({"send_at": FUTURE, "expires_at": "2198-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"to": [f"user{number}@example.com" for number in range(501)]}, ["/to"]),
        (
            {"to": [f"u{n}@example.com" for n in range(300)], "cc": [f"v{n}@example.com" for n in range(201)]},
            ["/to"],
        ),
        ({"from": None}, ["/from"]),
        ({"from": None, "user": "nobody"}, ["/user"]),
        ({"to": [], "expires_at": PAST, "provider": "graph"}, ["/to", "/expires_at", "/provider"]),
        ({"to": [], "expires_at": PAST, "from": None}, ["/to", "/expires_at", "/from"]),
        ({"metadata": {"order": "a\nb"}}, ["/metadata/order"]),
    ],
)
async def test_bad_input_is_pointed_at_and_nothing_is_stored(doors, fields, pointers):
    answer = await doors.post("/api/emails", small_email(**fields))
    assert (answer.status, answer.media_type) == (422, "application/problem+json")
    assert answer.pointers == pointers
    assert {"type", "title", "status", "detail", "errors"} == set(answer.json)
    assert answer.headers["X-Request-Id"]
    assert doors.nothing_happened


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b" ", 400), (b"{", 400), (b"\xff\xfe", 400), (b"To: x", 400), (b"[]", 422), (b"null", 422)],
)
async def test_a_body_that_is_no_json_object_is_refused(doors, body, status):
    answer = await doors.call("POST", "/api/emails", body, "application/json")
    assert (answer.status, answer.media_type, answer.pointers) == (status, "application/problem+json", [""])
    assert doors.nothing_happened


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "json", "*/*"],
)
async def test_a_body_of_another_type_is_refused(doors, content_type):
    answer = await doors.call("POST", "/api/emails", b"{}", content_type)
    assert answer.status == 415
    assert "application/json or message/rfc822" in answer.json["detail"]
    assert doors.nothing_happened


@pytest.mark.parametrize(
    ("raw", "query", "pointer"),
    [
        (b"", "", "/From"),
        (b"garbage", "", ""),
        (b"From: ann@contoso.com\r\n\r\nx", "", "/To"),
        (b"From: ann@contoso.com\r\nTo: bob\r\n\r\nx", "", "/To"),
        (MIME, "?mode=fast", "?mode"),
        (MIME, "?subject=x", "?subject"),
        (MIME, "?send_at=2199-01-01T00:00:00", "?send_at"),
        (MIME, "?provider=pigeon", "?provider"),
        (MIME, f"?expires_at={PAST}", "?expires_at"),
    ],
)
async def test_bad_finished_mime_is_pointed_at_and_nothing_is_stored(doors, raw, query, pointer):
    answer = await doors.post_mime(raw, query)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert doors.nothing_happened


@pytest.mark.parametrize("kind", ["json", "mime"])
async def test_mail_over_the_limit_is_refused_with_both_sizes(kind):
    content = bytes(1024 * 1024)
    with open_doors(attachment_size_limit=1) as doors:
        if kind == "json":
            file = FILE | {"content": base64.b64encode(content).decode()}
            answer = await doors.post("/api/emails", small_email(attachments=[file]))
        else:
            answer = await doors.post_mime(MIME + content)
    assert (answer.status, answer.json["limit"]) == (413, 1024 * 1024)
    assert answer.json["size"] > 1024 * 1024
    assert doors.nothing_happened


async def test_fields_are_to_be_mended_before_the_size():
    with open_doors(attachment_size_limit=0) as doors:
        answer = await doors.post("/api/emails", small_email(to=[], expires_at=PAST))
    assert (answer.status, answer.pointers) == (422, ["/to", "/expires_at"])


async def test_mail_up_to_the_limit_is_taken():
    with open_doors(attachment_size_limit=1) as doors:
        probe = await doors.post_mime(MIME, "?dry_run=true")
        answer = await doors.post_mime(MIME + bytes(1024 * 1024 - probe.json["size"]))
    assert answer.status == 202


@pytest.mark.parametrize(("kind", "times"), [("json", 2), ("mime", 1)])
async def test_a_large_email_is_accepted_with_few_copies_of_it(doors, kind, times):
    encoded = base64.b64encode(bytes(3_000_000))
    with traced() as allocated:
        if kind == "json":
            before = (
                b'{"from": "ann@contoso.com", "to": ["bob@example.com"], "attachments": [{"name": "a", "content": "'
            )
            body, content_type = before + encoded + b'"}]}', "application/json"
        else:
            body, content_type = MIME + encoded, "message/rfc822"
        answer = await doors.call("POST", "/api/emails", body, content_type)
    assert answer.status == 202
    assert allocated.peak < (1 + times + 0.3) * len(body)  # 1: the request's own


async def test_without_a_provider_mail_is_refused_as_not_configured():
    with open_doors(providers=False) as doors:
        answer = await doors.post("/api/emails", small_email())
        others = await doors.get("/api/emails")
    assert (answer.status, others.status) == (503, 200)  # the rest of the app works
    assert "smtp_server is not set" in answer.json["detail"]
    assert doors.nothing_happened


# ---- read


async def test_an_email_is_read_as_it_was_accepted(doors):
    await doors.know("ann", email="ann@contoso.com")
    body = EXAMPLE | {"bcc": ["sue@example.com"], "send_at": "2199-01-01T01:00:00+01:00"}
    accepted = (await doors.post("/api/emails", body)).json
    read = (await doors.get(accepted["links"]["self"])).json
    record = doors.emails.inserted[0][0]
    assert read == {
        "id": accepted["id"],
        "status": "Unsent",
        "mode": "batch",
        "provider": "smtp",
        "user": "ann",
        "from": {"address": "ann@contoso.com", "name": "Ann"},
        "to": [{"address": "bob@example.com", "name": ""}, {"address": "eve@example.com", "name": "Eve"}],
        "cc": [],
        "bcc": [{"address": "sue@example.com", "name": ""}],
        "subject": "Statement",
        "size": record.size,
        "send_at": "2199-01-01T00:00:00.000Z",
        "expires_at": "2199-01-31T00:00:00.000Z",
        "ended_at": None,
        "held": False,
        "content_deleted": False,
        "deferrals": 0,
        "deferred": None,
        "attempts": [],
        "recipients": [
            {"address": address, "status": "Unsent", "reply": None, "diagnosis": None}
            for address in ("bob@example.com", "eve@example.com", "sue@example.com")
        ],
        "message_id": f"<{accepted['id']}@contoso.com>",
        "metadata": {"order": "42"},
        "diagnosis": None,
        "links": accepted["links"],
        "waits_for": None,
    } | {name: read[name] for name in ("created_at", "updated_at", "next_attempt_at")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read["created_at"])


async def test_the_content_is_read_as_a_file(doors):
    accepted = await doors.accepted(bcc=["sue@example.com"])
    answer = await doors.get(accepted["links"]["eml"])
    assert (answer.status, answer.media_type) == (200, "message/rfc822")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{accepted["id"]}.eml"'
    assert answer.body == doors.emails.inserted[0][1]
    assert b"sue@" not in answer.body


@pytest.mark.parametrize("email_id", ["8227505999999-03-k3j9x2m4pqrs", "x", "%2e%2e", "8227505999999-03-K3J9X2M4PQRS"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/eml"), ("POST", "/cancel")])
async def test_an_unknown_email_is_not_found(doors, method, rest, email_id):
    answer = await doors.call(method, f"/api/emails/{email_id}{rest}")
    assert (answer.status, answer.media_type) == (404, "application/problem+json")


async def test_status_of_the_other_view_is_refused(doors):
    for query in ("status=Unsent", "view=unsent&status=Sent"):
        assert (await doors.get(f"/api/emails?{query}")).pointers == ["?status"]


# ---- cancel


async def test_draft_of_a_canceled_email_is_discarded(doors):
    links = (await doors.accepted())["links"]
    (stored,) = [one async for one in doors.emails.waiting((await doors.emails.unsettled_partitions())[0])]
    await doors.emails.update(stored, replace(stored.record, handle="draft"))
    assert (await doors.post(links["cancel"])).status == 200
    assert doors.provider.discarded == ["draft"]


async def test_a_canceled_email_has_ended_and_cannot_be_canceled_again(doors):
    links = (await doors.accepted())["links"]
    canceled = await doors.post(links["cancel"])
    assert (canceled.status, canceled.json["status"]) == (200, "Canceled")
    assert canceled.json["ended_at"]
    assert "cancel" not in canceled.json["links"]
    again = await doors.post(links["cancel"])
    assert (again.status, again.json["email_status"]) == (409, "Canceled")


# ---- list


async def ids(doors, query):
    answer = await doors.get(f"/api/emails?{query}")
    assert answer.status == 200, answer.json
    return [item["id"] for item in answer.json["items"]]


@pytest.fixture
async def filled(doors):
    """Two unsent emails and a canceled one."""
    await doors.know("ann", email="ann@contoso.com")
    doors.first = await doors.accepted(subject="First Statement", to=["bob@bücher.example"], user="ann")
    doors.second = await doors.accepted(subject="Second", mode="interactive", **{"from": "eve@contoso.com"})
    canceled = await doors.accepted(subject="Third statement")
    await doors.post(canceled["links"]["cancel"])
    doors.third = canceled
    return doors


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["third"]),
        ("view=history", ["third"]),
        ("view=unsent", ["second", "first"]),
        ("view=unsent&status=Unsent", ["second", "first"]),
        ("status=Canceled", ["third"]),
        ("view=unsent&sender=EVE@contoso.com", ["second"]),
        ("view=unsent&recipient=bob@b%C3%BCcher.example", ["first"]),
        ("view=unsent&recipient=bob@xn--bcher-kva.example", ["first"]),
        ("view=unsent&mode=interactive", ["second"]),
        ("view=unsent&user=ann", ["first"]),
        ("view=unsent&provider=smtp", ["second", "first"]),
        ("view=unsent&provider=graph", []),
        ("view=unsent&q=STATEMENT", ["first"]),
        ("view=unsent&from=2020-01-01T00:00:00Z&to=2199-01-01T00:00:00%2B01:00", ["second", "first"]),
        ("view=unsent&to=2020-01-01T00:00:00Z", []),
        ("view=unsent&code=key", ["second", "first"]),
    ],
)
async def test_a_list_holds_what_its_filters_let_pass(filled, query, found):
    # Emails of one millisecond have no order among them: only what is found is compared.
    assert sorted(await ids(filled, query)) == sorted(getattr(filled, name)["id"] for name in found)


async def test_pages_follow_each_other_until_nothing_is_left(doors):
    accepted = {(await doors.accepted(subject=str(number)))["id"] for number in range(5)}
    found, url = [], "/api/emails?view=unsent&limit=2"
    pages = 0
    while url:
        page = (await doors.get(url)).json
        found += [item["id"] for item in page["items"]]
        url = page["next"] and f"/api/emails?view=unsent&limit=2&cursor={page['next']}"
        pages += 1
    assert (pages, len(found), set(found)) == (3, 5, accepted)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=501", "?limit"),
        ("limit=many", "?limit"),
        ("cursor=x", "?cursor"),
        ("from=2026-03-02T12:00:00", "?from"),
        ("view=all", "?view"),
        ("status=unsent", "?status"),
        ("recipient=bob", "?recipient"),
        ("surprise=1", "?surprise"),
    ],
)
async def test_a_wrong_filter_is_a_problem(doors, query, pointer):
    answer = await doors.get(f"/api/emails?{query}")
    assert (answer.status, answer.media_type, answer.pointers) == (422, "application/problem+json", [pointer])


# ---- when the storage fails


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "/api/emails"),
        ("GET", "/api/emails"),
        ("GET", "/api/emails/8227505999999-03-k3j9x2m4pqrs"),
        ("GET", "/api/emails/8227505999999-03-k3j9x2m4pqrs/eml"),
        ("POST", "/api/emails/8227505999999-03-k3j9x2m4pqrs/cancel"),
    ],
)
@pytest.mark.parametrize(
    ("failure", "status"), [(StorageUnavailable("work"), 503), (RuntimeError("ann.secret@contoso.com"), 500)]
)
async def test_a_storage_that_fails_is_a_problem_of_its_own(doors, method, url, failure, status):
    doors.emails.failure = failure
    body = (
        b'{"from": "ann@contoso.com", "to": ["bob@example.com"]}' if (method, url) == ("POST", "/api/emails") else b""
    )
    answer = await doors.call(method, url, body)
    assert (answer.status, answer.media_type) == (status, "application/problem+json")
    assert answer.headers["X-Request-Id"]
    assert "secret" not in answer.body.decode()
    assert doors.nothing_happened


# ---- what must not be said

SECRETS = re.compile(r"ann\.private|bob\.private|PRIVATE|cHJpdmF0ZQ|hunter2")
PRIVATE_EMAIL = {
    "from": {"address": "ann.private@contoso.com", "name": "PRIVATE"},
    "to": ["bob.private@example.com"],
    "subject": "PRIVATE",
    "text": "PRIVATE",
    "html": "PRIVATE",
    "attachments": [{"name": "PRIVATE.txt", "content": "cHJpdmF0ZQ=="}],
    "headers": {"X-Token": "hunter2"},
    "metadata": {"token": "hunter2"},
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dry_run": True},
        {"to": ["bob.private@@example.com"]},
        {"to": [{"address": "bob.private@¡PRIVATE.example"}]},
        {"from": "ann.private"},
        {"subject": "PRIVATE\n"},
        {"text": ["PRIVATE"]},
        {"headers": {"X-Token": "hunter2\n"}},
        {"headers": {"X-Token": "hunter2" * 200}},
        {"metadata": {"token": "hunter2" * 200}},
        {"attachments": [{"name": "PRIVATE\n", "content": "PRIVATE!"}]},
        {"send_at": "PRIVATE"},
        {"user": "PRIVATE" * 20},
        {"mode": "PRIVATE"},
        {"template": "PRIVATE"},
        {"expires_at": PAST},
        {"to": []},
    ],
)
async def test_neither_log_nor_problem_tells_what_was_in_the_email(doors, caplog, fields):
    with caplog.at_level(logging.DEBUG):
        answer = await doors.post("/api/emails", PRIVATE_EMAIL | fields)
    assert not SECRETS.search(caplog.text)
    if answer.media_type == "application/problem+json":
        assert not SECRETS.search(answer.body.decode())


async def test_a_doorbell_that_fails_is_logged_without_the_email(doors, caplog, monkeypatch):
    async def ring(*_):
        raise StorageUnavailable("put a doorbell")

    monkeypatch.setattr(doors.doorbells, "ring", ring)
    await doors.post("/api/emails", PRIVATE_EMAIL)
    assert "doorbell could not be put" in caplog.text
    assert not SECRETS.search(caplog.text)


@pytest.mark.parametrize("failure", [StorageUnavailable("work"), RuntimeError("boom")])
async def test_a_storage_that_fails_is_logged_without_the_email(doors, caplog, failure):
    doors.emails.failure = failure
    await doors.post("/api/emails", PRIVATE_EMAIL)
    assert len(caplog.records) == 1
    assert not SECRETS.search(caplog.text)


async def test_nothing_that_is_kept_prints_what_was_in_the_email(doors):
    await doors.post("/api/emails", PRIVATE_EMAIL)
    record, mime = doors.emails.inserted[0]
    stored = await doors.emails.get(record.id)
    assert b"ann.private" in mime
    assert not SECRETS.search(repr((record, stored, doors.doorbells.rung)))


async def test_a_refused_finished_mime_is_not_repeated(doors, caplog):
    with caplog.at_level(logging.DEBUG):
        answer = await doors.post_mime(b"From: ann.private@@contoso.com\r\nX-Token: hunter2\r\n\r\nPRIVATE")
    assert answer.status == 422
    assert not SECRETS.search(answer.body.decode() + caplog.text)


async def test_unknown_user_without_from_never_sends_as_the_default_sender():
    with open_doors(default_sender="office@contoso.com") as doors:
        answer = await doors.post("/api/emails", small_email(**{"from": None}, user="ann"))
        assert (answer.status, answer.pointers) == (422, ["/user"])
        assert doors.nothing_happened


@pytest.mark.parametrize("name", ["user", "provider", "sender", "recipient"])
async def test_filter_longer_than_what_it_looks_for_is_refused(doors, name):
    """The storage refuses an address of so many characters, which would be told as a failure of ours."""
    answer = await doors.get(f"/api/emails?view=unsent&{name}={'a' * 20_000}")
    assert (answer.status, answer.pointers) == (422, [f"?{name}"])
