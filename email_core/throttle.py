"""The sending limits as an email meets them, between its look and its hand-over (facts/dynamics.md: batch mail only;
over the limit an email is deferred for up to a minute, and after ten deferrals it is sent regardless).

An email gets a permit, a moment in which it may be handed over. One that is near is waited for in the worker; for a
later one the email is deferred, and sends without asking when it comes back in time.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from email_core.day_limit import DayLimit, DayStatus
from email_core.deferral import Deferral
from email_core.diagnosis import Category, by_id
from email_core.errors import StorageUnavailable
from email_core.line_census import LineCensus
from email_core.logs import where
from email_core.message import Importance
from email_core.parameters import Parameters
from email_core.providers.base import OutcomeKind
from email_core.record import Attempt, EmailRecord, Mode, Turn
from email_core.sending_limits import SendingLimits, sending_limits
from email_core.shared_windows import SharedWindows, WindowStore
from email_core.throttling import DAY, MINUTE, Answer, Ask, Window
from email_core.window_book import turn_of, usage

AHEAD = timedelta(seconds=4)  # how long before its permit an email comes back: a whole second, and a poll of the queue
EARLIER = timedelta(seconds=2.5)  # it may go before its turn in the line: nothing is missed where another one is late
TURNS_EARLIER = 5  # and before so many others': a place may be nobody's, and its moment is for the next one
MOST_EARLIER = timedelta(minutes=5)
RACES = timedelta(seconds=2.5)  # it comes so long before that: until others' writes let it reserve
MOST_MISSES = 3  # moments in a row, while a worker has an email
NEAR = timedelta(seconds=6)  # a permit so near is waited for in the worker: a doorbell may be early by 2 s
MOST_PROMISED = 100  # emails; behind them there is the line
SHORTEST = timedelta(seconds=1)  # of a deferral
SOONER = timedelta(seconds=1)  # an email's time is not changed for less

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleStatus:
    """A provider's limit a minute as an administrator sees it. `limit` is the parameter's, 0 = none; `in_force` is less
    while the provider says that it is too much. `in_line`: emails that wait behind what is reserved."""

    limit: int
    in_force: int
    used_last_minute: int = 0
    reserved_ahead: int = 0
    in_line: int = 0
    next_at: datetime | None = None


class Throttle:
    """Raises StorageUnavailable where the shared windows cannot be written."""

    def __init__(
        self,
        store: WindowStore,
        parameters: Parameters,
        clock: Callable[[], datetime],
        *,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._parameters = parameters
        self._clock = clock
        self._chance = chance
        self._pause = pause
        self._minutes = SharedWindows(store, clock, grain=MINUTE, chance=chance, pause=pause)
        days = SharedWindows(store, clock, grain=DAY, chance=chance, pause=pause)
        self._day = DayLimit(days, parameters, clock, chance)

    async def admit(self, record: EmailRecord) -> Turn | Deferral | None:
        """Asked before an email is claimed. None: no limit holds for it."""
        limits = self._limits(record)
        if not limits:
            return None
        if self._day.is_full(record):
            turn = await self._day.count(record)
            if isinstance(turn, Deferral):
                return turn
            record = replace(record, turn=turn)
        turn = await self._permit(record, limits)
        if isinstance(turn, Deferral):
            return turn
        counted = await self._day.count(replace(record, turn=turn))
        if isinstance(counted, Deferral):
            await self.withdraw(record, turn)
        return counted

    async def wait(self, record: EmailRecord, turn: Turn | None) -> Turn | Deferral | None:
        """Asked when the email is claimed: returns when its moment has come. One that was missed, or is of a limit that
        was lowered since, is given back for another: only now is it sure that nobody else does so. Returns what it is
        sent by."""
        per_minute, misses = self._limits(record).per_minute, 0
        while per_minute and turn is not None and turn.permit_at is not None:
            now = self._clock()
            if now < turn.permit_at and turn.permit_limit <= per_minute:
                await self._pause((turn.permit_at - now).total_seconds())
            elif turn.permit_limit <= per_minute and MINUTE.is_valid(MINUTE.at(turn.permit_at), now):
                return turn
            elif misses == MOST_MISSES:
                return await self._returned(record, turn)
            else:
                misses += 1
                again = await self._ask_again(replace(record, turn=turn), MINUTE.at(turn.permit_at))
                if isinstance(again, Deferral):
                    return again
                turn = again
        return turn

    async def _ask_again(self, record: EmailRecord, missed: int) -> Turn | Deferral:
        """It is claimed: where nobody can be asked, it must return all the same."""
        try:
            return await self._ask(record, self._limits(record), missed)
        except StorageUnavailable as error:
            logger.warning("email %s returns, its moment was missed: %s", record.id, where(error))
            return Deferral(self._clock() + self._longest, record.turn or Turn())

    async def _returned(self, record: EmailRecord, turn: Turn) -> Deferral:
        """Where writing takes longer than moments are valid for, the worker has other emails to see to."""
        await self._give_back(record, turn.permit_at, None)
        return self._deferral(self._clock() + self._longest, replace(turn, permit_at=None))

    async def give_back(self, record: EmailRecord, *, waits: bool = False) -> None:
        """What was promised to an email that will not use it: cancelled, expired, or promised twice. Where it only
        `waits` for a paused provider, its recipients stay counted."""
        counted_at = record.turn.counted_at if record.turn and not waits else None
        await self._give_back(record, _unused_permit(record), counted_at)

    async def withdraw(self, record: EmailRecord, turn: Turn | Deferral | None) -> None:
        """Gives back what was promised just now and was not written: another worker was first. What the email had
        before is that worker's. Where its recipients were counted before, both have moved them, and what that worker
        moved was moved twice: the second place stands for it."""
        had, got = record.turn or Turn(), (turn.turn if isinstance(turn, Deferral) else turn) or Turn()
        permit_at = got.permit_at if got.permit_at != had.permit_at else None
        await self._give_back(record, permit_at, None if had.counted_at else got.counted_at)

    async def _give_back(self, record: EmailRecord, permit_at: datetime | None, counted_at: datetime | None) -> None:
        try:
            if permit_at and self._limits(record).per_minute:
                await self._minutes.give_back(record.provider, MINUTE.at(permit_at))
            if counted_at:
                await self._day.give_back(record, counted_at)
        except StorageUnavailable as error:
            logger.warning("what was promised to email %s runs out: %s", record.id, where(error))

    async def learn(self, record: EmailRecord) -> None:
        """Told of every attempt: where the provider says that it is too much, all send less for a while."""
        if not (record.attempts and says_too_much(record.attempts[-1]) and self._limits(record).per_minute):
            return
        try:
            await self._minutes.slow_down(record.provider)
        except StorageUnavailable as error:
            logger.warning("provider %s is not slowed down: %s", record.provider, where(error))

    async def status(self, provider: str) -> ThrottleStatus:
        limit = sending_limits(self._parameters, provider).per_minute
        if not limit:
            return ThrottleStatus(limit=0, in_force=0)
        seen = usage(await self._minutes.window(provider), limit, self._clock())
        return ThrottleStatus(
            limit=limit,
            in_force=seen.limit,
            used_last_minute=seen.used,
            reserved_ahead=seen.ahead,
            in_line=seen.in_line,
            next_at=seen.next_at,
        )

    async def day_status(self, provider: str) -> DayStatus:
        return await self._day.status(provider)

    async def brought_forward(self, record: EmailRecord) -> EmailRecord:
        """An email that waits far back in the line, due when its turn is likely to come by now: a limit may have been
        raised, or others may have gone. What would come sooner by less than a turn stays as it is: so much is chance.
        One that waits for another day is due at once where that limit was changed."""
        if not record.parked or record.turn is None:
            return record
        limits, now = self._limits(record), self._clock()
        if self._day.was_changed(record):
            return _due_sooner(record, now)
        if not record.turn.number:
            return record
        limit = limits.per_minute
        if not limit:
            return _due_sooner(record, now)
        turn_at = turn_of(await self._minutes.window(record.provider), record.turn.number, limit, now)
        return _due_sooner(record, max(now, turn_at - self._turn_ahead(limit)), by=max(SOONER, _turn(limit)))

    async def census(self, providers: Iterable[str]) -> LineCensus:
        """To count in who waits behind their limits: those whose window can be read."""
        windows: dict[str, Window] = {}
        for name in providers:
            if sending_limits(self._parameters, name).per_minute:
                try:
                    windows[name] = await self._minutes.window(name)
                except StorageUnavailable as error:
                    logger.warning("who waits for provider %s is not counted: %s", name, where(error))
        return LineCensus(windows)

    async def recount(self, census: LineCensus) -> None:
        """Told when all were counted."""
        for provider, counted in census.counted().items():
            try:
                await self._minutes.recount(provider, counted)
            except StorageUnavailable as error:
                logger.warning("who waits for provider %s is not told: %s", provider, where(error))

    def _limits(self, record: EmailRecord) -> SendingLimits:
        if record.mode is Mode.INTERACTIVE:
            return SendingLimits(0, 0)
        return sending_limits(self._parameters, record.provider)

    # ---- the limit a minute

    async def _permit(self, record: EmailRecord, limits: SendingLimits) -> Turn | Deferral:
        now, turn = self._clock(), record.turn or Turn()
        if not limits.per_minute:
            return replace(turn, permit_at=None)
        unused = _unused_permit(record)
        if unused is None:
            return await self._ask(record, limits)
        if unused <= now + NEAR or turn.permit_limit > limits.per_minute:
            return turn
        return self._deferral(unused - AHEAD, turn)

    async def _ask(self, record: EmailRecord, limits: SendingLimits, gives_back: int | None = None) -> Turn | Deferral:
        turn = record.turn or Turn()
        regardless, called = self._goes_regardless(record), self._is_called(record)
        got = await self._minutes.ask(
            record.provider,
            Ask(
                limit=limits.per_minute,
                within=self._called_within(limits.per_minute) if called else self._horizon(limits.per_minute),
                number=turn.number,
                called=called,
                since=record.due_at + RACES if called else None,
                gives_back=gives_back,
                first=self._parameters.high_importance_first and record.importance is Importance.HIGH,
                regardless=regardless,
            ),
        )
        if regardless:
            return replace(turn, permit_at=None)
        return self._answered(got, turn, limits, record.provider)

    def _answered(self, got: Answer, turn: Turn, limits: SendingLimits, provider: str) -> Turn | Deferral:
        at, limit = MINUTE.start(got.tick), f"{limits.per_minute} a minute of {provider}"
        if not got.reserved:
            return self._deferral(
                at - self._turn_ahead(limits.per_minute), replace(turn, limit=limit, permit_at=None, number=got.number)
            )
        permitted = replace(turn, permit_at=at, permit_limit=limits.per_minute, number=0)
        if at <= self._clock() + NEAR:
            return permitted
        return self._deferral(at - AHEAD, replace(permitted, limit=limit))

    def _deferral(self, due: datetime, turn: Turn) -> Deferral:
        """In compatible mode an email is looked at after `throttle_deferral_seconds` at the latest; in strict mode
        there is nothing to look at before its turn."""
        now = self._clock()
        if self._parameters.throttle_mode == "compatible":
            due = min(due, now + self._longest)
        return Deferral(max(due, now + SHORTEST), replace(turn, deferrals=turn.deferrals + 1))

    def _is_called(self, record: EmailRecord) -> bool:
        """Whether it comes when it was told to: in compatible mode it may come before that."""
        is_told = record.turn is not None and record.turn.number > 0 and not record.waits_for_provider
        return is_told and self._parameters.throttle_mode == "strict"

    def _goes_regardless(self, record: EmailRecord) -> bool:
        """The modelled system's rule is of the limit a minute: what waited for another one has not waited for it."""
        deferrals = record.turn.deferrals if record.turn else 0
        return self._parameters.throttle_mode == "compatible" and deferrals >= self._parameters.throttle_deferrals

    def _horizon(self, limit: int) -> timedelta:
        """How far ahead moments are promised to new mail: no further than one deferral lasts, and no more than so many,
        which are lost if their emails come too late."""
        return max(NEAR, min(self._longest + AHEAD, MOST_PROMISED * _turn(limit)))

    def _called_within(self, limit: int) -> timedelta:
        """The same for whoever comes when it was told to: no further than one deferral lasts from its turn on."""
        return self._longest + AHEAD + self._turn_ahead(limit)

    def _turn_ahead(self, limit: int) -> timedelta:
        """How long before its turn an email comes back. In compatible mode it comes every minute anyway."""
        if self._parameters.throttle_mode == "compatible":
            return EARLIER
        return RACES + max(EARLIER, min(TURNS_EARLIER * _turn(limit), MOST_EARLIER))

    @property
    def _longest(self) -> timedelta:
        return timedelta(seconds=self._parameters.throttle_deferral_seconds)


def _turn(limit: int) -> timedelta:
    """The time between two who go one after the other."""
    return MINUTE.span * MINUTE.tick / limit


def _due_sooner(record: EmailRecord, due: datetime, by: timedelta = SOONER) -> EmailRecord:
    """The same email where that is not sooner, or not by so much."""
    return replace(record, next_attempt_at=due) if record.due_at - due >= by else record


def says_too_much(attempt: Attempt) -> bool:
    """Whether the provider's answer is about how much is sent (facts/smtp.md), not about this email."""
    if attempt.outcome != OutcomeKind.TRANSIENT or attempt.diagnosis is None:
        return False
    diagnosis = by_id(attempt.diagnosis)
    return diagnosis is not None and diagnosis.category in (Category.THROTTLING, Category.SENDER_QUOTA)


def _unused_permit(record: EmailRecord) -> datetime | None:
    """An attempt is recorded after the moment of its permit, a deferral before."""
    permit_at = record.turn.permit_at if record.turn else None
    return permit_at if permit_at and permit_at > record.updated_at else None
