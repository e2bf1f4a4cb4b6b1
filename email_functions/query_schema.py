"""How kept mail is asked for: the query strings of a list, of its export, and of one email's content."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from email_core.addresses import parse_address
from email_core.choice_of_provider import CONFIGURED_BY
from email_core.delivery_state import ENDED, Status
from email_core.email_id import is_email_id
from email_core.record import Mode
from email_core.stores.base import EmailQuery, View
from email_functions.field_types import Line, Moment, cursor_that
from email_functions.validation import Body, did_you_mean, from_query


class ListQuery(Body):
    """The query string of a list. The texts of a query string are no JSON: they are read leniently."""

    model_config = ConfigDict(strict=False)

    view: View = View.HISTORY
    """unsent: Unsent and Sending. history: what ended."""
    status: Status | None = None
    sender: Line | None = None
    """The From address."""
    recipient: Line | None = None
    """The address of one of its recipients."""
    provider: Line | None = None
    """smtp, graph or exchange, configured or not: mail that went through it before is found."""
    mode: Mode | None = None
    user: Annotated[Line, Field(max_length=128)] | None = None
    """The user on whose behalf it was sent."""
    since: Moment | None = Field(None, alias="from")
    """Accepted at this time or later."""
    until: Moment | None = Field(None, alias="to")
    """Accepted before this time."""
    q: Line | None = None
    """A part of the subject."""
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, cursor_that(is_email_id)] | None = None
    """The `next` of the page before."""

    @field_validator("sender", "recipient")
    @classmethod
    def _as_recorded(cls, address: str | None) -> str | None:
        return None if address is None else parse_address(address).address

    @field_validator("provider")
    @classmethod
    def _is_known(cls, provider: str | None) -> str | None:
        if provider is not None and provider not in CONFIGURED_BY:
            hint = did_you_mean(provider, CONFIGURED_BY)
            raise ValueError(f"is no provider: {hint}there are {', '.join(CONFIGURED_BY)}")
        return provider

    @field_validator("until")
    @classmethod
    def _is_after_since(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if until is not None and since is not None and since >= until:
            raise ValueError("is not after `from`: nothing is from that one on and before this one, give a later time")
        return until

    @field_validator("status")
    @classmethod
    def _is_in_view(cls, status: Status | None, info: ValidationInfo) -> Status | None:
        if status is not None and (status in ENDED) != (info.data.get("view") is View.HISTORY):
            raise ValueError("is not in this view: history has what ended, view=unsent has Unsent and Sending")
        return status

    def to_core(self) -> EmailQuery:
        return EmailQuery(
            view=self.view,
            status=self.status,
            sender=self.sender,
            recipient=self.recipient,
            provider=self.provider,
            mode=self.mode,
            user=self.user,
            subject=self.q,
            since=self.since,
            until=self.until,
            limit=self.limit,
            after=self.cursor,
        )


class ExportQuery(ListQuery):
    """The filters of the list; `limit` counts the rows of one part."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    cursor: Annotated[str, cursor_that(is_email_id)] | None = None
    """The header `Link` of the part before has it."""
    bom: bool = False
    """Begins with a byte order mark, by which Excel knows UTF-8."""


class EmlQuery(Body):
    """In which form the message is wanted: as it was sent, or as a draft for the user's own mail app."""

    model_config = ConfigDict(strict=False)

    draft: bool = False
    """Ready to send, with Bcc, for a mail app."""


def eml_query(params: Mapping[str, str]) -> EmlQuery:
    """Raises InvalidEmail with pointers like `?draft`."""
    return from_query(EmlQuery, params)


def list_query(params: Mapping[str, str]) -> ListQuery:
    """Raises InvalidEmail with pointers like `?limit`."""
    return from_query(ListQuery, params)


def export_query(params: Mapping[str, str]) -> ExportQuery:
    """Raises InvalidEmail with pointers like `?limit`."""
    return from_query(ExportQuery, params)
