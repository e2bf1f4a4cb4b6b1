"""What is taken and what is refused, and where each refusal points to. The doors' own tests show the answers."""

import base64
import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.errors import InvalidEmail
from email_core.message import Address, Importance
from email_core.record import Mode
from email_functions.email_schema import AddressBody, AttachmentBody, EmailBody, email_body, order_query
from email_functions.problems import NotJson
from tests.support.doors import small_email
from tests.unit.email_functions.test_query_schema import query_problems

FILE = {"name": "s.pdf", "content": base64.b64encode(b"%PDF").decode()}

EXAMPLE = {  # of the API's reference, with its placeholders filled
    "mode": "batch",
    "user": "ann",
    "from": {"address": "ann@contoso.com", "name": "Ann"},
    "to": ["bob@example.com", {"address": "eve@example.com", "name": "Eve"}],
    "cc": [],
    "bcc": [],
    "reply_to": [],
    "subject": "Statement",
    "text": "...",
    "html": "...",
    "attachments": [
        {
            "name": "s.pdf",
            "content_type": "application/pdf",
            "content": "JVBERg==",
            "inline": False,
            "content_id": None,
        }
    ],
    "headers": {"X-Order": "42"},
    "importance": "normal",
    "provider": None,
    "send_at": None,
    "expires_at": None,
    "metadata": {"order": "42"},
    "dry_run": False,
}


def taken(**fields):
    return email_body(json.dumps(small_email(**fields)).encode())


def problems(body):
    with pytest.raises(InvalidEmail) as refusal:
        email_body(body if isinstance(body, bytes) else json.dumps(body).encode())
    return {problem.pointer: problem.detail for problem in refusal.value.problems}


# ---- what is taken


def test_the_example_of_the_reference_is_taken_word_for_word():
    body = email_body(json.dumps(EXAMPLE).encode())
    message = body.message()
    assert message.sender == Address("ann@contoso.com", "Ann")
    assert message.to == (Address("bob@example.com"), Address("eve@example.com", "Eve"))
    assert (message.subject, message.text, message.html) == ("Statement", "...", "...")
    assert [(file.name, file.content_type, file.content) for file in message.attachments] == [
        ("s.pdf", "application/pdf", b"%PDF")
    ]
    assert dict(message.headers) == {"X-Order": "42"}
    order = body.order(body.metadata)
    assert (order.mode, order.user, order.provider) == (Mode.BATCH, "ann", None)
    assert dict(order.metadata) == {"order": "42"}


@pytest.mark.parametrize("field", sorted(EXAMPLE))
def test_every_field_may_be_left_out(field):
    email_body(json.dumps({name: value for name, value in EXAMPLE.items() if name != field}).encode())


def test_null_is_as_good_as_left_out_but_for_what_is_required():
    least = {"to": [{"address": "bob@example.com"}], "attachments": [FILE]}
    unset = dict.fromkeys(set(EmailBody.model_fields) - {"sender"} | {"from"})
    address, file = dict.fromkeys(AddressBody.model_fields), dict.fromkeys(AttachmentBody.model_fields)
    filled = {"to": [address | {"address": "bob@example.com"}], "attachments": [file | FILE]}
    assert email_body(json.dumps(unset | filled).encode()) == email_body(json.dumps(least).encode())
    required = {"/to/0/address": "is required", "/attachments/0/name": "is required"}
    assert problems({"to": [address], "attachments": [file]}) == required | {"/attachments/0/content": "is required"}


