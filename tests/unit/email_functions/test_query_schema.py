"""Which filters are read, and where the refusal of a wrong one points to."""

from datetime import UTC, datetime

import pytest

from email_core.delivery_state import Status
from email_core.errors import InvalidEmail
from email_core.record import Mode
from email_core.stores.base import View
from email_functions.query_schema import list_query
from email_functions.validation import refuse_body, refuse_query

STATUSES = "Unsent, Sending, Sent, Failed, Expired, Canceled"


def query_problems(decode, **params):
    with pytest.raises(InvalidEmail) as refusal:
        decode(params)
    return {problem.pointer: problem.detail for problem in refusal.value.problems}


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"limit": "many"}, "is not a whole number like 50"),
        ({"limit": "9" * 5000}, "is not a whole number like 50"),
        *[
            ({name: text}, "is given twice, or has a comma: give it once, without one")
            for name, text in (("limit", "10,20"), ("status", "Sent,Failed"))
        ],
        ({"limit": "501"}, "is too large: at most 500"),
        ({"limit": "0"}, "is too small: at least 1"),
        ({"view": "all"}, "is none of unsent, history"),
        *[
            ({"status": text}, f"is none of {STATUSES}: did you mean {meant}?")
            for text, meant in (("sent", "Sent"), ("UNSENT", "Unsent"), ("Cancelled", "Canceled"))
        ],
        ({"status": "x" * 200}, f"is none of {STATUSES}"),
        ({"provider": "SMTP"}, "is no provider: did you mean smtp? there are smtp, graph, exchange"),
        ({"provider": "pigeon"}, "is no provider: there are smtp, graph, exchange"),
    ],
)
def test_common_mistake_in_a_query_string_is_told_in_plain_words(params, detail):
    assert list(query_problems(list_query, **params).values()) == [detail]


def test_parameter_that_is_none_is_told_so_though_it_is_given_twice():
    assert query_problems(list_query, limits="10,20")["?limits"].startswith("is not a field: did you mean limit?")


@pytest.mark.parametrize("until", ["2026-03-03T00:00:00+01:00", "2026-03-03T00:00:00Z"], ids=["before", "the same"])
def test_to_that_is_not_after_from_is_told_by_both_names(until):
    ((pointer, detail),) = query_problems(list_query, **{"from": "2026-03-03T00:00:00Z", "to": until}).items()
    assert (pointer, "`from`" in detail) == ("?to", True)
    list_query({"from": "2026-03-03T00:00:00Z", "to": "2026-03-03T00:00:00.001Z"})


def test_a_list_without_a_query_is_the_newest_history():
    query = list_query({}).to_core()
    assert (query.view, query.limit, query.after, query.status) == (View.HISTORY, 50, None, None)


def test_every_filter_of_a_list_is_read():
    query = list_query(
        {
            "view": "unsent",
            "status": "Unsent",
            "sender": "ann@bücher.example",
            "recipient": "Bob@Example.COM",
            "provider": "smtp",
            "mode": "batch",
            "user": "ann",
            "from": "2026-03-02T12:00:00+01:00",
            "to": "2026-03-03T00:00:00Z",
            "q": "state ment",
            "limit": "500",
            "cursor": "8227505999999-03-k3j9x2m4pqrs",
        }
    ).to_core()
    assert (query.view, query.status, query.mode) == (View.UNSENT, Status.UNSENT, Mode.BATCH)
    assert (query.sender, query.recipient) == ("ann@xn--bcher-kva.example", "Bob@example.com")
    assert (query.provider, query.user, query.subject) == ("smtp", "ann", "state ment")
    assert (query.since, query.until) == (datetime(2026, 3, 2, 11, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    assert (query.limit, query.after) == (500, "8227505999999-03-k3j9x2m4pqrs")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("limit", "0"), ("limit", "501"), ("limit", "-1"), ("limit", "many"), ("limit", ""), ("limit", "1.5")],
        *[("view", "all"), ("status", "sent"), ("status", "Lost"), ("mode", "fast")],
        *[("from", "2026-03-02T12:00:00"), ("to", "2026-03-02"), ("from", "0001-01-01T00:00:00+14:00")],
        *[("from", "2026-03-02T12:00:00 01:00"), ("to", "1772452800")],  # a plus that was not encoded is a space
        *[("cursor", ""), ("cursor", "x"), ("cursor", "../8227505999999-03-k3j9x2m4pqrs")],
        *[("sender", "ann"), ("recipient", ""), ("q", "a\nb"), ("q", "\udcff"), ("user", "\0")],
        *[("since", "x"), ("Limit", "5"), ("", "x"), ("\udcff", "x")],
    ],
)
def test_a_wrong_filter_is_pointed_at(name, text):
    pointer = "?" if not name.isprintable() else f"?{name}"  # a name that is no text cannot be repeated
    assert list(query_problems(list_query, **{name: text})) == [pointer]


@pytest.mark.parametrize("params", [{}, {"code": "key"}])
def test_a_function_key_is_no_parameter_of_ours(params):
    refuse_query(params)


def test_a_query_string_that_would_do_nothing_is_refused():
    assert list(query_problems(refuse_query, dry_run="true", code="key")) == ["?dry_run"]


@pytest.mark.parametrize(
    ("body", "pointers"), [(b'{"to": 1, "cc": 2}', ["/to", "/cc"]), (b"[]", [""]), (b"to=x", [""])]
)
def test_body_of_a_call_without_one_is_refused_in_the_words_of_the_call(body, pointers):
    with pytest.raises(InvalidEmail) as refusal:
        refuse_body(body, "nothing is read here")
    assert [one.pointer for one in refusal.value.problems] == pointers
    assert {one.detail for one in refusal.value.problems} == {"is not taken: nothing is read here"}
