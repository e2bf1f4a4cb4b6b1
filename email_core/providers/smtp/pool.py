"""Connections that are kept from one email to the next, one email at a time on each.

All times are seconds of a monotonic clock. What is kept belongs to the event loop in which it was made: the process has
one, but tests have many.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.smtp.connection import Connection, NotConnected

WAIT_SECONDS = 120.0  # for a connection to be free: well within the email's lease
CHECK_AFTER = 10.0  # idle for longer than this, a connection is asked whether it still lives
CHECK_SECONDS = 5.0  # and has this long to answer
IDLE_SECONDS = 60.0  # then it is closed: Azure's network forgets an idle connection after 4 minutes, servers sooner
LONGEST_LIFE = 300.0
MOST_MESSAGES = 100
SAME_ANSWER_SECONDS = 5.0  # a refused sign-in is not tried again within these

BUSY = "all connections to the server are busy"


class Pool:
    """At most `max_connections` at once; whoever waits for one is served in order of coming."""

    def __init__(self, opener: Callable[[], Awaitable[Connection]], size: int, clock: Callable[[], float]) -> None:
        self._open = opener
        self._size = size
        self._clock = clock
        self._kept: _Kept | None = None

    def turn(self, seconds: float = WAIT_SECONDS) -> "_Turn":
        """The right to one connection, as a context. Raises NotConnected where none is free in time."""
        return _Turn(self._of_this_loop().turns, min(seconds, WAIT_SECONDS))

    async def idle(self, time_left: Callable[[], float] = lambda: math.inf) -> Connection | None:
        """A kept connection that can be used: the one that was used last. It takes no longer than `time_left`, which
        is in seconds."""
        kept = self._of_this_loop()
        while kept.idle:
            connection = kept.idle.pop()
            try:
                if self._is_worth_keeping(connection, kept) and await self._is_alive(connection, time_left):
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.quit()
        return None

    async def fresh(self) -> Connection:
        """A new connection. One is made at a time, and when that fails, it has failed for all who waited for it: a
        server that is down is not called, and a password that is wrong not tried, once for each email."""
        kept = self._of_this_loop()
        failures = kept.failures
        async with kept.opening:
            if kept.failure is not None and (kept.failures != failures or self._clock() < kept.same_answer_until):
                raise NotConnected(kept.failure)
            try:
                return await self._open()
            except NotConnected as error:
                self._remember(kept, error.outcome)
                raise

    def give_back(self, connection: Connection) -> None:
        kept = self._of_this_loop()
        connection.used_at, connection.was_kept = self._clock(), True
        if not self._is_worth_keeping(connection, kept):
            connection.quit()
            return
        kept.idle.append(connection)
        if kept.timer is None:
            kept.timer = kept.loop.call_later(IDLE_SECONDS, self._close_idle, kept)

    def forget_failure(self) -> None:
        """The next one may try: something was changed, or a test has shown that it works."""
        self._of_this_loop().same_answer_until = 0.0

    def sign_in_anew(self) -> None:
        """The next one may try, and does: no connection of before is used again."""
        self.forget_failure()
        self._of_this_loop().used_if_opened_after = self._clock()

    def close(self) -> None:
        """Closes what is idle; what is in use is closed or kept by who uses it."""
        kept, self._kept = self._kept, None
        if kept is None or kept.loop.is_closed():
            return
        if kept.timer is not None:
            kept.timer.cancel()
        for connection in kept.idle:
            connection.close()

    def _of_this_loop(self) -> "_Kept":
        loop = asyncio.get_running_loop()
        if self._kept is None or self._kept.loop is not loop:
            self._kept = _Kept(loop, self._size)
        return self._kept

    def _is_worth_keeping(self, connection: Connection, kept: "_Kept") -> bool:
        age = self._clock() - connection.opened_at
        is_of_before = connection.opened_at <= kept.used_if_opened_after
        return connection.is_open and not is_of_before and connection.messages < MOST_MESSAGES and age < LONGEST_LIFE

    async def _is_alive(self, connection: Connection, time_left: Callable[[], float]) -> bool:
        if connection.is_clean and self._clock() - connection.used_at <= CHECK_AFTER:
            return True
        return await connection.reset(min(CHECK_SECONDS, time_left()))

    def _remember(self, kept: "_Kept", failure: Outcome) -> None:
        kept.failures += 1
        kept.failure = failure
        if failure.stage == "auth":
            kept.used_if_opened_after = self._clock()  # what signed in before may hide that nobody can any more
        if failure.stage == "auth" or failure.kind is OutcomeKind.CONFIGURATION:
            kept.same_answer_until = self._clock() + SAME_ANSWER_SECONDS

    def _close_idle(self, kept: "_Kept") -> None:
        """The oldest is first: what is used last is taken first."""
        kept.timer = None
        now = self._clock()
        while kept.idle and now - kept.idle[0].used_at >= IDLE_SECONDS:
            kept.idle.pop(0).quit()
        if kept.idle:
            wait = IDLE_SECONDS - (now - kept.idle[0].used_at)
            kept.timer = kept.loop.call_later(wait, self._close_idle, kept)


class _Turn:
    def __init__(self, turns: asyncio.Semaphore, seconds: float) -> None:
        self._turns = turns
        self._seconds = seconds

    async def __aenter__(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise NotConnected(Outcome(kind=OutcomeKind.TRANSIENT, reply=BUSY, stage="connect")) from error

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


class _Kept:
    """What a pool has in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.loop = loop
        self.turns = asyncio.Semaphore(size)
        self.opening = asyncio.Lock()
        self.idle: list[Connection] = []
        self.timer: asyncio.TimerHandle | None = None
        self.failures = 0
        self.failure: Outcome | None = None
        self.same_answer_until = 0.0
        self.used_if_opened_after = -math.inf
