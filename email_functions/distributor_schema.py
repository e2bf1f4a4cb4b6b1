"""What an administrator may change of the distributor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from email_core.distributor import DistributorState
from email_functions.validation import Body, from_json


class RecurrenceBody(Body):
    every_minutes: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 0
    """How often a run sends what has gathered; 0: mail is sent as it comes."""
    end_after_runs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    end_date: date | None = None
    """The last day, in UTC."""

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if self.end_after_runs is not None and self.end_date is not None:
            raise ValueError("has two ends: give end_after_runs or end_date")
        if self.every_minutes == 0 and (self.end_after_runs is not None or self.end_date is not None):
            raise ValueError("has an end, but every_minutes is 0, which means that mail is sent as it comes")
        return self


class DistributorBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"recurrence": {"every_minutes": 5}}]})

    enabled: bool | None = None
    """Whether batch mail is sent at all; what is accepted meanwhile waits."""
    recurrence: RecurrenceBody | None = None
    """It begins anew."""


def distributor_change(body: bytes) -> Callable[[DistributorState], DistributorState]:
    """The edit that the body asks for; a new recurrence begins anew. Raises NotJson or InvalidEmail."""
    wanted = from_json(DistributorBody, body)
    changes: dict[str, Any] = {}
    if wanted.enabled is not None:
        changes["enabled"] = wanted.enabled
    if wanted.recurrence is not None:
        changes |= wanted.recurrence.model_dump() | {"runs": 0, "last_run_at": None}
    return lambda state: replace(state, **changes)
