"""How much memory Python's own objects take meanwhile."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Allocated:
    """`peak`, in octets, is what was allocated at the most, beside what was there before."""

    peak: int = 0


@contextmanager
def traced() -> Iterator[Allocated]:
    allocated = Allocated()
    tracemalloc.start()
    try:
        yield allocated
        allocated.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
