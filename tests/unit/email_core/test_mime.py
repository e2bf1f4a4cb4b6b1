import base64
import random
import re
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_core.errors import InvalidEmail
from email_core.message import Address, Attachment, FinishedMessage, Importance, Message
from email_core.mime import adopt_mime, build_mime, renew_mime
from email_core.mime.adopt import LONGEST_HEAD
from tests.support.memory import traced

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EMAIL_ID = "8227505999999-03-k3j9x2m4pqrs"
ANN = Address("ann@contoso.com", "Ann")
BOB = Address("bob@example.com")
LONG_TOKEN = "<https://contoso.com/unsubscribe?token=" + "=?a" * 250 + ">"


def build(**fields):
    return build_mime(Message(**{"sender": ANN, "to": (BOB,), **fields}), EMAIL_ID, NOON)


def parsed(finished):
    return message_from_bytes(finished.mime, policy=default)


def sent(**fields):
    """The message as a mail program reads it, once its lines are what a server takes."""
    finished = build(**fields)
    check_lines(finished)
    return parsed(finished)


def check_lines(finished):
    lines = finished.mime.split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= 998


def header_lines(finished):
    return finished.mime.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def mailboxes(finished, name):
    """As (name, address), by the standard library's older parser: the newer one of Python 3.11 puts spaces between
    the encoded words of a name."""
    header = message_from_bytes(finished.mime, policy=compat32)[name].replace("\r\n", "")
    return [(str(make_header(decode_header(shown))), address) for shown, address in getaddresses([header])]


