"""The query string of the audit."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator

from email_functions.validation import Body, from_query

_CURSOR = re.compile(r"\d{13}-\d{4}-[0-9a-f]{8}", re.ASCII)


class AuditQuery(Body):
    model_config = ConfigDict(strict=False)

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None

    @field_validator("cursor")
    @classmethod
    def _is_cursor(cls, cursor: str | None) -> str | None:
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise ValueError("is no cursor: give the `next` of the page before")
        return cursor


def audit_query(params: Mapping[str, str]) -> AuditQuery:
    """Raises InvalidEmail with pointers like `?limit`."""
    return from_query(AuditQuery, params)
