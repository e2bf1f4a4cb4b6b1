"""The header of a redirected message, as mail programs read it."""

from email import message_from_bytes
from email.policy import default

import pytest

from email_core.mime import redirected_head

ONE = ("bob@example.com",)


def redirected(head, recipients=ONE, bcc=()):
    return redirected_head(head.encode(), "test@contoso.com", recipients=recipients, bcc=bcc)


def read(head, **about):
    return message_from_bytes(redirected(head, **about) + b"\r\n", policy=default)


def test_recipients_of_the_header_become_the_original_ones():
    message = read(
        "From: ann@contoso.com\r\nTo: Bob <bob@example.com>,\r\n eve@example.com\r\nCC: c@example.com\r\n"
        "Resent-To: r@example.com\r\nSubject: S\r\n",
        bcc=("x@example.com", "y@example.com"),
    )
    assert message.get_all("To") == ["test@contoso.com"]
    assert message["X-Original-To"] == "Bob <bob@example.com>, eve@example.com"
    assert message["X-Original-CC"] == "c@example.com"
    assert message["X-Original-Bcc"] == "x@example.com, y@example.com"
    assert [message[name] for name in ("Cc", "Bcc", "Resent-To")] == [None, None, None]
    assert message["From"] == "ann@contoso.com"


@pytest.mark.parametrize(
    ("subject", "recipients", "shown"),
    [
        ("Subject: Statement", ONE, "[to bob@example.com] Statement"),
        ("SUBJECT:Statement", ONE, "[to bob@example.com] Statement"),
        ("Subject: a\r\n b", ONE, "[to bob@example.com] a b"),
        ("Subject: =?utf-8?q?M=C3=A4rz?=", ONE, "[to bob@example.com] März"),
        ("Subject:", ONE, "[to bob@example.com]"),
        ("X-Other: 1", ONE, "[to bob@example.com]"),
        ("Subject: S", ("a@x.org", "b@x.org", "c@x.org"), "[to a@x.org, b@x.org, c@x.org] S"),
        ("Subject: S", ("a@x.org", "b@x.org", "c@x.org", "d@x.org"), "[to a@x.org, b@x.org, c@x.org and 1 more] S"),
    ],
)
def test_subject_begins_with_for_whom_it_was(subject, recipients, shown):
    assert read(f"From: ann@contoso.com\r\n{subject}\r\n", recipients=recipients)["Subject"] == shown


def test_everything_else_stays_as_it_was():
    others = "Content-Type: multipart/signed; boundary=x;\r\n\tmicalg=sha-256\r\nX-A: 1\r\nReply-To: r@contoso.com\r\n"
    assert others.encode() in redirected(f"To: bob@example.com\r\n{others}Subject: S\r\n")


def test_signature_of_the_old_header_goes():
    assert b"dkim" not in redirected("DKIM-Signature: v=1;\r\n h=to:subject\r\nTo: bob@example.com\r\n").lower()


def test_no_line_is_longer_than_a_server_takes():
    to = f"{'a' * 73}@{'example.' * 114}org"
    head = redirected(f"To: {to}\r\nSubject: {'x' * 985}\r\n", recipients=(f"a@{'x' * 200}",) * 4)
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert f"X-Original-To:\r\n {to}\r\n".encode() in head
