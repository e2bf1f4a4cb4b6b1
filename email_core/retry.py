"""When a failed attempt is repeated: a pure rule, told the time and the chance.

The wait doubles from 30 s to 1 h, spread by up to a fifth so that mail that failed together does not come back
together. A provider that says how long to wait is believed.
"""

from datetime import timedelta

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
SPREAD = 0.2


def retry_wait(tries: int, *, chance: float, asked: timedelta | None = None) -> timedelta:
    """How long to wait after the `tries`-th try (1, 2, ...) failed. `chance` is uniform in [0, 1)."""
    if asked is not None:
        return asked * (1 + SPREAD * chance / 2)
    doublings = max(0, min(tries - 1, 20))
    doubled = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
    return doubled * (1 - SPREAD * chance)