@pytest.mark.parametrize(
    ("field", "value", "attribute", "result"),
    [
        ("mode", "interactive", "mode", Mode.INTERACTIVE),
        ("importance", "high", "importance", Importance.HIGH),
        ("dry_run", True, "dry_run", True),
        ("send_at", "2026-03-02T12:00:00+01:00", "send_at", datetime(2026, 3, 2, 11, tzinfo=UTC)),
        ("expires_at", "2026-03-02t12:00:00z", "expires_at", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("subject", "x" * 998, "subject", "x" * 998),
        ("text", "a\0b\r\n\u2028", "text", "a\0b\r\n\u2028"),
        ("provider", "smtp", "provider", "smtp"),
    ],
)
def test_a_value_is_read_as_what_it_means(field, value, attribute, result):
    assert getattr(taken(**{field: value}), attribute) == result


def test_a_time_is_kept_in_utc():
    assert taken(send_at="2026-03-02T12:00:00+01:00").send_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("s.pdf", "application/pdf"),
        ("S.PNG", "image/png"),
        ("mail.eml", "message/rfc822"),
        ("archive.tar.gz", "application/octet-stream"),
        ("README", "application/octet-stream"),
        ("data:multipart", "application/octet-stream"),
    ],
)
def test_without_a_content_type_the_name_tells_it(name, kind):
    assert taken(attachments=[FILE | {"name": name}]).message().attachments[0].content_type == kind


@pytest.mark.parametrize(
    "header",
    ["X-Order", "x-order", "List-Unsubscribe", "List-Unsubscribe-Post", "References", "in-reply-to", "X-" + "a" * 70],
)
def test_an_app_may_set_these_headers(header):
    assert dict(taken(headers={header: "<https://contoso.com/?a=?b>"}).message().headers) == {
        header: "<https://contoso.com/?a=?b>"
    }


def test_a_domain_with_other_letters_is_recorded_in_its_ascii_form():
    assert taken(to=["bob@bücher.example"]).message().to == (Address("bob@xn--bcher-kva.example"),)


def test_an_inline_file_is_taken_where_there_is_html_to_show_it():
    file = FILE | {"inline": True, "content_id": "image001.png@01DA.5F"}
    assert taken(html="<img>", attachments=[file]).message().attachments[0].content_id == "image001.png@01DA.5F"


# ---- what is refused


@pytest.mark.parametrize("body", [b"", b"  \n", b"{", b"nonsense", b"\xff", b'{"a":1} x', b"[" * 100_000, b"{'a': 1}"])
def test_what_is_no_json_is_called_that(body):
    with pytest.raises(NotJson):
        email_body(body)


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ('{"to": ["bob@example.com",]}', "line 1, character 27", "a comma has nothing after it"),
        ('{"to": ["bob@example.com"]', "line 1, character 26", "a bracket is not closed"),
        ("{'to': 1}", "line 1, character 2", "double quotes"),
        ("{to: 1}", "line 1, character 2", "double quotes"),
        ('{"subject": Statement}', "line 1, character 13", "a text stands in double quotes"),
        ('{\n"subject": "x"\n"text": "y"}', "line 3, character 1", "a comma or a closing bracket"),
        ('{"subject" "x"}', "line 1, character 12", "a colon"),
        ('{"subject": "x"} {}', "line 1, character 18", "after its end"),
        ('{"text": "one\ntwo"}', "line 2, character 0", r"write a line break as \n"),
        ('{"text": "\\ud800"}', "line 1, character", "half of a character"),
        ('{"text": "\\udc00"}', "line 1, character", "half of a character"),
        ('{"text": ' + "9" * 5000 + "}", "line 1, character", "a number has too many digits"),
        ('{"metadata": ' + '{"a":' * 1000, "line 1, character", "too deep"),
    ],
)
def test_what_is_wrong_with_broken_json_is_told_with_its_place(body, place, words):
    with pytest.raises(NotJson) as refusal:
        email_body(body.encode())
    assert str(refusal.value).startswith(place)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"to": "bob@example.com"}, "/to", 'is not a list: write ["bob@example.com"]'),
        ({"cc": {"address": "bob@example.com"}}, "/cc", 'is not a list: write ["bob@example.com"]'),
        ({"to": [1]}, "/to/0", 'is no address: write "bob@example.com", or an object with address and name'),
        (
            {"from": ["ann@contoso.com"]},
            "/from",
            'is no address: write "bob@example.com", or an object with address and name',
        ),
        ({"attachments": {"name": "x"}}, "/attachments", "is not a list: write [...]"),
        ({"mode": "fast"}, "/mode", "is none of batch, interactive"),
        ({"mode": "Batch"}, "/mode", "is none of batch, interactive: did you mean batch?"),
        ({"provider": "Graph"}, "/provider", "is no provider: did you mean graph? there are smtp, graph, exchange"),
        ({"importance": 1}, "/importance", "is none of low, normal, high"),
        ({"subject": 1}, "/subject", "is not text: write it in double quotes"),
        ({"dry_run": "true"}, "/dry_run", "is neither true nor false: write it without quotes"),
        ({"dry_run": "many"}, "/dry_run", "is neither true nor false"),
        ({"dry_run": 1}, "/dry_run", "is neither true nor false"),
        ({"user": ""}, "/user", "is empty"),
        ({"user": "x" * 129}, "/user", "is too long: at most 128"),
    ],
)
def test_common_mistake_is_told_in_plain_words(fields, pointer, detail):
    assert problems(small_email(**fields)) == {pointer: detail}


