"""The stand-in of Graph that is started by hand: what the inbox gets, and the troubles that it can be asked for."""

from email import message_from_bytes
from email.policy import default

import pytest

from dev.graph import LASTING, PASSING, Troubles, as_mime
from tests.fakes.graph import AFTER, Sent
from tests.support.azurite import ROOT

MIME = b"Bcc: eve@example.com\r\nFrom: ann@contoso.com\r\nTo: bob@example.com\r\nbcc: x@y.z\r\n\r\nBcc: stays\r\n"
GUIDE = (ROOT / "docs/how-to/register-graph-app.md").read_text()


def test_recipients_do_not_see_the_bcc_and_all_else_is_as_it_was():
    assert as_mime(Sent("a", mime=MIME)) == b"From: ann@contoso.com\r\nTo: bob@example.com\r\n\r\nBcc: stays\r\n"


def test_uploaded_image_is_shown_where_the_text_wants_it():
    about = {"name": "logo.png", "contentType": "image/png", "isInline": True, "contentId": "logo"}
    sent = Sent("a", mime=MIME, files={"logo.png": b"png"}, attached=[about])
    message = message_from_bytes(as_mime(sent), policy=default)
    (image,) = message.iter_attachments()
    assert (message["Bcc"], image["Content-ID"], image.get_content_type()) == (None, "<logo>", "image/png")
    assert (image.get_content_disposition(), image.get_content()) == ("inline", b"png")


def test_message_in_json_keeps_who_it_is_to():
    def people(address):
        return [{"emailAddress": {"address": address}}]

    said = {
        "from": people("ann@contoso.com")[0],
        "toRecipients": people("bob@example.com"),
        "ccRecipients": people("cid@example.com"),
        "bccRecipients": people("eve@example.com"),
        "subject": "Hello",
        "body": {"contentType": "text", "content": "Hello"},
    }
    message = message_from_bytes(as_mime(Sent("a", message=said)), policy=default)
    assert (message["To"], message["Cc"], message["Bcc"]) == ("bob@example.com", "cid@example.com", None)


@pytest.mark.parametrize("name", PASSING)
def test_passing_trouble_is_over_with_the_second_try_and_comes_with_the_next_email(name):
    troubles = Troubles()
    found = [troubles("sendMail", f"{name}@contoso.com") for _ in range(3)]
    assert found == [PASSING[name], None, PASSING[name]]
    assert troubles("proof", f"{name}@contoso.com") is None


@pytest.mark.parametrize(
    ("step", "mailbox", "status"),
    [
        ("sendMail", "no-consent@contoso.com", 403),
        ("sendMail", "Unknown@contoso.com", 404),
        ("sendMail", "no-large-mail@contoso.com", None),
        ("draft", "no-large-mail@contoso.com", 403),
        ("sendMail", "ann@contoso.com", None),
    ],
)
def test_lasting_trouble_is_there_each_time(step, mailbox, status):
    troubles = Troubles()
    for _ in range(2):
        assert getattr(troubles(step, mailbox), "status", None) == status


def test_answer_that_is_lost_is_lost_after_the_sending():
    assert Troubles()("sendMail", "lost@contoso.com") == AFTER


@pytest.mark.parametrize("name", [*PASSING, *LASTING, "no-large-mail"])
def test_each_trouble_is_in_the_guide(name):
    assert f"| `{name}@" in GUIDE
