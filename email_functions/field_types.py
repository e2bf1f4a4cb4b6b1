"""Texts, times and cursors as every body and every query string has them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from email_core.text import has_control_character

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)  # ids and tables hold these


def _one_line(text: str) -> str:
    if has_control_character(text):
        raise ValueError("has a control character (a line break, a tab, ...): remove it")
    return text


def _is_written_out(text: Any) -> Any:
    if not isinstance(text, str) or "-" not in text[1:]:  # a number would be taken for seconds since 1970
        raise ValueError("is not a time like 2026-01-31T09:00:00+01:00")
    return text


def _in_utc(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("is not between 1970 and 2200")
    return moment.astimezone(UTC)


Line = Annotated[str, AfterValidator(_one_line)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_written_out), AfterValidator(_in_utc)]


def cursor_that(is_one: Callable[[str], object]) -> AfterValidator:
    """Where a page begins, as the page before names it."""

    def checked(cursor: str) -> str:
        if not is_one(cursor):
            raise ValueError("is no cursor: give the `next` of the page before")
        return cursor

    return AfterValidator(checked)