def test_byte_order_mark_is_ignored():
    assert email_body(b"\xef\xbb\xbf" + json.dumps(small_email()).encode()).subject == "Statement"


@pytest.mark.parametrize("text", [r'{"text": "\ud800"}', r'{"subject": "a\udc00b"}', b'{"text": "\xed\xa0\x80"}'])
def test_half_a_character_is_refused_as_no_json(text):
    with pytest.raises(NotJson):
        email_body(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("body", [[], ["x"], 1, "text", True, None])
def test_a_body_that_is_no_object_is_refused(body):
    assert problems(body) == {"": "is not a JSON object"}


@pytest.mark.parametrize(
    "values",
    [
        b",".join(b'"%d" : 1' % number for number in range(140_000)),  # blanks before the colon are JSON too
        b'"x":[' + b",".join([b"{}"] * 200_001) + b"]",
        b'"x":[' + b",".join([b"1"] * 400_001) + b"]",
        b'"x":[' + b",".join([b'"\\\\\\""'] * 200_001) + b"]",
    ],
)
def test_more_fields_and_items_than_anybody_needs_are_refused_before_they_are_read(values):
    with pytest.raises(InvalidEmail) as refusal:
        email_body(b"{" + values + b"}")
    (problem,) = refusal.value.problems
    assert problem.detail == "has more fields and items than the 200000 that are taken"


def test_text_that_is_not_closed_is_looked_through_once():
    body = b'{"a":"' + b'\\"' * 100_000 + b"," * 200_001
    started = time.perf_counter()
    with pytest.raises(NotJson):
        email_body(body)
    assert time.perf_counter() - started < 5  # each quote again: hours


def test_marks_in_a_text_are_no_fields():
    text = '{"a": [1, 2]}, "quoted \\" and more' * 5_000
    assert email_body(json.dumps(EXAMPLE | {"text": text}).encode()).text == text


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"surprise": 1}, "/surprise"),
        ({"sender": "ann@contoso.com"}, "/sender"),
        ({"To": ["bob@example.com"]}, "/To"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"[key]": 1}, "/[key]"),
        ({"": 1}, "/"),
        ({"from": {"address": "ann@contoso.com", "mail": "x"}}, "/from/mail"),
        ({"to": ["bob@example.com", {"address": "eve@example.com", "type": "x"}]}, "/to/1/type"),
        ({"attachments": [FILE | {"size": 4}]}, "/attachments/0/size"),
    ],
)
def test_an_unknown_field_is_refused_at_every_level(fields, pointer):
    assert list(problems(small_email(**fields))) == [pointer]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"from": "ann"}, "/from"),
        ({"from": {"address": "ann@@contoso.com"}}, "/from"),
        ({"from": {"name": "Ann"}}, "/from/address"),
        ({"from": []}, "/from"),
        ({"to": ["bob@example.com", "eve"]}, "/to/1"),
        ({"to": ["bob@example.com", {"address": "eve"}]}, "/to/1"),
        ({"to": ["bob@example.com", {"address": None}]}, "/to/1/address"),
        ({"to": [5]}, "/to/0"),
        ({"to": "bob@example.com"}, "/to"),
        ({"to": ["bob@example.com, eve@example.com"]}, "/to/0"),
        ({"to": [""]}, "/to/0"),
        ({"cc": ["Bob <bob@example.com>"]}, "/cc/0"),
        ({"bcc": ["bob@example.com\r\nBcc: eve@example.com"]}, "/bcc/0"),
        ({"reply_to": ["bob@example.com", "", "x"]}, "/reply_to/1"),
        ({"to": ["bob@example.com"] * 501}, "/to"),
    ],
)
def test_a_refused_address_is_pointed_at(fields, pointer):
    assert pointer in problems(small_email(**fields))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"to": [None]}, "/to/0"),
        ({"headers": {"X-Order": None}}, "/headers/X-Order"),
        ({"metadata": {"order": None}}, "/metadata/order"),
    ],
)
def test_null_within_a_field_is_refused(fields, pointer):
    assert list(problems(small_email(**fields))) == [pointer]


