"""Turns JSON and query strings into pydantic models, and what is wrong with them into pointers and plain words."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_core import from_json as parsed

from email_core.errors import FieldProblem, InvalidEmail
from email_core.text import nearest
from email_functions.problems import NotJson

FUNCTION_KEY = "code"  # where the host takes a function key from: not ours to judge
_MOST_PROBLEMS = 100  # told of one body
_TOLD_BY_VALUE = frozenset({"int_type", "bool_type", "enum"})  # what is said depends on what was sent
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_SEVERAL_WORDS = re.compile(r"\w+(,\w+)+")
_MARKS = b",:[{"  # each begins a value, or a field's name
_MARK_OR_TEXT = re.compile(rb'[,:\[{]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # in a text marks mean nothing
_PLACE = re.compile(r"(?P<what>.*) at line (?P<line>\d+) column (?P<column>\d+)", re.DOTALL)
_NOT_JSON = {  # what the parser says begins so; and what is said of it
    "trailing comma": "a comma has nothing after it",
    "key must be a string": "a field's name must stand in double quotes",
    "expected value": "a value must stand here; a text stands in double quotes",
    "expected ident": "this is none of true, false and null; a text stands in double quotes",
    "expected `,`": "a comma or a closing bracket must stand here",
    "expected `:`": "a colon must stand here, between a field's name and its value",
    "EOF": "it ends too soon: a quote or a bracket is not closed",
    "trailing characters": "something stands after its end",
    "control character": "a text has a line break or another control character: write a line break as \\n",
    "invalid unicode code point": "it is not in UTF-8",
    "recursion limit": "lists or objects stand too deep in each other",
    "number out of range": "a number has too many digits",
    "unexpected end of hex escape": "a \\u escape is half of a character",
    "lone leading surrogate": "a \\u escape is half of a character",
}


class Body(BaseModel):
    """Unknown fields are refused, types are not guessed, and no error repeats what was sent."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    most_values: ClassVar[int] = 200_000
    """Fields and items that its JSON may have, about. What is wrong with each of a million unknown fields would be told
    in fifty times the memory that they take."""

    @classmethod
    def fields_by_name(cls) -> dict[str, FieldInfo]:
        """By the names that callers give them."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def no_field(cls, name: str) -> str:
        """What is said of a field that is none."""
        names = sorted(cls.fields_by_name())
        hint = did_you_mean(name, names) if len(names) > 1 else ""
        return f"is not a field: {hint}the fields are {', '.join(names)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with a blank after it; empty where none of them is near."""
    meant = nearest(name, known)
    return f"did you mean {meant}? " if meant else ""


Model = TypeVar("Model", bound=Body)


def from_json(model: type[Model], body: bytes) -> Model:
    """Raises NotJson, or InvalidEmail with a JSON pointer for each problem."""
    if not body or body.isspace():
        raise NotJson("the body is empty: send a JSON object")
    if _has_more_values(body, model.most_values):
        raise InvalidEmail(FieldProblem("", f"has more fields and items than the {model.most_values} that are taken"))
    text = body.removeprefix(BOM_UTF8)  # a parser may ignore it (RFC 8259, 8.1)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _translated(error, model, lambda: parsed(text)) from None


def _has_more_values(body: bytes, most: int) -> bool:
    """A long text may have many of the same characters: only where that is possible it is told from the marks. Each
    text of JSON has a mark before it, but for the first."""
    if sum(body.count(mark) for mark in _MARKS) <= most:
        return False
    return next(islice(_MARK_OR_TEXT.finditer(body), 2 * most + 1, None), None) is not None


def from_query(model: type[Model], params: Mapping[str, str]) -> Model:
    """The texts of a query string are no JSON: they are read leniently. Raises InvalidEmail, pointers like `?limit`."""
    try:
        return from_texts(model, asked(params), "?")
    except InvalidEmail as error:
        known = {name: text for name, text in params.items() if name in model.fields_by_name()}
        raise InvalidEmail(*(_or_twice(one, known) for one in error.problems)) from None


def _or_twice(problem: FieldProblem, params: Mapping[str, str]) -> FieldProblem:
    """The host joins what is given twice with a comma."""
    if _SEVERAL_WORDS.fullmatch(params.get(problem.pointer[1:], "")):
        return FieldProblem(problem.pointer, "is given twice, or has a comma: give it once, without one")
    return problem


def from_texts(model: type[Model], texts: Mapping[str, str], place: str) -> Model:
    """Raises InvalidEmail, with pointers that begin with `place`."""
    try:
        return model.model_validate(texts, strict=False)
    except ValidationError as error:
        problems = _translated(error, model, lambda: texts).problems
        raise InvalidEmail(*(FieldProblem(place + one.pointer[1:], one.detail) for one in problems)) from None


def asked(params: Mapping[str, str]) -> dict[str, str]:
    """The query string without the host's own part."""
    return {name: value for name, value in params.items() if name != FUNCTION_KEY}


