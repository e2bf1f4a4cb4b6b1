"""What an administrator may change of the parameters: a field for each row."""

from collections.abc import Mapping
from dataclasses import Field as Row
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

from email_core.parameter_desk import ANY_VERSION
from email_core.parameter_layers import meant_by
from email_core.parameters import ROWS, Value
from email_functions.problems import NoPrecondition
from email_functions.validation import Body, from_json


def _field(row: "Row[Any]") -> Any:
    """Its type alone: which values it may have, the core says, the same for all who ask."""
    about = row.metadata
    limits = {"minimum": about["limits"][0], "maximum": about["limits"][1]} if about["limits"] else {}
    choices = {"enum": [*about["choices"], None]} if about["choices"] else {}
    kind: type[Value] = bool if isinstance(row.default, bool) else str if isinstance(row.default, str) else int
    help = Field(description=about["help"], json_schema_extra=limits | choices)
    return Annotated[kind | None, help], None


class _Parameters(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"attachment_size_limit": 25}]})

    @classmethod
    def no_field(cls, name: str) -> str:
        """There are too many to tell them all."""
        return f"is no parameter. {meant_by(name)}"


ParametersBody: type[Body] = create_model(
    "ParametersBody", __base__=_Parameters, **{name: _field(row) for name, row in ROWS.items()}
)


def parameter_changes(body: bytes) -> dict[str, Value | None]:
    """None takes a stored value back. Raises NotJson or InvalidEmail."""
    wanted = from_json(ParametersBody, body)
    return {name: getattr(wanted, name) for name in sorted(wanted.model_fields_set)}


def if_match(headers: Mapping[str, str]) -> str:
    """The version that a change was made from, or any; its quotes may be lost on the way through a shell. Raises
    NoPrecondition."""
    version = headers.get("if-match", "").strip()
    if not version:
        raise NoPrecondition(f"send If-Match with the ETag that you read, or {ANY_VERSION} whatever it is now")
    return version if version == ANY_VERSION else '"{}"'.format(version.strip('"'))
