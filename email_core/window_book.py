"""Who may send when: questions to a window of reservations, and the book in which they are answered. Pure.

Only the near future is reserved. Who finds no room there is given a number in the line and the time when its turn is
likely to come; nobody without a number takes room before those who wait in the line, apart from mail that goes first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from operator import itemgetter

from email_core.throttling import MINUTE, Answer, Ask, Grain, Window, limit_in_force

AT_ONCE = timedelta(seconds=1)  # what is so near goes as it comes, and is not spread
EVEN_OVER = timedelta(seconds=5)  # so long holds its share of the limit at most, where the line's pace is kept,
BURST_OVER, BURST_SHARE = timedelta(seconds=0.5), 1.25  # and so long that part of its share
TURNS_OVER = 3  # both are as long as so many turns, where those take longer
CALLED = timedelta(seconds=6)  # whose turn is so near may reserve
OVERDUE = timedelta(seconds=10)  # who has not come so long after its turn is passed over


@dataclass(frozen=True, slots=True)
class Usage:
    """What an administrator sees of a window. `limit` is the one in force, `next_at` when a new email can go."""

    limit: int
    used: int
    ahead: int
    in_line: int
    next_at: datetime


def reserve(
    window: Window,
    now: datetime,
    n: int,
    limit: int,
    *,
    within: timedelta = timedelta(minutes=1),
    grain: Grain = MINUTE,
) -> tuple[Window, list[int]]:
    """The earliest ticks for `n` emails, or for as many as have room `within` that time."""
    book, ticks = _Book(window, now, grain), list[int]()
    in_force = limit_in_force(window, limit, now, grain)
    while len(ticks) < n and (tick := book.earliest(in_force, 1)) <= grain.at(now + within):
        book.add(tick, 1)
        ticks.append(tick)
    return book.closed(), ticks


def release(window: Window, now: datetime, tick: int, *, weight: int = 1, grain: Grain = MINUTE) -> Window:
    """Gives back a reservation that was not used: what it held free is free for others."""
    book = _Book(window, now, grain)
    book.give_back(tick, weight)
    return book.closed()


def answer(
    window: Window, now: datetime, asks: Sequence[Ask], grain: Grain = MINUTE
) -> tuple[Window | None, list[Answer]]:
    """Answers all that ask at once, in the order in which they should go. The window is None where nothing changed
    that must be kept."""
    book = _Book(window, now, grain)
    answers = {index: book.answer(asks[index]) for index in sorted(range(len(asks)), key=lambda i: _order(asks[i]))}
    return book.closed() if book.changed else None, [answers[index] for index in range(len(asks))]


def usage(window: Window, limit: int, now: datetime, grain: Grain = MINUTE, *, weight: int = 1) -> Usage:
    """`weight`: what the new email counts for."""
    book = _Book(window, now, grain)
    in_force = limit_in_force(window, limit, now, grain)
    period = grain.ticks(grain.period)
    current = grain.at(now)
    next_tick = max(
        book.earliest(in_force, min(weight, in_force)),
        book.expected(window.issued + 1, in_force) if book.has_line else 0,
    )
    return Usage(
        limit=in_force,
        used=sum(count for tick, count in window.reserved if current - period < tick <= current),
        ahead=sum(count for tick, count in window.reserved if tick > current),
        in_line=max(0, round((book.issued - book.served) * window.density)),
        next_at=max(now, grain.start(next_tick)),
    )


def place_in_line(window: Window, now: datetime, ask: Ask, grain: Grain = MINUTE) -> Answer | None:
    """The answer to a new one behind a line so long that it can be no other: whoever knows the line may give it, and
    write later that the number was issued. None where the window must be asked."""
    book = _Book(window, now, grain)
    limit = limit_in_force(window, ask.limit, now, grain)
    if ask.number or ask.is_first or not book.keeps_waiting(window.issued + 1, limit):
        return None
    return Answer(book.expected(window.issued + 1, limit), reserved=False, number=window.issued + 1)


def turn_of(window: Window, number: int, limit: int, now: datetime, grain: Grain = MINUTE) -> datetime:
    """When the turn of a number in the line is likely to come."""
    book = _Book(window, now, grain)
    return grain.start(book.expected(number, limit_in_force(window, limit, now, grain)))


def _order(ask: Ask) -> tuple[bool, float]:
    """Those that go in any case, and those that had a promise; then the line; then the new ones as they came."""
    return not ask.is_first, ask.number or float("inf")


class _Book:
    """A window while it is written in."""

    def __init__(self, window: Window, now: datetime, grain: Grain) -> None:
        self._window = window
        self._time = now
        self._now = grain.at(now)
        self._grain = grain
        self._runs = list(window.reserved[self._oldest(window) : self._furthest(window)])
        self._sums = self._counted()
        self._searched: dict[bool, tuple[int, int, int]] = {}
        self.issued, self.served, self._moved_at = window.issued, window.served, window.moved_at
        self._spare, self._passed, self._density = window.spare, window.passed, window.density
        self.changed = False

    def _oldest(self, window: Window) -> int:
        """A tenth more is kept than counts: another instance's clock may be behind, and who is told of a time to come,
        when its write will be done, must leave to others what counts for them until then."""
        return bisect_left(window.reserved, (self._now - self._grain.span - self._grain.span // 10, 0))

    def _furthest(self, window: Window) -> int:
        return bisect_right(window.reserved, (self._now + self._grain.furthest, 0))

    def closed(self) -> Window:
        return replace(
            self._window,
            reserved=tuple(self._runs),
            issued=self.issued,
            served=self.served,
            moved_at=self._moved_at,
            spare=self._spare,
            passed=self._passed,
            density=self._density if self.has_line else 1.0,
        )

    # ---- reservations

    def earliest(self, limit: int, weight: int, since: int = 0, *, keeps_pace: bool = False) -> int:
        """The first tick with room, be it one between others that was given back. Each span that it lies in must have
        room: the one that ends with it, and those that end with later reservations. `keeps_pace`: it does not go as it
        comes, however near."""
        searched = self._searched_until(limit, weight, keeps_pace)
        first = max(self._now, self._full_until(limit - weight) + 1, searched)
        tick = max(first, since)
        while True:
            if self._held(tick) + weight > limit:
                tick = self._runs[self._index(tick - self._grain.span + 1)][0] + self._grain.span
            elif self._is_between(tick) or self._is_too_dense(tick, limit, keeps_pace):
                tick += 1
            else:
                if since <= first:
                    self._searched[keeps_pace] = limit, weight, tick
                return tick

    def _full_until(self, most: int) -> int:
        """The last reserved tick whose span holds more."""
        for tick, _ in reversed(self._runs):
            if tick < self._now:
                break
            if self._held(tick) > most:
                return tick
        return self._now - 1

    def _searched_until(self, limit: int, weight: int, keeps_pace: bool) -> int:
        """Where one that asked before for no more found room: there is none before that."""
        most, least, tick = self._searched.get(keeps_pace, (0, 0, 0))
        return tick if limit <= most and weight >= least else 0

    def _index(self, tick: int) -> int:
        """Of the first reservation from then on."""
        return bisect_left(self._runs, (tick, 0))

    def _held(self, tick: int) -> int:
        """How many the span that ends with this tick holds."""
        return self._held_from(tick - self._grain.span + 1, self._grain.span)

    def _counted(self) -> list[int]:
        return list(accumulate(map(itemgetter(1), self._runs), initial=0))

    def _is_between(self, tick: int) -> bool:
        return tick > self._now + self._grain.span and tick % self._grain.far > 0

    def _is_too_dense(self, tick: int, limit: int, keeps_pace: bool) -> bool:
        """Whoever asks now is ready now; those to come are spread, so that workers can keep to their times: each tick
        has its share of the limit, and what comes a share's distance after another is not too dense either."""
        if not self._grain.even:
            return False
        span, index = self._grain.span, self._index(tick + 1)
        last, count = self._runs[index - 1] if index else (0, 0)
        if tick - last >= ceil(span / limit) > 1:
            return False
        if keeps_pace:
            return self._is_off_pace(tick, limit)
        share = (tick + 1) * limit // span - tick * limit // span
        return tick > self._now + self._grain.ticks(AT_ONCE) and (count if last == tick else 0) >= share

    def _is_off_pace(self, tick: int, limit: int) -> bool:
        """What was missed is made up for soon, and not at once: a burst would come again when its span is over, with
        a hole behind it that nobody could use."""
        return self._is_full_around(tick, limit, EVEN_OVER, 1.0) or self._is_full_around(
            tick, limit, BURST_OVER, BURST_SHARE
        )

    def _is_full_around(self, tick: int, limit: int, time: timedelta, part: float) -> bool:
        """Whether so much time that ends with the tick, or begins with it, holds that part of its share of the
        limit."""
        span = self._grain.span
        ticks = min(span, max(self._grain.ticks(time), ceil(TURNS_OVER * span / limit)))
        return any(
            self._held_from(first, ticks) + 1 > part * ((first + ticks) * limit // span - first * limit // span)
            for first in (tick - ticks + 1, tick)
        )

    def _held_from(self, first: int, ticks: int) -> int:
        return self._sums[self._index(first + ticks)] - self._sums[self._index(first)]

    def add(self, tick: int, weight: int) -> None:
        index = self._index(tick)
        if index < len(self._runs) and self._runs[index][0] == tick:
            self._runs[index] = (tick, self._runs[index][1] + weight)
        else:
            self._runs.insert(index, (tick, weight))
        if index == len(self._sums) - 1:
            self._sums.append(self._sums[-1] + weight)
        else:
            self._sums = self._counted()
        self.changed = True

    def give_back(self, tick: int, weight: int) -> None:
        index = self._index(tick)
        if index == len(self._runs) or self._runs[index][0] != tick:
            return
        left = self._runs[index][1] - weight
        self._runs[index : index + 1] = [(tick, left)] if left > 0 else []
        self._sums, self._searched = self._counted(), {}
        self.changed = True

    # ---- answers

    def answer(self, ask: Ask) -> Answer:
        limit = limit_in_force(self._window, ask.limit, self._time, self._grain)
        weight = min(ask.weight, limit)  # what is more than the limit alone must be sent some time
        if ask.gives_back is not None:
            self.give_back(ask.gives_back, weight)
        if ask.regardless:
            self.add(self._now, weight)
            return Answer(self._now, reserved=True)
        self.issued = max(self.issued, ask.number)  # who told it may have had no time to write so
        self._pass_over(limit)
        if not self._may_reserve(ask, limit):
            return self._in_line(ask, limit)
        since = self._grain.at(ask.since) if ask.since else 0
        tick = self.earliest(limit, weight, since, keeps_pace=ask.called)
        if tick > self._now + self._grain.ticks(ask.within):
            if ask.now_or_never:
                return Answer(tick, reserved=False)
            return self._without_room(ask, limit, tick)
        self.add(tick, weight)
        self._serve(ask.number, tick)
        return Answer(tick, reserved=True)

    @property
    def has_line(self) -> bool:
        return self.served < self.issued

    def _may_reserve(self, ask: Ask, limit: int) -> bool:
        if ask.is_first or ask.called or self._spare or not self.has_line:
            return True
        return ask.number > 0 and not self.keeps_waiting(ask.number, limit)

    def keeps_waiting(self, number: int, limit: int) -> bool:
        """Whether the line is so long that its turn is far off."""
        is_called = self.expected(number, limit) <= self._now + self._grain.ticks(CALLED)
        return self.has_line and not self._spare and not is_called

    def expected(self, number: int, limit: int) -> int:
        """The tick at which the line comes to a number."""
        return max(self._now, self._moved_at + self._wait(number, limit)) if number > self.served else self._now

    def _wait(self, number: int, limit: int) -> int:
        """How many ticks it takes to serve those before a number, and itself."""
        return ceil(max(0, number - self.served) * self._density * self._grain.span / limit)

    def _in_line(self, ask: Ask, limit: int) -> Answer:
        number = ask.number or self._next_number()
        return Answer(self.expected(number, limit), reserved=False, number=number)

    def _next_number(self) -> int:
        self.issued += 1
        self.changed = True
        return self.issued

    def _without_room(self, ask: Ask, limit: int, room_at: int) -> Answer:
        """Moves the line to where there is room."""
        number = ask.number or self._next_number()
        self._take_back(number)
        self._moved_at = max(self._moved_at, room_at - self._wait(number, limit))
        self.changed = True
        return Answer(max(room_at, self.expected(number, limit)), reserved=False, number=number)

    def _take_back(self, number: int) -> None:
        """A place that was passed over, and those behind it that were: a paused provider's mail keeps its order. Those
        who have had their turn do not come again, and nobody waits for them."""
        back = min(self.served - number + 1, self._passed)
        if back > 0:
            self.served -= back
            self._passed -= back

    def _serve(self, number: int, tick: int) -> None:
        if number > self.served:
            self.served = min(number, self.issued)
        elif number:
            self._passed = max(0, self._passed - 1)
        if number:
            self._moved_at = max(self._moved_at, tick)
        self._spare = max(0, self._spare - 1)

    def _pass_over(self, limit: int) -> None:
        """Those who did not come: cancelled, expired, or their worker died. The line does not wait for them."""
        late = self._now - self._grain.ticks(OVERDUE) - self._moved_at
        passed = min(self.issued - self.served, int(late * limit / (self._grain.span * self._density)))
        if passed > 0:
            self._moved_at += self._wait(self.served + passed, limit)
            self.served += passed
            self._spare = min(limit, self._spare + passed)
            self._passed += passed
