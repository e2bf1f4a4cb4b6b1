"""Waiting for another process, which can only be asked again."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str = "it", *, seconds: float = 20, every: float = 0.02) -> T:
    """Asks until the answer is true, and returns it. Raises AssertionError with the last answer when time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; the last answer was {answer!r}")
        time.sleep(every)
    return answer
