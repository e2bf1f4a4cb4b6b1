"""Users as a CSV file: a header row, then one user a line. Every line is checked before anything is stored."""

import csv
from collections.abc import Iterator
from io import StringIO

from email_core.errors import FieldProblem, InvalidEmail
from email_core.users import UserRow, user_key
from email_functions.user_schema import UserBody
from email_functions.validation import from_texts

COLUMNS = tuple(UserBody.model_fields)
MOST_USERS = 50_000  # of one file: stored within the 230 seconds that a request may take on Azure
MOST_PROBLEMS = 100  # told of one file
_SEPARATORS = ",;\t"  # spreadsheets write the one that is usual in their country
_MAY_BE_EMPTY = frozenset({"name", "company"})


def users_of_csv(body: bytes) -> list[UserRow]:
    """A column that the file lacks, and an empty cell of `external` and `enabled`, leave what is known as it is; an
    empty `email` means none. Raises InvalidEmail with pointers like `line 7, email`."""
    lines = _Lines(_text(body))
    columns = _columns(lines)
    rows: list[UserRow] = []
    problems: list[FieldProblem] = []
    first_lines: dict[str, int] = {}
    for count, (line, cells) in enumerate(lines, 1):
        if count > MOST_USERS:  # those with a problem count, too: to tell it takes longest
            raise _unreadable(line, f"there are more than {MOST_USERS:,} users: send them in several files")
        try:
            row = _row(line, columns, cells)
            if first := first_lines.get(user_key(row.id)):
                raise InvalidEmail(FieldProblem(f"line {line}, id", f"stands in line {first} already"))
            first_lines[user_key(row.id)] = line
            rows.append(row)
        except InvalidEmail as problem:
            problems += problem.problems
    if problems:
        raise InvalidEmail(*_told(problems))
    if not rows:
        raise _unreadable(2, "there is no user: after the header each line is one")
    return rows


class _Lines:
    """The records with something in them, each with the number of the line that it begins in."""

    def __init__(self, text: str) -> None:
        header, _, _ = text.partition("\n")
        separator = max(_SEPARATORS, key=header.count)
        self._reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _unreadable(line, f"it cannot be read: {error}") from None
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _unreadable(line, "it is not UTF-8: save the file as CSV in UTF-8") from None


def _columns(lines: _Lines) -> list[str]:
    line, cells = next(iter(lines), (1, []))
    columns = [cell.lower() for cell in cells]
    if "id" not in columns:
        raise _unreadable(line, f"the header must name the column id; the columns are {', '.join(COLUMNS)}")
    for number, column in enumerate(columns, 1):
        if column not in COLUMNS:
            raise _unreadable(line, f"column {number} is not known; the columns are {', '.join(COLUMNS)}")
        if columns.count(column) > 1:
            raise _unreadable(line, f"the column {column} stands there twice")
    return columns


def _row(line: int, columns: list[str], cells: list[str]) -> UserRow:
    if len(cells) != len(columns):
        raise _unreadable(line, f"it has {len(cells)} values, and the header names {len(columns)} columns")
    given = {name: cell for name, cell in zip(columns, cells, strict=True) if cell or name in _MAY_BE_EMPTY}
    if "id" not in given:
        raise InvalidEmail(FieldProblem(f"line {line}, id", "is required"))
    user = from_texts(UserBody, given, f"line {line}, ")
    values = user.model_dump(include=set(given) - {"id"}) | ({"email": user.email} if "email" in columns else {})
    return UserRow(user.id or "", values)


def _told(problems: list[FieldProblem]) -> list[FieldProblem]:
    more = len(problems) - MOST_PROBLEMS
    if more <= 0:
        return problems
    return [*problems[:MOST_PROBLEMS], FieldProblem("", f"there are {more:,} more problems in later lines")]


def _unreadable(line: int, problem: str) -> InvalidEmail:
    return InvalidEmail(FieldProblem(f"line {line}", f"{problem}; nothing was stored"))
