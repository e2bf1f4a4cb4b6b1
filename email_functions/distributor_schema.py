"""What an administrator may change of the distributor."""

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from email_core.distribution import Edit
from email_core.distributor import DistributorState
from email_core.errors import FieldProblem, InvalidEmail
from email_functions.validation import Body, from_json

_PAST = (
    "is in the past, so that batch mail would stop at once: give today (UTC) or a later day; "
    'to stop it, send {"enabled": false}'
)


class RecurrenceBody(Body):
    every_minutes: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 0
    """How often a run sends what has gathered; 0: mail is sent as it comes."""
    end_after_runs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    end_date: date | None = None
    """The last day, in UTC; a new one is today or later."""

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if self.end_after_runs is not None and self.end_date is not None:
            raise ValueError("has two ends: give end_after_runs or end_date")
        if self.every_minutes == 0 and (self.end_after_runs is not None or self.end_date is not None):
            raise ValueError("has an end, but every_minutes is not given, or 0: give it too, as the whole is replaced")
        return self


class DistributorBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"recurrence": {"every_minutes": 5}}]})

    enabled: bool | None = None
    """Whether batch mail is sent at all; what is accepted meanwhile waits."""
    recurrence: RecurrenceBody | None = None
    """A new one begins anew, and so does one whose runs are done."""


def distributor_change(body: bytes) -> Edit:
    """The edit that the body asks for. A recurrence that stands there already goes on, unless it is over: then it
    begins anew, as every other does, where its last day allows that. The edit raises InvalidEmail for another one that
    would be over at once. Raises NotJson or InvalidEmail."""
    wanted = from_json(DistributorBody, body)
    recurrence = wanted.recurrence.model_dump() if wanted.recurrence else {}

    def edit(state: DistributorState, now: datetime) -> DistributorState:
        edited = state if wanted.enabled is None else replace(state, enabled=wanted.enabled)
        is_another = replace(edited, **recurrence) != edited
        anew = replace(edited, **recurrence, runs=0, last_run_at=None)
        if is_another and anew.is_over(now):
            raise InvalidEmail(FieldProblem("/recurrence/end_date", _PAST))
        begins = is_another or (recurrence and state.is_over(now) and not anew.is_over(now))
        return anew if begins else edited

    return edit
