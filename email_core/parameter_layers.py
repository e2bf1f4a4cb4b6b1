"""Where a parameter's value comes from: what an administrator stored, else the app setting `EmailParameters__<name>`,
else the default. What is wrong with a value is told and never guessed at: in its place stands the default, and nothing
is sent while it does.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from enum import StrEnum
from typing import Any

from email_core.errors import ParameterProblem
from email_core.parameters import PEM, ROWS, SETTING_PREFIX, Parameters, Value
from email_core.secret_store.base import SecretName
from email_core.text import has_control_character, nearest

LONGEST_TEXT = 2_000  # characters
LONGEST_PEM = 16_000
LONGEST_NUMBER = 9  # digits


class Source(StrEnum):
    STORED = "stored"
    APP_SETTING = "app setting"
    DEFAULT = "default"


class _Wrong(Exception):
    """A value that the parameter cannot have: what is wrong, and the fix."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Layers:
    """The parameters with the source of each. `given` is what was written there, right or wrong, where anything was.
    `unknown` are stored under names that no parameter of this version has."""

    parameters: Parameters
    sources: Mapping[str, Source]
    given: Mapping[str, Value] = field(repr=False)
    problems: tuple[ParameterProblem, ...]
    unknown: tuple[str, ...] = ()

    @property
    def wrong(self) -> frozenset[str]:
        return frozenset(one.name for one in self.problems)


def layers(settings: Mapping[str, str], stored: Mapping[str, Value]) -> Layers:
    texts = {
        setting.removeprefix(SETTING_PREFIX): text.strip()
        for setting, text in settings.items()
        if setting.startswith(SETTING_PREFIX)
    }
    problems = [_no_parameter(name) for name in texts if name not in ROWS]
    values: dict[str, Any] = {}
    for name, row in ROWS.items():
        try:
            if name in stored:
                values[name] = checked(row, stored[name])
            elif name in texts:
                values[name] = _from_text(row, texts[name])
        except _Wrong as wrong:
            problems.append(ParameterProblem(name, wrong.problem, wrong.fix))
    return Layers(
        parameters=Parameters(**values),
        sources={name: _source(name, stored, texts) for name in ROWS},
        given={**texts, **stored},
        problems=tuple(problems),
        unknown=tuple(sorted(set(stored) - set(ROWS))),
    )


def value_of(read: Layers, row: "Field[Any]") -> Value | None:
    """The value in force, or what was written in its place where that is wrong."""
    value: Value | None = getattr(read.parameters, row.name)
    given = read.given.get(row.name, value) if row.name in read.wrong else value
    return _storable(given) if isinstance(given, str) else given


def checked(row: "Field[Any]", value: object) -> Value:
    """A value of JSON or of the store. Raises _Wrong."""
    if isinstance(row.default, bool):
        if not isinstance(value, bool):
            raise _Wrong("is neither true nor false", "Use true or false.")
        return value
    if isinstance(row.default, str):
        return _checked_text(row, value)
    low, high = row.metadata["limits"]
    if isinstance(value, str):
        raise _Wrong("is text and no number", f"Use {low} to {high}, without quotes.")
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _Wrong("is not a number within its limits", f"Use {low} to {high}.")
    return value


def _checked_text(row: "Field[Any]", value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong("is not text", "Write it in double quotes.")
    choices, is_pem = row.metadata["choices"], row.metadata["unit"] == PEM
    if choices and value not in choices:
        raise _Wrong("has a value that is not allowed", f"Use one of {', '.join(choices)}.")
    longest = LONGEST_PEM if is_pem else LONGEST_TEXT
    if len(value) > longest:
        raise _Wrong("is too long", f"Use at most {longest} characters.")
    if is_pem and "PRIVATE KEY" in value:
        raise _Wrong("holds a private key, which is a secret", "Give the certificate alone.")
    if has_control_character(" ".join(value.split()) if is_pem else value):
        raise _Wrong("has a control character (a line break, a tab, ...)", "Remove it.")
    return value if is_pem else value.strip()


def _from_text(row: "Field[Any]", text: str) -> Value | None:
    if isinstance(row.default, bool):
        return checked(row, {"true": True, "false": False}.get(text.lower()))
    if isinstance(row.default, str):
        return checked(row, text)
    if row.default is None and not text:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return checked(row, int(text) if is_number else None)


def _storable(text: str) -> str:
    """As much as a row of the audit holds, and without what no UTF-8 can say: an app setting may be anything."""
    return text.encode("utf-8", "replace").decode()[:LONGEST_PEM]


def _source(name: str, stored: Mapping[str, Value], texts: Mapping[str, str]) -> Source:
    if name in stored:
        return Source.STORED
    return Source.APP_SETTING if name in texts else Source.DEFAULT


def meant_by(name: str) -> str:
    """A sentence on what was probably meant by a name that is no parameter's."""
    secrets = {secret.replace("-", "_"): secret for secret in SecretName}
    meant = nearest(name, [*ROWS, *secrets])
    if meant is None:
        return "GET /api/parameters lists them."
    if meant in secrets:
        return f"{secrets[meant]} is a secret: enter it by PUT /api/secrets/{secrets[meant]}."
    return f"Did you mean {meant}?"


def _no_parameter(name: str) -> ParameterProblem:
    """No call takes an app setting away."""
    fix = f"{meant_by(name)} Correct or remove this app setting, and restart."
    return ParameterProblem(SETTING_PREFIX + name, "is no parameter", fix)
