"""What the Functions worker wants of a function that stands before another."""

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def shown_as(original: Callable[..., Any], function: Function) -> Function:
    """`function` under the name of `original`. Not functools.wraps: the worker would take the parameters of the
    original for those of the trigger."""
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(function, attribute, getattr(original, attribute))
    return function
