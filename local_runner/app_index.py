"""Imports function_app.py and lists its functions, refusing what Azure would refuse or silently drop."""

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import FunctionRegister

from local_runner.errors import LoadError
from local_runner.settings import is_disabled

FUNCTION_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)
ARGUMENT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]{0,127}")
RESERVED_ROUTE = re.compile(r"/*(admin|runtime)(/|$)", re.IGNORECASE)
TRIGGERS = ("httpTrigger", "queueTrigger", "timerTrigger")
BINDINGS = (*TRIGGERS, "http")


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be a key
class IndexedFunction:
    """A function of the app. `trigger` is its trigger binding as function.json would have it."""

    name: str
    call: Callable[..., Any]
    trigger: Mapping[str, Any]
    bindings: tuple[Mapping[str, Any], ...] = ()
    disabled: bool = False
    takes_context: bool = False

    @property
    def kind(self) -> str:
        """httpTrigger, queueTrigger or timerTrigger."""
        return str(self.trigger["type"])

    @property
    def argument(self) -> str:
        return str(self.trigger["name"])

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.call)

    @property
    def route(self) -> str:
        return str(self.trigger.get("route") or self.name).strip("/")

    @property
    def methods(self) -> tuple[str, ...]:
        """Upper case; none means that every method is served."""
        return tuple(method.upper() for method in self.trigger.get("methods") or ())


def load_functions(root: Path, environ: Mapping[str, str]) -> list[IndexedFunction]:
    """The app's functions in the order in which the host tries their routes.

    Raises LoadError. As in the worker, one bad function fails the whole app.
    """
    app = find_app(import_app(root))
    try:
        built = app.get_functions()
    except ValueError as error:
        raise LoadError(f"function_app.py: {error}") from error
    indexed = [index_function(function, environ) for function in built]
    # Upper case as .NET compares: it decides where "_" sorts.
    return sorted(indexed, key=lambda function: function.name.upper())


def import_app(root: Path) -> ModuleType:
    if not (root / "function_app.py").is_file():
        raise LoadError(f"{root / 'function_app.py'} is missing: start in the app's folder, or give it with --root")
    if sys.path[0] != str(root):
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module("function_app")
    except Exception as error:
        raise LoadError("function_app.py cannot be imported; what it raised is above") from error


def find_app(module: ModuleType) -> FunctionRegister:
    """The one FunctionApp at the top level. As in the worker, a second name for the same object counts."""
    names = [name for name, value in vars(module).items() if isinstance(value, FunctionRegister)]
    if len(names) != 1:
        found = f"has {len(names)} ({', '.join(names)})" if names else "has none"
        raise LoadError(f"function_app.py must have exactly one FunctionApp at its top level, but {found}")
    return typing.cast(FunctionRegister, getattr(module, names[0]))


def index_function(function: Any, environ: Mapping[str, str]) -> IndexedFunction:
    bindings = tuple(json.loads(function.get_function_json())["bindings"])
    name, call = function.get_function_name(), function.get_user_function()
    for binding in bindings:
        _check_binding(name, binding)
    indexed = IndexedFunction(
        name=name,
        call=call,
        trigger=next(binding for binding in bindings if binding["type"] in TRIGGERS),
        bindings=bindings,
        disabled=is_disabled(name, environ),
        takes_context="context" in inspect.signature(call).parameters,
    )
    if not FUNCTION_NAME.fullmatch(name):
        raise LoadError(f"the host refuses the function name {name!r}: letters, digits, _ and -, a letter first")
    if indexed.kind == "httpTrigger" and RESERVED_ROUTE.match(indexed.route):
        raise LoadError(f"function {name}: the route {indexed.route!r} begins with admin or runtime, the host's own")
    _check_signature(indexed)
    return indexed


def _check_binding(name: str, binding: Mapping[str, Any]) -> None:
    if binding["type"] not in BINDINGS:
        raise LoadError(f"function {name}: local_runner has no {binding['type']} binding, only {', '.join(BINDINGS)}")
    if binding["name"] != "$return" and not ARGUMENT_NAME.fullmatch(binding["name"]):
        raise LoadError(
            f"function {name}: the host drops a function whose arg_name is {binding['name']!r}; "
            "letters and digits only, a letter first, no underscore"
        )


def _check_signature(function: IndexedFunction) -> None:
    """Refuses parameters and annotations with which the worker would not load the function."""
    parameters = set(inspect.signature(function.call).parameters)
    if function.argument not in parameters:
        raise LoadError(f"function {function.name} has no parameter named as its arg_name, {function.argument!r}")
    if extra := parameters - {function.argument, "context"}:
        raise LoadError(f"function {function.name}: no binding fills the parameter {', '.join(sorted(extra))}")
    try:
        hints = typing.get_type_hints(function.call)
    except (NameError, TypeError) as error:
        raise LoadError(f"function {function.name}: an annotation cannot be resolved: {error}") from error
    if not _may_return(function.kind, hints.get("return")):
        raise LoadError(f"function {function.name}: the worker does not load a {function.kind} that returns this")


def _may_return(kind: str, annotation: object) -> bool:
    if annotation in (None, type(None)):
        return True
    is_answer = isinstance(annotation, type) and issubclass(annotation, func.HttpResponse | str)
    return kind == "httpTrigger" and is_answer
