"""Whether a call is made once more, and when."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from email_client.calls import Call
from email_client.errors import retry_after

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nobody has got the request
LATER = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """At most so many `tries`, and never a wait longer than `longest_wait` seconds: a caller that is told to come again
    later than that learns so at once (`EmailError.retry_after`)."""

    tries: int = 4
    longest_wait: float = 30.0
    chance: Callable[[], float] = random.random

    def wait(self, call: Call, outcome: httpx.Response | httpx.TransportError, tried: int) -> float | None:
        """Seconds until the next try; None where there is none. What may have been done is not done again, unless the
        call is `repeatable`."""
        if tried >= self.tries or not _is_worth_it(call, outcome):
            return None
        asked = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        wait = 0.5 * 2 ** (tried - 1) * (0.5 + self.chance() / 2) if asked is None else asked
        return wait if wait <= self.longest_wait else None


def _is_worth_it(call: Call, outcome: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(outcome, httpx.TransportError):
        return call.repeatable or isinstance(outcome, NOT_SENT)
    if outcome.status_code == 409:  # the first request with this Idempotency-Key is not answered yet
        return call.repeatable and retry_after(outcome) is not None
    return outcome.status_code == 429 or (call.repeatable and outcome.status_code in LATER)