@pytest.mark.parametrize("address", ["Bob <bob@example.com>", "<bob@example.com>"])
def test_address_with_a_name_is_answered_with_how_to_write_it(address):
    for body in (small_email(to=[address]), small_email(to=[{"address": address}])):
        assert 'write {"address": "bob@example.com", "name": "Bob"}' in problems(body)["/to/0"]


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028"])
@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        (lambda text: {"subject": text}, "/subject"),
        (lambda text: {"from": {"address": "ann@contoso.com", "name": text}}, "/from"),
        (lambda text: {"to": [{"address": "ann@contoso.com", "name": text}]}, "/to/0"),
        (lambda text: {"headers": {"X-Order": text}}, "/headers/X-Order"),
        (lambda text: {"headers": {f"X-{text}": "1"}}, "/headers/X-{}"),
        (lambda text: {"metadata": {"order": text}}, "/metadata/order"),
        (lambda text: {"metadata": {text: "1"}}, "/metadata/{}"),
        (lambda text: {"user": text}, "/user"),
        (lambda text: {"provider": text}, "/provider"),
        (lambda text: {"attachments": [FILE | {"name": text}]}, "/attachments/0/name"),
        (lambda text: {"attachments": [FILE | {"content_type": f"text/{text}"}]}, "/attachments/0/content_type"),
        (lambda text: {"attachments": [FILE | {"content_id": text}]}, "/attachments/0/content_id"),
    ],
    ids=[
        *("subject", "from", "to", "header value", "header name", "metadata", "metadata key", "user", "provider"),
        *("file name", "content type", "content id"),
    ],
)
def test_a_control_character_is_refused_wherever_it_could_reach_a_header(field, pointer, character):
    text = f"a{character}b"
    assert list(problems(small_email(**field(text)))) == [pointer.format(text)]