def refuse_query(params: Mapping[str, str]) -> None:
    """For a door that takes no query string: nobody shall believe that `?dry_run=true` did something there."""
    unknown = list(asked(params))
    if unknown:
        detail = "is not taken in the query string of this call"
        raise InvalidEmail(*(FieldProblem(f"?{name}", detail) for name in unknown[:_MOST_PROBLEMS]))


class _Nothing(Body):
    """No field at all."""


def refuse_body(body: bytes, why: str) -> None:
    """For a door that takes none: nobody shall believe that it did something there. An empty object says nothing. `why`
    is what is said of each field. Raises InvalidEmail."""
    if not body or body.isspace():
        return
    try:
        from_json(_Nothing, body)
        return
    except InvalidEmail as error:
        pointers = [one.pointer for one in error.problems]
    except NotJson:
        pointers = [""]
    raise InvalidEmail(*(FieldProblem(pointer, f"is not taken: {why}") for pointer in pointers))


def _translated(error: ValidationError, model: type[Body], sent: Callable[[], Any]) -> InvalidEmail:
    """`sent` is read again where it is asked for: with each error its input would come, a large one many times."""
    details = error.errors(include_url=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise NotJson(_not_json(details[0])) from None
    told = details[:_MOST_PROBLEMS]
    values = sent() if any(one["type"] in _TOLD_BY_VALUE for one in told) else None
    return InvalidEmail(
        *(FieldProblem(_pointer(one), _detail(one, model, _value_at(values, one["loc"]))) for one in told)
    )


def _value_at(values: Any, steps: tuple[int | str, ...]) -> Any:
    """None where nothing is."""
    try:
        for step in steps:
            values = values[step]
    except (LookupError, TypeError):
        return None
    return values


def _not_json(error: ErrorDetails) -> str:
    """The parser says `<what> at line 1 column 9`; nothing of the body is in it."""
    found = _PLACE.fullmatch(str(error["ctx"]["error"]))
    if found is None:
        return error["msg"]
    words = next((words for start, words in _NOT_JSON.items() if found["what"].startswith(start)), found["what"])
    return f"line {found['line']}, character {found['column']}: {words}"


def _pointer(error: ErrorDetails) -> str:
    """RFC 6901. The `[key]` that pydantic adds where a key itself is wrong is no part of the way to it."""
    steps = error["loc"]
    path = [str(part) for part in (steps[:-1] if len(steps) > 2 and steps[-1] == "[key]" else steps)]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _detail(error: ErrorDetails, model: type[Body], value: Any) -> str:
    """`value` is what was sent, for those of `_TOLD_BY_VALUE`: it is not repeated."""
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return "is required"
        case "extra_forbidden":
            *way, name = error["loc"]
            return _model_at(model, way).no_field(str(name))
        case "timezone_aware":
            return "has no offset: write it like 2026-01-31T09:00:00+01:00, or with Z for UTC"
        case "datetime_parsing" | "datetime_from_date_parsing" | "datetime_object_invalid":
            reason = str(error["ctx"]["error"])
            return f"is not a time like 2026-01-31T09:00:00Z ({reason}); in a query string write + as %2B"
        case "model_type" if _is_of_addresses(error):
            return 'is no address: write "bob@example.com", or an object with address and name'
        case "model_type" | "dict_type":
            return "is not a JSON object"
        case "list_type":
            return (
                'is not a list: write ["bob@example.com"]' if _is_of_addresses(error) else "is not a list: write [...]"
            )
        case "enum":
            names = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            hint = did_you_mean(value, names.split(", ")) if isinstance(value, str) else ""
            return f"is none of {names}" + (f": {hint.strip()}" if hint else "")
        case "string_type":
            return "is not text: write it in double quotes"
        case "int_type" if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
            return "is not a whole number: write it without quotes"
        case "int_type" | "int_parsing" | "int_parsing_size" | "int_from_float":
            return "is not a whole number like 50"
        case "bool_type" if value in ("true", "false"):
            return "is neither true nor false: write it without quotes"
        case "bool_type" | "bool_parsing":
            return "is neither true nor false"
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return "is not a date like 2026-01-31"
        case "greater_than_equal":
            return f"is too small: at least {error['ctx']['ge']}"
        case "less_than_equal":
            return f"is too large: at most {error['ctx']['le']}"
        case "too_long":
            return f"is too long: at most {error['ctx']['max_length']}"
        case "too_short":
            return "is empty"
    return error["msg"][:1].lower() + error["msg"][1:]


def _model_at(model: type[Body], way: Iterable[int | str]) -> type[Body]:
    """That of an object within another, by the names on the way to it; the numbers are those of a list's items."""
    for step in way:
        field = model.fields_by_name().get(str(step))
        model = (_model_in(field.annotation) if field else None) or model
    return model


def _model_in(kind: Any) -> type[Body] | None:
    """The one that a type like `list[AddressBody] | None` is made of."""
    if isinstance(kind, type) and issubclass(kind, Body):
        return kind
    return next((found for part in get_args(kind) if (found := _model_in(part))), None)


def _is_of_addresses(error: ErrorDetails) -> bool:
    return not {"from", "to", "cc", "bcc", "reply_to"}.isdisjoint(error["loc"])