def shape(part):
    """The tree of content types: text, or [kind, part, ...]."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        return [part.get_content_subtype(), *map(shape, part.iter_parts())]
    return part.get_content_type()


# ---- headers


def test_the_headers_are_those_of_the_message_and_no_others():
    message = sent(cc=(ANN,), bcc=(Address("secret@example.com"),), reply_to=(BOB,), subject="Hi", text="x")
    assert message.keys() == [
        *("Date", "Message-ID", "From", "To", "Cc", "Reply-To", "Subject"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    ]


def test_bcc_never_reaches_the_wire():
    finished = build(to=(), bcc=(Address("secret@example.com", "Secret"),))
    assert b"secret" not in finished.mime.lower()
    assert finished.bcc == (Address("secret@example.com", "Secret"),)


def test_date_and_message_id_are_set():
    message = sent()
    assert message["Date"].datetime == NOON
    assert message["Message-ID"] == f"<{EMAIL_ID}@contoso.com>" == build().message_id


@pytest.mark.parametrize(
    ("importance", "headers"),
    [
        (Importance.LOW, ("Low", "5 (Lowest)")),
        (Importance.NORMAL, (None, None)),
        (Importance.HIGH, ("High", "1 (Highest)")),
    ],
)
def test_importance_is_shown_by_mail_programs_old_and_new(importance, headers):
    message = sent(importance=importance)
    assert (message["Importance"], message["X-Priority"]) == headers
    assert build(importance=importance).importance is importance


@pytest.mark.parametrize(
    ("header", "importance"),
    [("", Importance.NORMAL), ("High", Importance.HIGH), (" low ", Importance.LOW), ("urgent", Importance.NORMAL)],
)
def test_importance_of_finished_mime_is_that_of_its_header(header, importance):
    raw = f"From: ann@contoso.com\r\nTo: bob@example.com\r\nImportance: {header}\r\n\r\nHello"
    assert adopt_mime(raw.encode(), EMAIL_ID, NOON).importance is importance


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Statement",
        "Grüße aus Zürich",
        "日本語の件名" * 40,
        "😀" * 300,
        "an =?utf-8?q?encoded?= word",
        "=?",
        "x" * 998,
        "word " * 199 + "end",
        " a space before",
        "a space after ",
        "two  spaces",
        "wide" + " " * 900 + "space",
        " ",
        "tab-less\u00a0but not space-less",
        "Re: Subject: From: Bcc: eve@example.com",
    ],
)
def test_any_subject_arrives_as_it_was_given(subject):
    assert sent(subject=subject)["Subject"] == subject


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Ann Smith",
        "Smith, Ann",
        "Ann (at work)",
        'Ann "the boss" Smith',
        "Ann \\ Smith",
        "Ann <ann@elsewhere.example>",
        "ann@elsewhere.example",
        "Ann: Team;",
        "O'Neill-Smith Jr.",
        "Jürgen Müller",
        "Müller, Jürgen (Büro)",
        "日本 太郎",
        "Ann 😀",
        "=?utf-8?q?Ann?=",
        "a  b",
        "n" * 320,
        "name " * 63,
        "ü" * 320,
        "😀" * 320,
        '"' * 320,
    ],
)
def test_any_name_arrives_as_it_was_given(name):
    named = replace(BOB, name=name)
    finished = build(sender=replace(ANN, name=name), to=(named, BOB), reply_to=(named,))
    check_lines(finished)
    assert mailboxes(finished, "From") == [(name, "ann@contoso.com")]
    assert mailboxes(finished, "To") == [(name, "bob@example.com"), ("", "bob@example.com")]
    assert mailboxes(finished, "Reply-To") == [(name, "bob@example.com")]


def test_no_encoded_word_is_longer_than_a_reader_must_take():
    lines = header_lines(build(sender=replace(ANN, name="ü" * 320), subject="ü" * 998, headers={"X-Note": "ü" * 900}))
    words = [word for line in lines for word in line.split(" ") if word.startswith("=?")]
    assert len(words) > 100
    assert max(map(len, words)) <= 75
    assert max(len(line) for line in lines if "=?" in line) <= 76  # RFC 2047, 2


def test_a_non_ascii_local_part_is_written_in_utf8():
    finished = build(to=(Address("jürgen@example.com", "Jürgen"),))
    assert "<jürgen@example.com>".encode() in finished.mime
    message = message_from_string(finished.mime.decode(), policy=default)
    assert message["To"].addresses[0].addr_spec == "jürgen@example.com"


@pytest.mark.parametrize("name", ["List-Unsubscribe", "References", "In-Reply-To"])
@pytest.mark.parametrize("value", [LONG_TOKEN, f"{LONG_TOKEN} {LONG_TOKEN}", f"{LONG_TOKEN},  <mailto:u@contoso.com>"])
def test_a_long_token_is_never_cut(name, value):
    finished = build(headers={name: value})
    lines = header_lines(finished)
    assert [line.split(" ")[-1].strip(",") for line in lines].count(LONG_TOKEN) == value.count(LONG_TOKEN)
    assert max(map(len, lines)) <= 998


@pytest.mark.parametrize("value", ["42", "", "Grüße", "=?utf-8?q?x?=", "many words " * 50 + "end", " padded "])
def test_an_extra_header_arrives_as_it_was_given(value):
    assert sent(headers={"X-Order": value})["X-Order"] == value


def test_no_line_of_the_headers_is_empty_or_blank():
    finished = build(subject="x" * 70 + " " * 300, headers={"X-Wide": " " * 500})
    assert all(line.strip() for line in header_lines(finished))


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\0", "\x0b", "\x85", "\u2028"])
@pytest.mark.parametrize(
    "field",
    [
        lambda text: {"subject": text},
        lambda text: {"sender": replace(ANN, name=text)},
        lambda text: {"to": (replace(BOB, name=text),)},
        lambda text: {"headers": {"X-Order": text}},
        lambda text: {"headers": {"References": f"<a> {text} <b>"}},
    ],
    ids=["subject", "sender", "to", "header", "tokens"],
)
def test_a_line_break_can_never_make_a_header(field, character):
    try:
        message = parsed(build(**field(f"a{character}Bcc: eve@example.com")))
    except ValueError:
        return  # the doors refuse it before; this is the second lock
    assert "Bcc" not in message


_AWKWARD = st.sampled_from(
    ["=?", "?=", "=?utf-8?q?x?=", " ", "  ", '"', "\\", ",", "<", ">", "(", ")", "@", ":", "\u00a0", "é"]
)
_HEADER_TEXT = st.lists(
    st.one_of(_AWKWARD, st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)), max_size=12
).map("".join)


@settings(deadline=None)
@given(subject=_HEADER_TEXT, names=st.tuples(_HEADER_TEXT, _HEADER_TEXT), extra=_HEADER_TEXT)
def test_whatever_the_texts_are_exactly_our_headers_are_found_again(subject, names, extra):
    sender, recipient = replace(ANN, name=names[0]), replace(BOB, name=names[1])
    finished = build(sender=sender, to=(recipient,), subject=subject, headers={"X-E": extra})
    check_lines(finished)
    message = parsed(finished)
    assert message.keys() == [
        *("Date", "Message-ID", "From", "To", "Subject", "X-E"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    ]
    assert (message["Subject"], message["X-E"]) == (subject, extra)
    for name, address in (("From", sender), ("To", recipient)):
        assert [one.addr_spec for one in message[name].addresses] == [address.address]
        assert mailboxes(finished, name) == [(address.name, address.address)]


def test_500_recipients_are_built_in_milliseconds():
    recipients = tuple(Address(f"user{number}@example.com", f"Jürgen {number}") for number in range(500))
    started = time.perf_counter()
    finished = build(to=recipients, text="Hello")
    seconds = time.perf_counter() - started
    assert [one.addr_spec for one in parsed(finished)["To"].addresses] == [one.address for one in recipients]
    assert seconds < 0.2  # 0.02 s; the standard library's folding takes ten times that


# ---- body

PDF = Attachment("s.pdf", "application/pdf", b"%PDF")
LOGO = Attachment("logo.png", "image/png", b"\x89PNG", inline=True, content_id="logo@contoso.com")
TEXT, HTML = "text/plain", "text/html"


@pytest.mark.parametrize(
    ("fields", "tree"),
    [
        ({}, TEXT),
        ({"text": "t"}, TEXT),
        ({"html": "h"}, HTML),
        ({"text": "t", "html": "h"}, ["alternative", TEXT, HTML]),
        ({"attachments": (PDF,)}, ["mixed", TEXT, "application/pdf"]),
        ({"html": "h", "attachments": (LOGO,)}, ["related", HTML, "image/png"]),
        ({"html": "h", "attachments": (PDF, LOGO)}, ["mixed", ["related", HTML, "image/png"], "application/pdf"]),
        (
            {"text": "t", "html": "h", "attachments": (LOGO, LOGO)},
            ["alternative", TEXT, ["related", HTML, "image/png", "image/png"]],
        ),
        (
            {"text": "t", "html": "h", "attachments": (PDF, LOGO, PDF)},
            [
                "mixed",
                ["alternative", TEXT, ["related", HTML, "image/png"]],
                "application/pdf",
                "application/pdf",
            ],
        ),
    ],
)
def test_parts_stand_where_mail_programs_look_for_them(fields, tree):
    assert shape(sent(**fields)) == tree


@pytest.mark.parametrize("kind", ["text", "html"])
@pytest.mark.parametrize(
    "body",
    [
        "",
        "Hello",
        "Grüße 😀",
        "one\r\ntwo\nthree\rfour\n\nfive",
        ".\n..\n.\r\nQUIT",
        "From here\n>From there",
        "trailing \t\nspaces  ",
        "x" * 5000,
        "é" * 5000,
        "word " * 1000,
        "a\0b",
        "é\0" * 100,
        "\x01\x02\x07\x08\x1b\x7f",
        "form\x0cfeed\x0bvertical\x85next\u2028line",
        "--===============123==\n--boundary--",
        "=20=\n=3D",
    ],
)
def test_any_body_arrives_as_it_was_given(kind, body):
    received = sent(**{kind: body}).get_content().replace("\r\n", "\n")
    assert received == re.sub("\r\n|\r", "\n", body) + "\n"


def test_no_line_of_an_encoded_body_is_longer_than_readers_must_take():
    finished = build(text="é " + "x" * 3000, attachments=(Attachment("a", "image/png", bytes(3000)),))
    assert max(map(len, finished.mime.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76  # RFC 2045, 6.7 and 6.8


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf",
        "Rechnung für März.pdf",
        "請求書.pdf",
        "😀" * 255,
        "x" * 255,
        "many words " * 20 + "end.pdf",
        "größte worte " * 19 + "ende.pdf",
        'a "quoted" name.pdf',
        "semi;colon=equals.pdf",
        "50%25 off.pdf",
        "utf-8''name.pdf",
        "two  spaces.pdf",
    ],
)
def test_any_file_name_arrives_as_it_was_given(name):
    message = sent(attachments=(replace(PDF, name=name),))
    assert next(message.iter_attachments()).get_filename() == name


@pytest.mark.parametrize(
    ("declared", "kind", "params"),
    [
        ("application/pdf", "application/pdf", {}),
        ("TEXT/CSV", "text/csv", {}),
        ("text/csv; charset=utf-16; header=present", "text/csv", {"charset": "utf-16", "header": "present"}),
        ('application/x.a-b+c; note="two words;"', "application/x.a-b+c", {"note": "two words;"}),
        ('application/x; note="größe"', "application/x", {"note": "größe"}),
        ('application/x; note="' + "w" * 200 + '"', "application/x", {"note": "w" * 200}),
    ],
)
def test_a_content_type_keeps_its_parameters(declared, kind, params):
    part = next(sent(attachments=(replace(PDF, content_type=declared),)).iter_attachments())
    assert (part.get_content_type(), dict(part["Content-Type"].params)) == (kind, params)
    assert part.get_payload(decode=True) == b"%PDF"


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 1000, b"line\nline\rline\r\n", bytes(range(256))])
@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "text/html; charset=utf-8"])
def test_a_file_keeps_its_octets(kind, content):
    part = next(sent(attachments=(Attachment("f", kind, content),)).iter_attachments())
    assert part.get_payload(decode=True) == content


def test_an_inline_file_is_found_by_its_content_id_however_long():
    content_id = "i" * 200 + "@contoso.com"
    finished = build(html=f'<img src="cid:{content_id}">', attachments=(replace(LOGO, content_id=content_id),))
    assert f"\r\nContent-ID: <{content_id}>\r\n".encode() in finished.mime  # not as encoded words
    part = list(parsed(finished).iter_parts())[1]
    assert (part.get_content_type(), part.get_content_disposition()) == ("image/png", "inline")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello\tthere\n\n.\n" + "x" * 76, "7bit"),
        ("x" * 76 + "\n" + "y" * 1_000_000, "base64"),
        ("short\n" * 200_000, "7bit"),
        ("x" * 77, "quoted-printable"),
        ("a space at the end \nof a line", "quoted-printable"),
        ("a tab at the end\t", "quoted-printable"),
        ("\nFrom here", "quoted-printable"),
        ("a\x7fb\x0cc, and more that needs nothing", "quoted-printable"),
        ("Grüße aus Zürich, mit vielen guten Wünschen", "quoted-printable"),
        ("Grüße aus Zürich, mit vielen guten Wünschen\n" * 4_000, "base64"),
        ("日本語", "base64"),
        (f"as if one knew it:\n--=_{EMAIL_ID}-mixed--\n", "quoted-printable"),
    ],
)
def test_text_travels_in_the_shortest_form_that_nothing_on_the_way_changes(text, encoding):
    assert sent(text=text)["Content-Transfer-Encoding"] == encoding


def test_quoted_printable_is_what_the_rfc_says():
    text = (
        "café = bar \n\n"
        + "x" * 72
        + "éé"
        + "y" * 75
        + "é\n"
        + "x" * 73
        + "é\n"
        + "x" * 74
        + "é\n"
        + "x" * 75
        + "é\nFrom  \n"
    )
    lines = build(text=text).mime.partition(b"\r\n\r\n")[2].decode().split("\r\n")
    assert lines == [
        *("caf=C3=A9 =3D bar=20", ""),
        *("x" * 72 + "=C3=", "=A9=C3=A9" + "y" * 66 + "=", "y" * 9 + "=C3=A9"),
        *("x" * 73 + "=", "=C3=A9", "x" * 74 + "=", "=C3=A9", "x" * 75 + "=", "=C3=A9"),
        *("=46rom =20", ""),
    ]


_PIECES = st.sampled_from(
    [
        *("From ", "\nFrom ", ".", "\n.\n", "=", "=\n", "=3D", " ", " \n", "\t", "\t\n", "\r", "\n", "\r\n", "\0"),
        *(
            "é",
            "😀",
            "word ",
            "x" * 74,
            "x" * 75,
            "x" * 76,
            "é" * 30,
            f"--=_{EMAIL_ID}-mixed",
            f"\n--=_{EMAIL_ID}-mixed--\n",
        ),
        *(f"\n--=_{EMAIL_ID}-alternative\n\n", f"\n--=_{EMAIL_ID}-related\n", "Content-Type: text/plain\n\n", "--"),
    ]
)
_TEXT = st.lists(_PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=30).map("".join)
_FILE_NAME = st.lists(
    st.sampled_from([*"\"\\;=*'%()<>@,", "  ", "x" * 80, "é" * 80, "😀" * 80, "utf-8''", ".pdf"])
    | st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=9),
    min_size=1,
    max_size=3,
).map("".join)
_FILES = st.builds(
    Attachment,
    name=_FILE_NAME.map(str.strip).filter(lambda name: name and "=?" not in name),
    content_type=st.sampled_from(["application/pdf", "text/plain; charset=utf-16", "image/png"]),
    content=st.binary(max_size=200) | _TEXT.map(str.encode),
)


def _octets(text):
    """As text stands in a mail: whole line ends, one of them at the end."""
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", text.encode())
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


@settings(deadline=None)
@given(text=_TEXT, html=_TEXT, files=st.lists(_FILES, max_size=3), shown=st.booleans())
def test_every_octet_of_texts_and_files_and_every_name_is_found_again(text, html, files, shown):
    files = [replace(file, inline=shown, content_id=f"{number}@x") for number, file in enumerate(files)]
    finished = build(text=text, html=html, attachments=tuple(files))
    check_lines(finished)
    body = finished.mime.partition(b"\r\n\r\n")[2]
    assert not re.search(rb"(^|\n)From |[ \t]\r\n", body)
    plain, shown_html, *found = [part for part in parsed(finished).walk() if not part.is_multipart()]
    assert plain.get_payload(decode=True) == _octets(text)
    assert shown_html.get_payload(decode=True) == _octets(html)
    names = [part["Content-Disposition"].params["filename"] for part in found]  # get_filename unquotes a second time
    assert names == [file.name for file in files]
    assert [part.get_payload(decode=True) for part in found] == [file.content for file in files]


@settings(deadline=None)
@given(text=_TEXT)
def test_no_line_of_a_text_is_longer_than_readers_must_take(text):
    assert max(map(len, build(text=text).mime.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 57 * 256 - 1, 57 * 256, 57 * 256 + 1, 57 * 512])
def test_a_file_is_base64_in_whole_lines(size):
    content = random.Random(size).randbytes(size)
    mime = build(attachments=(replace(PDF, content=content),)).mime
    encoded = base64.encodebytes(content).replace(b"\n", b"\r\n")
    assert b'filename="s.pdf"\r\n\r\n' + encoded + b"\r\n--=_" in mime


def test_a_message_is_the_same_to_the_last_octet_when_it_is_built_again():
    fields = {"text": "Grüße", "html": "<p>", "attachments": (PDF, LOGO)}
    assert build(**fields).mime == build(**fields).mime


@pytest.mark.parametrize("name", ["Rechnung für März.pdf", "請求書.pdf", "😀" * 255, "two  spaces.pdf"])
def test_a_file_name_is_found_by_programs_that_read_encoded_words_only(name):
    finished = build(attachments=(replace(PDF, name=name),))
    part = list(message_from_bytes(finished.mime, policy=compat32).walk())[2]
    assert str(make_header(decode_header(part.get_param("name")))) == name


def test_a_plain_file_name_stands_there_once():
    assert build(attachments=(PDF,)).mime.count(b"s.pdf") == 1


def test_a_large_message_is_in_memory_once_while_it_is_built():
    file = replace(PDF, content=bytes(4_000_000))
    with traced() as allocated:
        finished = build(text="t", attachments=(file,))
    assert allocated.peak < 1.3 * len(finished.mime)


# ---- attached messages

FORWARDED = b"From: eve@example.com\nSubject: " + b"long " * 50 + b"\nDKIM-Signature: v=1;  b=abc\n\nHi\r\n.\rend"


def test_an_attached_message_keeps_every_line_as_it_was():
    finished = build(attachments=(Attachment("m.eml", "message/rfc822", FORWARDED),))
    assert re.sub(rb"\r\n|\n|\r", b"\r\n", FORWARDED) in finished.mime
    part = next(parsed(finished).iter_attachments())
    assert (part.get_content_type(), part.get_filename()) == ("message/rfc822", "m.eml")
    assert part.get_content()["From"] == "eve@example.com"


@pytest.mark.parametrize(
    "content",
    [
        *("Subject: Grüße\n\nx".encode(), b"Subject: x\n\n\xff", b"\0", b"Subject: x\n\n" + b"x" * 999),
        b"Subject: x\n\n" + b"x" * 999 + b"\nend",
        f"Subject: x\n\n--=_{EMAIL_ID}-mixed--\n".encode(),
    ],
    ids=["utf-8", "8-bit", "nul", "long last line", "long line", "our own boundary"],
)
def test_an_attached_message_that_cannot_travel_so_goes_as_a_file(content):
    part = next(sent(attachments=(Attachment("m.eml", "message/rfc822", content),)).iter_attachments())
    assert (part.get_content_type(), part.get_filename()) == ("application/octet-stream", "m.eml")
    assert part.get_payload(decode=True) == content


@settings(deadline=None)
@given(content=st.binary(max_size=300))
def test_whatever_is_attached_as_a_message_is_sent(content):
    assert shape(sent(attachments=(Attachment("m.eml", "Message/RFC822; x=y", content),)))[0] == "mixed"


@settings(deadline=None)
@given(
    text=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    html=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    files=st.lists(st.sampled_from([PDF, LOGO]), max_size=3),
)
def test_every_mixture_of_parts_is_built(text, html, files):
    message = sent(text=text, html=html, attachments=tuple(files))
    assert sum(part.get_filename() is not None for part in message.walk()) == len(files)


# ---- finished MIME

MINIMAL = b"From: ann@contoso.com\r\nTo: bob@example.com\r\n"


def adopt(raw):
    return adopt_mime(raw, EMAIL_ID, NOON)


def test_sender_recipients_and_subject_are_those_of_the_headers():
    finished = adopt(
        b"From: Ann <ann@contoso.com>\r\nTo: bob@example.com,\r\n\tEve <eve@example.com>\r\n"
        b"cc: Team: tom@example.com;\r\nBCC: sue@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"Message-ID: <own@contoso.com>\r\n\r\nHello\r\n"
    )
    assert finished.sender == ANN
    assert finished.to == (BOB, Address("eve@example.com", "Eve"))
    assert finished.cc == (Address("tom@example.com"),)
    assert finished.bcc == (Address("sue@example.com"),)
    assert (finished.subject, finished.message_id) == ("Grüße", "<own@contoso.com>")


@pytest.mark.parametrize(
    "bcc",
    [
        b"Bcc: secret@example.com\r\n",
        b"BCC: secret@example.com\r\n",
        b"bCc : secret@example.com\r\n",
        b"Bcc\t: secret@example.com\r\n",
        b"Bcc: \r\n secret@example.com,\r\n\tsecret2@example.com\r\n",
        b"Bcc: secret@example.com\r\nbcc: secret2@example.com\r\n",
        b"X-Old : x\r\nBcc: secret@example.com\r\n",
        b"Subject: x\rBcc: secret@example.com\r\n",
        b"Subject: x\nBcc: secret@example.com\n",
    ],
)
def test_bcc_is_obeyed_and_taken_out_however_it_is_written(bcc):
    finished = adopt(MINIMAL + bcc + b"X-After: 1\r\n\r\nbody")
    assert b"secret" not in finished.mime
    assert b"X-After: 1\r\n\r\nbody" in finished.mime
    assert finished.bcc[0].address == "secret@example.com"


def test_a_resent_bcc_is_taken_out_too():
    assert b"secret" not in adopt(MINIMAL + b"Resent-Bcc: secret@example.com\r\n\r\n").mime


@pytest.mark.parametrize(
    "body", [b"", b"a\r\nb\r\n", b"\xff\xfe\x80", b".\r\n..", b"\r\n\r\n\r\n", b"From x", b"x" * 2000, b"\0", b"no end"]
)
def test_the_body_stays_octet_for_octet(body):
    assert adopt(MINIMAL + b"\r\n" + body).mime.partition(b"\r\n\r\n")[2] == body


def test_bare_line_ends_become_whole_ones():
    finished = adopt(b"From: ann@contoso.com\nTo: bob@example.com\rSubject: x\n\none\ntwo\rthree\r\n\n\rend")
    assert finished.subject == "x"
    assert finished.mime.endswith(b"\r\n\r\none\r\ntwo\r\nthree\r\n\r\n\r\nend")


def test_other_headers_stay_as_they_are():
    headers = (
        b"DKIM-Signature: v=1;\r\n\t b=" + b"x" * 500 + b"\r\nX-Note:  two  spaces \r\nReceived: a\r\nReceived: b\r\n"
    )
    assert headers in adopt(MINIMAL + headers + b"\r\n").mime


@pytest.mark.parametrize("given_headers", [b"", b"Date:\r\nMessage-ID: \r\n", b"DATE: \r\n \r\nmessage-id:\r\n"])
def test_missing_or_empty_date_and_message_id_are_added(given_headers):
    finished = adopt(MINIMAL + given_headers + b"\r\n")
    message = parsed(finished)
    assert (message.get_all("Date"), message.get_all("Message-ID")) == (
        ["Mon, 02 Mar 2026 12:00:00 +0000"],
        [f"<{EMAIL_ID}@contoso.com>"],
    )
    assert finished.message_id == f"<{EMAIL_ID}@contoso.com>"


def test_date_and_message_id_of_the_app_are_kept():
    given_headers = b"Date: yesterday\r\nMESSAGE-ID: <\r\n"  # wrong, but the app's own
    finished = adopt(MINIMAL + given_headers + b"\r\n")
    assert finished.mime == MINIMAL + given_headers + b"\r\n"
    assert finished.message_id == "<"


def test_utf8_headers_are_read_as_such():
    finished = adopt("From: Jürgen <ann@contoso.com>\nTo: Zoë <zoë@bücher.example>\nSubject: Grüße 😀\n\n".encode())
    assert finished.sender == Address("ann@contoso.com", "Jürgen")
    assert finished.to == (Address("zoë@xn--bcher-kva.example", "Zoë"),)
    assert finished.subject == "Grüße 😀"


def test_headers_in_another_8_bit_charset_lose_only_those_letters():
    finished = adopt(MINIMAL + "Subject: Grüße\r\n\r\n".encode("latin-1"))
    assert finished.subject == "Gr  e"
    assert b"Subject: Gr\xfc\xdfe" in finished.mime


def test_empty_lines_before_the_headers_are_left_out():
    assert adopt(b"\r\n\n" + MINIMAL + b"Date: x\r\nMessage-ID: <y>\r\n\r\n").mime.startswith(MINIMAL)


def test_headers_without_a_body_are_a_message():
    assert adopt(MINIMAL.rstrip()).mime.endswith(MINIMAL + b"\r\n")


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"", "/From"),
        (b"\r\n\r\n", "/From"),
        (b"To: bob@example.com\r\n\r\n", "/From"),
        (b"From: \r\nTo: bob@example.com\r\n\r\n", "/From"),
        (b"From: Ann\r\n\r\n", "/From"),
        (b"From: ann@contoso.com, eve@example.com\r\n\r\n", "/From"),
        (b"From: ann@contoso.com\r\nFrom: eve@example.com\r\n\r\n", "/From"),
        (b"From: ann@contoso.com\r\nTo: bob\r\n\r\n", "/To"),
        (b"From: ann@contoso.com\r\nTo: bob@example.com; eve@example.com\r\n\r\n", "/To"),
        (b"From: ann@contoso.com\r\nTo: \xff@example.com\r\n\r\n", "/To"),
        (b"From: ann@contoso.com\r\nCc: <bob@example.com\r\n\r\n", "/Cc"),
        (b"From: ann@contoso.com\r\nBcc: bob@example.com eve@example.com\r\n\r\n", "/Bcc"),
        (MINIMAL + b"Subject: " + b"x" * 999 + b"\r\n\r\n", "/Subject"),
        (MINIMAL + b"Message-ID: <" + b"x" * 999 + b">\r\n\r\n", "/Message-ID"),
        (MINIMAL + b"To: " + b"bob@example.com, " * 10_000 + b"\r\n\r\n", "/To"),
        (b"\0", ""),
        (b"no headers at all", ""),
        (b"{}", ""),
        (b" From: ann@contoso.com\r\n\r\n", ""),
        (b"From ann@contoso.com Mon Mar  2 12:00:00 2026\nFrom: ann@contoso.com\n\n", ""),
        (b"\xef\xbb\xbfFrom: ann@contoso.com\r\n\r\n", ""),
        (MINIMAL + b"no colon\r\n\r\n", ""),
        (MINIMAL + b": no name\r\n\r\n", ""),
        (MINIMAL + b"X-\xe9: x\r\n\r\n", ""),
        (MINIMAL + b"X-Nul: \0\r\n\r\n", ""),
    ],
)
def test_what_does_not_say_who_sends_to_whom_is_refused(raw, pointer):
    with pytest.raises(InvalidEmail) as refusal:
        adopt(raw)
    assert [problem.pointer for problem in refusal.value.problems] == [pointer]


def test_a_refusal_repeats_neither_address_nor_body():
    with pytest.raises(InvalidEmail) as refusal:
        adopt(MINIMAL + b"Cc: ann.secret@@hidden.example\r\n\r\nprivate")
    assert not re.search("secret|hidden|private", str(refusal.value))


@pytest.mark.parametrize("part", [b"x " * 1_000, b"\r\nX-More: y" * 1_000, b"\r\na:" * 1_000])
def test_longest_header_is_settled_at_once_and_a_longer_one_refused(part):
    head = MINIMAL + b"X-Filler: " + part * (LONGEST_HEAD // len(part) - 1)
    started = time.perf_counter()
    adopt(head + b"\r\n\r\n")
    assert time.perf_counter() - started < 5  # 0.5 s; only a quadratic step would miss it
    with pytest.raises(InvalidEmail, match="more than 512 KiB"):
        adopt(head + part * 2 + b"\r\n\r\n")


@pytest.mark.parametrize(("end", "copies"), [(b"\r\n", 1), (b"\n", 2), (b"\r", 3)])
def test_a_large_message_is_copied_no_more_than_its_line_ends_ask_for(end, copies):
    raw = MINIMAL.replace(b"\r\n", end) + end + (b"x" * 76 + end) * 50_000
    with traced() as allocated:
        finished = adopt(raw)
    assert allocated.peak < (copies + 0.3) * len(finished.mime)


def test_a_large_message_is_copied_once_to_be_renewed():
    old = MINIMAL + b"\r\n" + bytes(4_000_000)
    with traced() as allocated:
        renew_mime(old, EMAIL_ID, NOON, sender=ANN)
    assert allocated.peak < 1.3 * len(old)


def test_a_renewed_message_differs_in_date_and_message_id_alone():
    kept = b"X-Note: Date: x\r\n\tMessage-ID: y\r\nSubject: x\r\n\r\nMessage-ID: <body>\r\n\xff"
    old = b"DATE: old,\r\n folded\r\nMessage-Id : <old>\r\n" + MINIMAL + kept
    message_id, renewed = renew_mime(old, EMAIL_ID, NOON, sender=ANN)
    assert message_id == f"<{EMAIL_ID}@contoso.com>"
    own = f"Date: Mon, 02 Mar 2026 12:00:00 +0000\r\nMessage-ID: {message_id}\r\n"
    assert renewed == own.encode() + MINIMAL + kept


_RAW_PARTS = st.sampled_from(
    [
        *(b"From: ann@contoso.com", b"To: ", b"Bcc: ", b"bob@example.com", b"\r\n", b"\n", b"\r", b" ", b"\t", b":"),
        *(b"Date: x", b"Message-ID: <", b"Subject: =?utf-8?q?", b"?=", b",", b";", b"<", b">", b'"', b"(", b"\\"),
        *(b"\0", b"\xff", b"\xc3\xbc", b"\xe2\x80\xa8", b"\x0b", b"\x85", b"Content-Type: text/plain"),
    ]
)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(_RAW_PARTS | st.binary(max_size=3), max_size=40).map(b"".join)))
def test_any_octets_are_a_finished_message_or_refused(raw):
    for octets in (raw, MINIMAL + raw):
        with suppress(InvalidEmail):
            _check_finished(adopt(octets))


def _check_finished(finished: FinishedMessage) -> None:
    head = finished.mime.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].strip().lower() for line in re.split(rb"\r\n(?![ \t])", head)]
    assert b"bcc" not in names
    assert {b"from", b"date", b"message-id"} <= set(names)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", finished.mime)