@pytest.mark.parametrize(
    "content", ["JVBERg", "JVBERg=", "JVBE Rg==", "JVBERg==\n", "JVBERg==JVBE", "JVBE_-==", "*", "é", 5, [], {}]
)
def test_bad_base64_is_refused(content):
    detail = problems(small_email(attachments=[FILE, FILE | {"content": content}]))["/attachments/1/content"]
    assert "base64" in detail


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "../../etc/passwd"}, "/name"),
        ({"name": "C:\\secret.txt"}, "/name"),
        ({"name": " s.pdf"}, "/name"),
        ({"name": "=?utf-8?q?s.exe?="}, "/name"),
        ({"content_type": ""}, "/content_type"),
        ({"content_type": "pdf"}, "/content_type"),
        ({"content_type": "application/pdf; a"}, "/content_type"),
        ({"content_type": "multipart/mixed"}, "/content_type"),
        ({"content_type": "Multipart/Mixed; boundary=x"}, "/content_type"),
        ({"content_type": "message/partial"}, "/content_type"),
        ({"content_type": 'application/pdf; a="=?utf-8?q?b?="'}, "/content_type"),
        ({"content_type": "application/" + "x" * 300}, "/content_type"),
        ({"content_id": ""}, "/content_id"),
        ({"content_id": "<a@b>"}, "/content_id"),
        ({"content_id": "=?utf-8?q?a?="}, "/content_id"),
        ({"content_id": "x" * 256}, "/content_id"),
        ({"inline": True}, ""),
        ({"inline": "true", "content_id": "a"}, "/inline"),
    ],
)
def test_a_file_that_could_not_arrive_as_it_is_is_refused(change, pointer):
    assert f"/attachments/0{pointer}" in problems(small_email(html="<img>", attachments=[FILE | change]))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"attachments": [FILE | {"inline": True, "content_id": "a"}]}, "no html"),
        ({"html": "h", "attachments": [FILE | {"inline": True, "content_id": "a"}] * 2}, "content_id twice"),
        ({"attachments": [FILE] * 251}, "at most 250"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(fields, words):
    assert words in problems(small_email(**fields))["/attachments"]


@pytest.mark.parametrize(
    "name",
    [
        *("Bcc", "bcc", "To", "Cc", "From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "Return-Path"),
        *("Content-Type", "MIME-Version", "Content-Transfer-Encoding", "DKIM-Signature", "Received", "Resent-Bcc"),
        *("Importance", "X-Priority", "x-unsent", "X-", "X", "", "X-A:", "X-A B", "X-Ä", " X-A", "X-" + "a" * 71),
    ],
)
def test_a_header_that_is_not_the_apps_is_refused(name):
    found = problems(small_email(headers={name: "x", "X-Order": "1"}))
    assert list(found) == [f"/headers/{name}"]
    assert "only X- headers" in found[f"/headers/{name}"]


def test_all_that_is_wrong_with_the_headers_and_the_rest_is_told_at_once():
    fields = {"importance": "urgent", "headers": {"Bcc": "x", "Date": "x", "X-Order": "x" * 901}}
    assert set(problems(small_email(**fields))) == {"/importance", "/headers/Bcc", "/headers/Date", "/headers/X-Order"}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Order": "1", "x-order": "2"},
        {"References": "<a>", "REFERENCES": "<b>"},
        {"List-Unsubscribe": "<https://bücher.example/u>"},
        {f"X-{number}": "x" for number in range(51)},
    ],
)
def test_headers_that_could_not_arrive_so_are_refused(headers):
    assert list(problems(small_email(headers=headers))) == ["/headers"]


@pytest.mark.parametrize("value", ["x" * 901, "x " * 4097])
def test_header_that_is_too_long_is_pointed_at(value):
    assert "is too long" in problems(small_email(headers={"X-Order": value}))["/headers/X-Order"]


