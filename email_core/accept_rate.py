"""How much mail one caller may hand over (the parameter `accept_rate_limit`), counted over all instances.

It is counted in the same shared windows as what is sent: a row a caller, one conditional write for all that ask at once
in one process. Whoever finds no room is told when there is some, waits in no line, and costs no write.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil

from email_core.errors import TooManyEmails
from email_core.parameters import Parameters
from email_core.shared_windows import SharedWindows, WindowStore
from email_core.throttling import MINUTE, Ask

NOW = timedelta(milliseconds=300)  # another instance's clock may be ahead, and have counted what is to come by ours


class AcceptRate:
    def __init__(self, store: WindowStore, parameters: Parameters, clock: Callable[[], datetime]) -> None:
        self._windows = SharedWindows(store, clock)
        self._parameters = parameters
        self._clock = clock

    async def admit(self, caller: str) -> None:
        """Counts one email of a caller. Raises TooManyEmails, or StorageUnavailable."""
        limit = self._parameters.accept_rate_limit
        if not limit:
            return
        got = await self._windows.ask(_account(caller), Ask(limit=limit, within=NOW, now_or_never=True))
        if not got.reserved:
            wait = MINUTE.start(got.tick) - self._clock()
            raise TooManyEmails(limit, max(1, ceil(wait.total_seconds())))


def _account(caller: str) -> str:
    """A caller's id may have a character that no key of a row can have."""
    return "accept-" + hashlib.sha256(caller.encode()).hexdigest()[:24]
