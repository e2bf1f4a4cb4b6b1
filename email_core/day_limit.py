"""The recipients a day of a sending mailbox: counted in any 24 hours, in steps of five minutes. What is over the limit
waits for its step on another day.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from email_core.deferral import Deferral
from email_core.parameters import Parameters
from email_core.record import EmailRecord, Mode, Turn
from email_core.sending_limits import sending_account, sending_limits, sending_mailbox_in_words
from email_core.shared_windows import SharedWindows
from email_core.throttling import DAY, Ask
from email_core.window_book import usage

FURTHEST = timedelta(days=29)
SPREAD = timedelta(minutes=10)  # of those whose recipients are counted from the same time on


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStatus:
    """The limit of the mailbox that all batch mail goes through, as an administrator sees it; 0 = none. The others are
    None where there is no limit, or each mailbox that mail is from has its own."""

    limit: int
    used_last_day: int | None = None
    reserved_ahead: int | None = None
    next_at: datetime | None = None


class DayLimit:
    """Raises StorageUnavailable where the shared windows cannot be written."""

    def __init__(
        self,
        windows: SharedWindows,
        parameters: Parameters,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._windows = windows
        self._parameters = parameters
        self._clock = clock
        self._chance = chance

    def of(self, record: EmailRecord) -> int:
        """The limit that holds for an email, 0 = none."""
        return 0 if record.mode is Mode.INTERACTIVE else self._limit(record.provider)

    def is_full(self, record: EmailRecord) -> bool:
        """As far as this process knows: then it is no use to ask for a permit."""
        limit = self.of(record)
        known = self._windows.known(self._mailbox(record)) if limit else None
        if known is None or self._is_counted(record):
            return False
        now = self._clock()
        return usage(known, limit, now, DAY, weight=len(record.open_recipients)).next_at > now

    async def count(self, record: EmailRecord) -> Turn | Deferral:
        """Counts an email's recipients, unless they are counted already."""
        limit, turn = self.of(record), record.turn or Turn()
        if not limit or self._is_counted(record):
            return turn
        got = await self._windows.ask(
            self._mailbox(record),
            Ask(
                limit=limit,
                within=FURTHEST,
                weight=len(record.open_recipients),
                gives_back=DAY.at(turn.counted_at) if turn.counted_at else None,
                first=True,
                now_or_never=True,  # nobody waits in a line for a day
            ),
        )
        counted_at, now = DAY.start(got.tick), self._clock()
        if counted_at <= now:
            return replace(turn, counted_at=counted_at)
        words = f"{_a_day(limit)} of {sending_mailbox_in_words(self._parameters, record.provider)}"
        waits = Turn(limit=words, counted_at=counted_at if got.reserved else None, deferrals=turn.deferrals)
        return Deferral(counted_at + SPREAD * self._chance(), waits)

    async def give_back(self, record: EmailRecord, counted_at: datetime) -> None:
        if limit := self.of(record):
            weight = min(len(record.open_recipients), limit)
            await self._windows.give_back(self._mailbox(record), DAY.at(counted_at), weight)

    async def status(self, provider: str) -> DayStatus:
        limit, mailbox = self._limit(provider), sending_account(self._parameters, provider)
        if not limit or not mailbox:
            return DayStatus(limit=limit)
        seen = usage(await self._windows.window(account_of(provider, mailbox)), limit, self._clock(), DAY)
        return DayStatus(limit=limit, used_last_day=seen.used, reserved_ahead=seen.ahead, next_at=seen.next_at)

    def was_changed(self, record: EmailRecord) -> bool:
        """Whether an email waits for another day, and for a limit that holds no longer."""
        turn = record.turn
        waits = turn is not None and turn.counted_at is not None and turn.counted_at > self._clock()
        return waits and turn is not None and not turn.limit.startswith(_a_day(self.of(record)))

    def _limit(self, provider: str) -> int:
        return sending_limits(self._parameters, provider).recipients_per_day

    def _is_counted(self, record: EmailRecord) -> bool:
        """Whether its recipients are counted already for this attempt: it was deferred since, or reached nobody."""
        counted_at = record.turn.counted_at if record.turn else None
        return counted_at is not None and DAY.is_valid(DAY.at(counted_at), self._clock())

    def _mailbox(self, record: EmailRecord) -> str:
        return account_of(record.provider, sending_account(self._parameters, record.provider) or record.sender.address)


def account_of(provider: str, mailbox: str) -> str:
    """Under which a sending mailbox's recipients are counted: its address is told to nobody."""
    return f"{provider}-{hashlib.sha256(mailbox.casefold().encode()).hexdigest()[:24]}"


def _a_day(limit: int) -> str:
    return f"{limit} recipients a day"
