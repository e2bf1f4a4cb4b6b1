"""The query string of the audit."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from email_functions.field_types import cursor_that
from email_functions.validation import Body, from_query

_CURSOR = re.compile(r"\d{13}-\d{4}-[0-9a-f]{8}", re.ASCII)


class AuditQuery(Body):
    model_config = ConfigDict(strict=False)

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, cursor_that(_CURSOR.fullmatch)] | None = None


def audit_query(params: Mapping[str, str]) -> AuditQuery:
    """Raises InvalidEmail with pointers like `?limit`."""
    return from_query(AuditQuery, params)