@pytest.mark.parametrize("field", ["send_at", "expires_at"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-02T12:00:00", "has no offset"),
        ("2026-03-02", "is a day without a time"),
        ("2026-03-02 12:00", "has no offset"),
        ("2026-02-30T12:00:00Z", "day value"),
        ("tomorrow", "is not a time"),
        ("", "is not a time"),
        ("1772452800", "is not a time"),
        ("-1772452800", "is not a time"),
        (1772452800, "is not a time"),
        (True, "is not a time"),
        ("0001-01-01T00:00:00+14:00", "between"),
        ("9999-12-31T23:59:59-14:00", "between"),
        ("1969-12-31T23:59:59Z", "between"),
    ],
)
def test_a_time_must_be_written_out_with_its_offset(field, text, words):
    assert words in problems(small_email(**{field: text}))[f"/{field}"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"mode": "BATCH"}, "/mode"),
        ({"mode": 1}, "/mode"),
        ({"importance": "urgent"}, "/importance"),
        ({"dry_run": "true"}, "/dry_run"),
        ({"dry_run": 1}, "/dry_run"),
        ({"subject": 5}, "/subject"),
        ({"subject": "x" * 999}, "/subject"),
        ({"text": ["x"]}, "/text"),
        ({"headers": []}, "/headers"),
        ({"headers": {"X-Order": 42}}, "/headers/X-Order"),
        ({"metadata": {"order": 42}}, "/metadata/order"),
        ({"metadata": {"o" * 129: "x"}}, "/metadata"),
        ({"metadata": {"order": "x" * 1025}}, "/metadata"),
        ({"metadata": {str(number): "x" for number in range(51)}}, "/metadata"),
        ({"user": ""}, "/user"),
        ({"user": "x" * 129}, "/user"),
        ({"provider": "x" * 65}, "/provider"),
        ({"template": "welcome"}, "/template"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(fields, pointer):
    assert list(problems(small_email(**fields))) == [pointer]


def test_everything_wrong_is_told_at_once():
    body = small_email(**{"from": "x", "to": ["y"], "subject": "a\nb", "mode": "fast", "provider": "x", "surprise": 1})
    assert set(problems(body)) == {"/from", "/to/0", "/subject", "/mode", "/provider", "/surprise"}


def test_a_list_of_100_000_addresses_is_refused_at_once():
    body = json.dumps(small_email(to=["x"] * 100_000)).encode()
    started = time.perf_counter()
    assert problems(body) == {"/to": "is too long: at most 500"}
    assert time.perf_counter() - started < 1


def test_the_answer_to_endless_nonsense_ends():
    assert len(problems(small_email(**{f"x{number}": 1 for number in range(10_000)}))) == 100


def test_no_refusal_repeats_what_was_refused():
    body = small_email(
        **{"from": "ann.secret@@x", "to": ["bob.secret"], "subject": "secret\n", "text": 5, "send_at": "secret"}
    )
    assert not any("secret" in detail for detail in problems(body).values())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*EXAMPLE, "address", "name", "content", "?"]), inner, max_size=5)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_taken_or_refused(body):
    with suppress(InvalidEmail):
        email_body(json.dumps(body).encode()).message()


# ---- query strings


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("yes", True), ("false", False), ("0", False), ("False", False)]
)
def test_a_query_string_may_write_booleans_as_people_do(text, value):
    assert order_query({"dry_run": text}).dry_run is value


def test_the_order_of_finished_mime_stands_in_the_query_string():
    query = order_query(
        {"mode": "interactive", "user": "ann", "provider": "smtp", "send_at": "2026-03-02T12:00:00Z", "code": "key"}
    )
    assert (query.mode, query.user, query.provider) == (Mode.INTERACTIVE, "ann", "smtp")
    assert query.send_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("dry_run", ""), ("dry_run", "maybe"), ("mode", "fast"), ("mode", ""), ("user", ""), ("user", "a\nb")],
        *[("send_at", "2026-03-02T12:00:00"), ("send_at", "1772452800"), ("to", "bob@example.com"), ("subject", "x")],
    ],
)
def test_a_wrong_order_in_the_query_string_is_pointed_at(name, text):
    assert list(query_problems(order_query, **{name: text})) == [f"?{name}"]


def test_mistyped_field_is_answered_with_the_one_that_was_meant():
    with pytest.raises(InvalidEmail) as refusal:
        email_body(json.dumps(small_email() | {"subjct": "x"}).encode())
    (problem,) = refusal.value.problems
    assert problem.pointer == "/subjct"
    assert problem.detail.startswith("is not a field: did you mean subject? the fields are attachments, bcc,")


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        (
            {"from": {"adress": "ann@contoso.com"}},
            "/from/adress",
            "is not a field: did you mean address? the fields are address, name",
        ),
        ({"to": [{"email": "bob@example.com"}]}, "/to/0/email", "is not a field: the fields are address, name"),
        (
            {"attachments": [{"filename": "x.txt"}]},
            "/attachments/0/filename",
            "is not a field: did you mean name? the fields are content, content_id, content_type, inline, name",
        ),
    ],
)
def test_mistyped_field_within_another_is_answered_with_those_of_its_own_object(fields, pointer, detail):
    assert problems(small_email(**fields))[pointer] == detail
