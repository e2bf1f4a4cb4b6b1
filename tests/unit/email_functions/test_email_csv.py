"""What a spreadsheet or a script gets to read."""

import csv
import re
from io import StringIO
from urllib.parse import parse_qsl, urlsplit

import pytest

from email_functions import http_email_export
from email_functions.email_csv import COLUMNS, harmless
from email_functions.operations import OPERATIONS
from tests.support.azurite import ROOT

FILE = "/api/emails.csv?view=unsent"


def rows(answer):
    assert (answer.status, answer.media_type) == (200, "text/csv")
    return list(csv.DictReader(StringIO(answer.body.decode(), newline="")))


async def test_file_has_a_header_and_a_row_for_each_email(doors):
    sent = await doors.accepted(
        subject='Grüße, "Zoë"', to=["bob@example.com", "eve@example.com"], metadata={"order": "42"}
    )
    answer = await doors.get(FILE)
    (row,) = rows(answer)
    assert list(row) == list(COLUMNS)
    assert (row["id"], row["subject"], row["to"]) == (sent["id"], 'Grüße, "Zoë"', "bob@example.com, eve@example.com")
    assert (row["status"], row["attempts"], row["ended_at"], row["metadata"]) == ("Unsent", "0", "", '{"order": "42"}')
    assert answer.headers["Content-Disposition"] == 'attachment; filename="email-unsent.csv"'
    assert "Link" not in answer.headers


async def test_file_without_emails_has_its_header(doors):
    answer = await doors.get("/api/emails.csv")
    assert answer.body.count(b"\r\n") == 1
    assert answer.headers["Content-Disposition"] == 'attachment; filename="email-history.csv"'


async def test_byte_order_mark_stands_only_where_it_is_asked_for(doors):
    assert (await doors.get(FILE)).body.startswith(b'"id"')
    assert (await doors.get(f"{FILE}&bom=true")).body.startswith(b'\xef\xbb\xbf"id"')


async def test_link_leads_through_all_parts_with_the_same_filters(doors):
    wanted = [(await doors.accepted(subject=f"Statement {number}"))["id"] for number in range(5)]
    await doors.accepted(subject="Another")
    found, address = [], f"{FILE}&q=Statement&limit=2&code=secret"
    while address:
        answer = await doors.get(address)
        found += [row["id"] for row in rows(answer)]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
        address = link and link[1]
        assert not address or {**dict(parse_qsl(urlsplit(address).query)), "cursor": ""} == {
            "view": "unsent",
            "q": "Statement",
            "limit": "2",
            "cursor": "",
        }
    assert sorted(found) == sorted(wanted)


async def test_part_ends_where_it_would_be_too_large_and_the_next_one_goes_on(doors, monkeypatch):
    monkeypatch.setattr(http_email_export, "LARGEST", 1)
    monkeypatch.setattr("email_core.export.PAGE", 2)
    for _ in range(5):
        await doors.accepted()
    answer = await doors.get(FILE)
    assert len(rows(answer)) == 2
    assert len(rows(await doors.get(answer.headers["Link"].split(">")[0][1:]))) == 2


@pytest.mark.parametrize(("query", "pointer"), [("limit=10001", "?limit"), ("status=Sent", "?status"), ("x=1", "?x")])
async def test_filters_are_checked_as_those_of_the_list(doors, query, pointer):
    answer = await doors.get(f"{FILE}&{query}")
    assert (answer.status, answer.pointers) == (422, [pointer])


async def test_formula_in_a_subject_is_text(doors):
    await doors.accepted(subject="=HYPERLINK(1)")
    (row,) = rows(await doors.get(FILE))
    assert row["subject"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("＝1", "'＝1"),
        ("a;=1;b", "a;'=1;b"),
        ("a\n=1", "a\n'=1"),
        ("1 - 1 = 0", "1 - 1 = 0"),
        ("ann@contoso.com", "ann@contoso.com"),
        ("", ""),
        (None, ""),
        (7, "7"),
    ],
)
def test_cell_cannot_be_run(value, cell):
    assert harmless(value) == cell


def test_whoever_may_list_may_export():
    assert OPERATIONS["export_emails"].access is OPERATIONS["list_emails"].access


def test_every_column_is_documented():
    documented = (ROOT / "docs/reference/api.md").read_text().partition("GET /api/emails.csv")[2].partition("\n## ")[0]
    assert [name for name in COLUMNS if f"`{name}`" not in documented] == []
