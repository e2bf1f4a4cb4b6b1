"""What takes long, beside what others wait for."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LARGE = 262_144  # octets; what is built from more would hold up everybody else
P = ParamSpec("P")
T = TypeVar("T")


async def beside(octets: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Much work goes to a thread, as others are waiting."""
    return await asyncio.to_thread(work, *args, **kwargs) if octets > LARGE else work(*args, **kwargs)
