"""Texts, times and cursors as every body and every query string has them, and what null means in a body."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, PydanticUseDefault, core_schema

from email_core.text import has_control_character

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)  # ids and tables hold these
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _one_line(text: str) -> str:
    if has_control_character(text):
        raise ValueError("has a control character (a line break, a tab, ...): remove it")
    return text


def _is_written_out(text: Any) -> Any:
    if not isinstance(text, str) or "-" not in text[1:]:  # a number would be taken for seconds since 1970
        raise ValueError("is not a time like 2026-01-31T09:00:00+01:00")
    if _DAY.fullmatch(text):  # else it would be told that its offset is missing
        raise ValueError("is a day without a time: write it like 2026-12-01T09:00:00Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("is not between 1970 and 2200")
    return moment.astimezone(UTC)


def _default_for_null(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


def given(value: Any) -> Any:
    """A required value; null is as good as none."""
    if value is None:
        raise PydanticKnownError("missing")
    return value


class _NullIsLeftOut:
    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A check before the field is read would copy what it holds, all attachments, out of the JSON."""
        value_or_null = core_schema.nullable_schema(handler(source))
        return core_schema.no_info_after_validator_function(_default_for_null, value_or_null)


Kind = TypeVar("Kind")
OrNull = Annotated[Kind, _NullIsLeftOut]
"""A field with a default, at which null leaves it: many a serializer writes null for what is unset. Not for a PATCH,
where what is left out stays as it is."""
Given = Annotated[Kind, BeforeValidator(given)]
"""A required field: null is answered as if it were left out."""

Line = Annotated[str, AfterValidator(_one_line)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_written_out), AfterValidator(_in_utc)]


def cursor_that(is_one: Callable[[str], object]) -> AfterValidator:
    """Where a page begins, as the page before names it."""

    def checked(cursor: str) -> str:
        if not is_one(cursor):
            raise ValueError("is no cursor: give the `next` of the page before")
        return cursor

    return AfterValidator(checked)
