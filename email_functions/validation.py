"""Turns JSON and query strings into pydantic models, and what is wrong with them into pointers and plain words."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from email_core.errors import FieldProblem, InvalidEmail
from email_functions.problems import NotJson

_FUNCTION_KEY = "code"  # where the host takes a function key from: not ours to judge
_MOST_PROBLEMS = 100  # told of one body


class Body(BaseModel):
    """Unknown fields are refused, types are not guessed, and no error repeats what was sent."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


Model = TypeVar("Model", bound=Body)


def from_json(model: type[Model], body: bytes) -> Model:
    """Raises NotJson, or InvalidEmail with a JSON pointer for each problem."""
    if not body or body.isspace():
        raise NotJson("the body is empty: send a JSON object")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _translated(error, model) from None


def from_query(model: type[Model], params: Mapping[str, str]) -> Model:
    """The texts of a query string are no JSON: they are read leniently. Raises InvalidEmail, pointers like `?limit`."""
    wanted = {name: value for name, value in params.items() if name != _FUNCTION_KEY}
    try:
        return model.model_validate(wanted, strict=False)
    except ValidationError as error:
        problems = _translated(error, model).problems
        raise InvalidEmail(*(FieldProblem("?" + one.pointer[1:], one.detail) for one in problems)) from None


def refuse_query(params: Mapping[str, str]) -> None:
    """For a door that takes no query string: nobody shall believe that `?dry_run=true` did something there."""
    unknown = [name for name in params if name != _FUNCTION_KEY]
    if unknown:
        raise InvalidEmail(*(FieldProblem(f"?{name}", "is not taken here: give it in the body") for name in unknown))


def _translated(error: ValidationError, model: type[BaseModel]) -> InvalidEmail:
    details = error.errors(include_url=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise NotJson(details[0]["msg"]) from None
    return InvalidEmail(*(FieldProblem(_pointer(one), _detail(one, model)) for one in details[:_MOST_PROBLEMS]))


def _pointer(error: ErrorDetails) -> str:
    """RFC 6901. The `[key]` that pydantic adds where a key itself is wrong is no part of the way to it."""
    steps = error["loc"]
    path = [str(part) for part in (steps[:-1] if len(steps) > 2 and steps[-1] == "[key]" else steps)]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _detail(error: ErrorDetails, model: type[BaseModel]) -> str:
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return "is required"
        case "extra_forbidden" if len(error["loc"]) == 1:
            return f"is not a field: the fields are {', '.join(sorted(_field_names(model)))}"
        case "extra_forbidden":
            return "is not a field here"
        case "timezone_aware":
            return "has no offset: write it like 2026-01-31T09:00:00+01:00, or with Z for UTC"
        case "datetime_parsing" | "datetime_from_date_parsing" | "datetime_object_invalid":
            reason = str(error["ctx"]["error"])
            return f"is not a time like 2026-01-31T09:00:00Z ({reason}); in a query string write + as %2B"
        case "model_type" | "dict_type":
            return "is not a JSON object"
        case "too_long":
            return f"is too long: at most {error['ctx']['max_length']}"
        case "too_short":
            return "is empty"
    return error["msg"][:1].lower() + error["msg"][1:]


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
