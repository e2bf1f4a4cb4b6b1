"""The main job on real parts: an app posts an email over HTTP, it is sent by SMTP, its history can be read."""

import base64
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import httpx
import pytest

from tests.support.app import running_app
from tests.support.eventually import eventually
from tests.support.inbox import Inbox, running_inbox

pytestmark = pytest.mark.slow

PDF = b"%PDF-1.4 " + bytes(range(256)) * 400  # 100 KB: too large to stay beside its record


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with running_inbox() as inbox:
        yield inbox


@pytest.fixture(scope="module")
def app(azurite, inbox: Inbox) -> Iterator[httpx.Client]:
    with running_app(azurite.new_account(), inbox.port) as client:
        yield client


def post(app: httpx.Client, **body) -> str:
    answer = app.post("/api/emails", json={"from": "ann@contoso.com", "text": "Hello"} | body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    return answer.json()["id"]


def ended(app: httpx.Client, email_id: str) -> dict:
    def record():
        answer = app.get(f"/api/emails/{email_id}").json()
        return answer if answer["ended_at"] else None

    return eventually(record)


@pytest.mark.parametrize("mode", ["batch", "interactive"])
def test_posted_email_arrives_and_its_record_says_so(app, inbox, mode):
    attachment = {"name": "Auszug März.pdf", "content": base64.b64encode(PDF).decode()}
    email_id = post(
        app,
        mode=mode,
        to=[{"address": f"{mode}@example.com", "name": "Jörg, Buchhaltung"}],
        bcc=["audit@example.com"],
        subject="Kontoauszug für März – 3 Seiten",
        attachments=[attachment],
    )
    record = ended(app, email_id)
    arrived = inbox.one_to(f"{mode}@example.com")
    message = message_from_bytes(arrived.content, policy=default)
    assert (record["status"], record["attempts"][0]["reply"]) == ("Sent", arrived.reply)
    assert message["Subject"] == "Kontoauszug für März – 3 Seiten"
    assert message["To"].addresses[0].display_name == "Jörg, Buchhaltung"
    assert message["Message-ID"] == record["message_id"]
    assert [(one.get_filename(), one.get_content()) for one in message.iter_attachments()] == [("Auszug März.pdf", PDF)]
    assert arrived.recipients == [f"{mode}@example.com", "audit@example.com"]
    assert message["Bcc"] is None


def test_finished_mime_arrives_without_its_bcc(app, inbox):
    raw = b"From: ann@contoso.com\nTo: mime@example.com\nBcc: hidden@example.com\nSubject: Raw\n\nAs it is.\n"
    answer = app.post("/api/emails", content=raw, headers={"Content-Type": "message/rfc822"})
    assert ended(app, answer.json()["id"])["status"] == "Sent"
    arrived = inbox.one_to("mime@example.com")
    assert arrived.recipients == ["mime@example.com", "hidden@example.com"]
    assert b"hidden" not in arrived.content
    assert arrived.content.endswith(b"\r\n\r\nAs it is.\r\n")


def test_refused_email_is_listed_as_failed_with_the_server_s_reason(app):
    email_id = post(app, to=["refused@example.com"], subject="Nobody")
    assert ended(app, email_id)["status"] == "Failed"
    listed = app.get("/api/emails", params={"status": "Failed", "recipient": "refused@example.com"}).json()["items"]
    assert [(one["id"], one["recipients"][0]["reply"]) for one in listed] == [(email_id, "550 5.1.1 no such mailbox")]


def test_partly_refused_email_is_sent_and_names_the_refused(app):
    record = ended(app, post(app, to=["refused@example.com", "partly@example.com"]))
    assert record["status"] == "Sent"
    assert [one["status"] for one in record["recipients"]] == ["Failed", "Sent"]


def test_deferred_email_waits_in_the_unsent_view_and_says_when_it_is_tried_again(app):
    email_id = post(app, to=["later@example.com"])

    def tried() -> dict | None:
        unsent = app.get("/api/emails", params={"view": "unsent", "recipient": "later@example.com"}).json()["items"]
        return next((one for one in unsent if one["attempts"]), None)

    record = eventually(tried)
    assert (record["id"], record["status"]) == (email_id, "Unsent")
    assert record["next_attempt_at"] > record["attempts"][0]["at"]


def test_content_is_read_back_as_it_was_sent(app, inbox):
    email_id = post(app, to=["content@example.com"])
    ended(app, email_id)
    answer = app.get(f"/api/emails/{email_id}/eml")
    assert answer.headers["Content-Type"].startswith("message/rfc822")
    assert answer.content == inbox.one_to("content@example.com").content


def test_scheduled_email_can_be_canceled_once(app):
    email_id = post(app, to=["never@example.com"], send_at="2099-01-01T00:00:00Z")
    assert app.post(f"/api/emails/{email_id}/cancel").json()["status"] == "Canceled"
    assert app.post(f"/api/emails/{email_id}/cancel").status_code == 409


def test_time_to_send_that_has_passed_means_now(app):
    email_id = post(app, to=["scheduled@example.com"], send_at="2020-01-01T00:00:00Z")
    assert ended(app, email_id)["status"] == "Sent"


def test_health_is_ok(app):
    assert app.get("/api/health").json() == {"status": "ok"}
