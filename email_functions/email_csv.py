"""Emails as a table for spreadsheets and scripts (RFC 4180, UTF-8): a header row, then a row for each."""

import csv
import json
import re
from collections.abc import Callable, Iterable
from io import StringIO

from email_functions import answers

MARK = "\ufeff"  # at the beginning of a file: spreadsheets take it for UTF-8 only then
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t\r＝＋－＠])")


def _addresses(found: Iterable[answers.NamedAddress]) -> str:
    return ", ".join(one["address"] for one in found)


def _last_reply(email: answers.Email) -> str:
    return email["attempts"][-1]["reply"] if email["attempts"] else ""


def _not_reached(email: answers.Email) -> str:
    return ", ".join(one["address"] for one in email["recipients"] if one["status"] == "Failed")


COLUMNS: dict[str, Callable[[answers.Email], str | int | None]] = {
    "id": lambda email: email["id"],
    "status": lambda email: email["status"],
    "mode": lambda email: email["mode"],
    "provider": lambda email: email["provider"],
    "user": lambda email: email["user"],
    "from": lambda email: email["from"]["address"],
    "from_name": lambda email: email["from"]["name"],
    "to": lambda email: _addresses(email["to"]),
    "cc": lambda email: _addresses(email["cc"]),
    "bcc": lambda email: _addresses(email["bcc"]),
    "subject": lambda email: email["subject"],
    "size": lambda email: email["size"],
    "created_at": lambda email: email["created_at"],
    "send_at": lambda email: email["send_at"],
    "expires_at": lambda email: email["expires_at"],
    "ended_at": lambda email: email["ended_at"],
    "deferrals": lambda email: email["deferrals"],
    "attempts": lambda email: len(email["attempts"]),
    "last_reply": _last_reply,
    "not_reached": _not_reached,
    "diagnosis": lambda email: email["diagnosis"]["id"] if email["diagnosis"] else None,
    "message_id": lambda email: email["message_id"],
    "metadata": lambda email: json.dumps(email["metadata"], ensure_ascii=False) if email["metadata"] else None,
}


def header() -> str:
    return _line(COLUMNS)


def row(email: answers.Email) -> str:
    return _line(harmless(cell(email)) for cell in COLUMNS.values())


def harmless(value: str | int | None) -> str:
    """No spreadsheet runs it as a formula, whatever somebody wrote into a subject: an apostrophe before it makes it
    text. Where a semicolon parts cells, one can begin within a text, too (OWASP, "CSV Injection")."""
    return _FORMULA.sub("'", "" if value is None else str(value))


def _line(cells: Iterable[str]) -> str:
    line = StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
