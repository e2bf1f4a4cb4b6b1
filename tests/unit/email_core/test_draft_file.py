import email
import ntpath
from dataclasses import replace
from email.policy import default

import pytest

from email_core.draft_file import LONGEST_NAME_OCTETS, draft_of_email, draft_of_message, file_name
from email_core.message import Address, Attachment, Message
from email_core.mime import build_mime
from tests.support.emails import NOON
from tests.support.emails import email as record_of

BOB, EVE = Address("bob@example.com", "Bob"), Address("eve@example.com", "Évé")
MESSAGE = Message(
    sender=Address("ann@contoso.com", "Ann"),
    to=(BOB,),
    bcc=(EVE,),
    subject="März",
    text="plain",
    html='<img src="cid:logo">',
    attachments=(Attachment("logo.png", "image/png", b"\x89PNG", inline=True, content_id="logo"),),
)


def parsed(draft):
    return email.message_from_bytes(draft.content, policy=default)


def test_draft_opens_ready_to_send_with_its_bcc():
    draft = parsed(draft_of_message(MESSAGE))
    assert (draft["X-Unsent"], draft["From"], draft["Subject"]) == ("1", "Ann <ann@contoso.com>", "März")
    assert (draft["To"], draft["Bcc"]) == ("Bob <bob@example.com>", "Évé <eve@example.com>")
    assert (draft["Date"], draft["Message-ID"], draft.defects) == (None, None, [])


def test_draft_shows_its_inline_images():
    draft = parsed(draft_of_message(MESSAGE))
    html = draft.get_body(("related", "html"))
    assert html.get_content_type() == "multipart/related"
    assert [part["Content-ID"] for part in html.iter_attachments()] == ["<logo>"]


def test_draft_may_lack_what_its_user_adds():
    draft = parsed(draft_of_message(Message(text="Hello")))
    assert [draft[name] for name in ("From", "To", "Bcc")] == [None, None, None]
    assert draft.get_content().strip() == "Hello"


def test_accepted_email_as_a_draft_has_its_bcc_again_and_is_no_copy():
    mime = build_mime(MESSAGE, "1", NOON).mime
    draft = parsed(draft_of_email(record_of(bcc=(EVE, BOB)), mime))
    assert (draft["X-Unsent"], draft["Bcc"]) == ("1", "Évé <eve@example.com>, Bob <bob@example.com>")
    assert (draft["Date"], draft["Message-ID"]) == (None, None)
    assert draft.get_body(("plain",)).get_content().strip() == "plain"


def test_finished_mime_that_was_a_draft_already_is_one_once():
    mime = b"x-unsent: 1\r\nBcc: x@y.example\r\nFrom: ann@contoso.com\r\n\r\nbody"
    draft = draft_of_email(record_of(), mime)
    assert draft.content == b"X-Unsent: 1\r\nFrom: ann@contoso.com\r\n\r\nbody"


NAMES = [
    ("Statement", "Statement.eml"),
    ("Kontoauszug für März", "Kontoauszug für März.eml"),
    ('Re: a/b\\c: <d> "e" | f? *', "Re a b c d e f.eml"),
    ("../../etc/passwd", "etc passwd.eml"),
    ("", "email.eml"),
    (" . ", "email.eml"),
    ("ends with a dot.", "ends with a dot.eml"),
    ("con", "_con.eml"),
    ("LPT1.txt", "_LPT1.txt.eml"),
    ("contract", "contract.eml"),
    ("CON .txt", "_CON .txt.eml"),
    ("conin$", "_conin$.eml"),
    ("a\r\nb\tc\0d", "a b c d.eml"),
    ("invoice\u202efdp.exe", "invoice fdp.exe.eml"),
    ("x" * 500, "x" * 100 + ".eml"),
    ("\N{GRINNING FACE}" * 300, "\N{GRINNING FACE}" * 50 + ".eml"),
    ("e\u0301", "\u00e9.eml"),
]


@pytest.mark.parametrize(("subject", "name"), NAMES)
def test_name_is_one_that_every_system_takes(subject, name):
    assert file_name(subject) == name
    assert len(name.encode()) <= LONGEST_NAME_OCTETS + len("_.eml")
    assert ntpath.basename(name) == name


def test_draft_tells_nothing_in_its_repr():
    draft = draft_of_message(replace(MESSAGE, subject="hidden"))
    assert "hidden" not in repr(draft)
    assert "eve" not in repr(draft)
