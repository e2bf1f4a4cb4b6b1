"""The main job on real parts: an app posts an email over HTTP, it is sent by SMTP, its history can be read."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import httpx
import pytest

from email_client import Email, EmailClient, EmailError, attachment
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


@pytest.fixture(scope="module")
def client(app) -> Iterator[EmailClient]:
    with EmailClient(str(app.base_url), trust_env=False) as client:
        yield client


def post(client: EmailClient, **fields) -> str:
    return client.send({"from": "ann@contoso.com", "text": "Hello"} | fields)["id"]


@pytest.mark.parametrize("mode", ["batch", "interactive"])
def test_posted_email_arrives_and_its_record_says_so(client, inbox, mode):
    email_id = post(
        client,
        mode=mode,
        to=[{"address": f"{mode}@example.com", "name": "Jörg, Buchhaltung"}],
        bcc=["audit@example.com"],
        subject="Kontoauszug für März – 3 Seiten",
        attachments=[attachment("Auszug März.pdf", PDF)],
    )
    record = client.wait(email_id)
    arrived = inbox.one_to(f"{mode}@example.com")
    message = message_from_bytes(arrived.content, policy=default)
    assert (record["status"], record["attempts"][0]["reply"]) == ("Sent", arrived.reply)
    assert message["Subject"] == "Kontoauszug für März – 3 Seiten"
    assert message["To"].addresses[0].display_name == "Jörg, Buchhaltung"
    assert message["Message-ID"] == record["message_id"]
    assert [(one.get_filename(), one.get_content()) for one in message.iter_attachments()] == [("Auszug März.pdf", PDF)]
    assert arrived.recipients == [f"{mode}@example.com", "audit@example.com"]
    assert message["Bcc"] is None


def test_finished_mime_arrives_without_its_bcc(app, client, inbox):
    raw = b"From: ann@contoso.com\nTo: mime@example.com\nBcc: hidden@example.com\nSubject: Raw\n\nAs it is.\n"
    answer = app.post("/api/emails", content=raw, headers={"Content-Type": "message/rfc822"})
    assert client.wait(answer.json()["id"])["status"] == "Sent"
    arrived = inbox.one_to("mime@example.com")
    assert arrived.recipients == ["mime@example.com", "hidden@example.com"]
    assert b"hidden" not in arrived.content
    assert arrived.content.endswith(b"\r\n\r\nAs it is.\r\n")


def test_refused_email_is_listed_as_failed_with_the_server_s_reason(client):
    email_id = post(client, to=["refused@example.com"], subject="Nobody")
    assert client.wait(email_id)["status"] == "Failed"
    listed = client.list(status="Failed", recipient="refused@example.com")
    assert [(one["id"], one["recipients"][0]["reply"]) for one in listed] == [(email_id, "550 5.1.1 no such mailbox")]


def test_partly_refused_email_is_sent_and_names_the_refused(client):
    record = client.wait(post(client, to=["refused@example.com", "partly@example.com"]))
    assert record["status"] == "Sent"
    assert [one["status"] for one in record["recipients"]] == ["Failed", "Sent"]


def test_deferred_email_waits_in_the_unsent_view_and_says_when_it_is_tried_again(client):
    email_id = post(client, to=["later@example.com"])

    def tried() -> Email | None:
        unsent = client.list(view="unsent", recipient="later@example.com")
        return next((one for one in unsent if one["attempts"]), None)

    record = eventually(tried)
    assert (record["id"], record["status"]) == (email_id, "Unsent")
    assert record["next_attempt_at"] > record["attempts"][0]["at"]


def test_content_is_read_back_as_it_was_sent(client, inbox):
    email_id = post(client, to=["content@example.com"])
    client.wait(email_id)
    assert client.eml(email_id) == inbox.one_to("content@example.com").content


def test_scheduled_email_can_be_canceled_once(client):
    email_id = post(client, to=["never@example.com"], send_at="2099-01-01T00:00:00Z")
    assert client.cancel(email_id)["status"] == "Canceled"
    with pytest.raises(EmailError) as refused:
        client.cancel(email_id)
    assert refused.value.status == 409


def test_canceled_email_is_sent_when_it_is_resent(client, inbox):
    email_id = post(client, to=["again@example.com"], send_at="2099-01-01T00:00:00Z")
    client.cancel(email_id)
    again = client.wait(client.resend(email_id)["id"])
    assert (again["status"], again["metadata"]["resend_of"]) == ("Sent", email_id)
    assert inbox.one_to("again@example.com")


def test_batch_has_an_answer_for_each_email_and_the_good_ones_arrive(client, inbox):
    good = {"from": "ann@contoso.com", "to": ["many@example.com"], "text": "Hello"}
    first, second = client.batch([good, good | {"to": []}])
    assert (first["status"], second["status"], second["problem"]["errors"][0]["pointer"]) == (202, 422, "/to")
    assert client.wait(first["id"])["status"] == "Sent"
    assert inbox.one_to("many@example.com")


def test_draft_is_a_message_for_the_user_s_own_mail_app(client):
    draft = message_from_bytes(client.draft({"to": ["bob@example.com"], "subject": "Draft"}), policy=default)
    assert (draft["X-Unsent"], draft["Subject"]) == ("1", "Draft")


def test_list_can_be_had_as_a_file(app, client):
    email_id = post(client, to=["csv@example.com"], subject="=1+1")
    client.wait(email_id)
    answer = app.get("/api/emails.csv", params={"recipient": "csv@example.com"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'"{email_id}","Sent"' in answer.text
    assert '"\'=1+1"' in answer.text


def test_time_to_send_that_has_passed_means_now(client):
    email_id = post(client, to=["scheduled@example.com"], send_at="2020-01-01T00:00:00Z")
    assert client.wait(email_id)["status"] == "Sent"


def test_health_is_ok(app):
    assert app.get("/api/health").json() == {"status": "ok"}
