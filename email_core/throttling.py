"""What an account may send, and what it has promised: pure values, told the time.

A reservation is a *tick*, a short span of time (a tenth of a second for limits a minute), and may be used only in the
`valid` seconds from its beginning; else it is given back and asked for anew. Any `span` ticks in a row hold at most
the limit, and a span is longer than the period by `valid` and by what clocks may differ. So no more than the limit is
sent in any period, whenever in its time each worker begins to hand over (docs/throttling.md has the proof).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """How finely a limit a `period` counts. `span` ticks hold at most the limit; what is reserved more than `furthest`
    ticks ahead was reserved by a clock that was wrong. `even`: what is not for this very tick is spread; else what is
    more than a span ahead is for one tick in `far`, so that a long backlog is a short text."""

    period: timedelta
    tick: timedelta
    span: int
    valid: timedelta
    furthest: int
    even: bool
    far: int = 1

    def at(self, moment: datetime) -> int:
        return (moment - EPOCH) // self.tick

    def start(self, tick: int) -> datetime:
        return EPOCH + tick * self.tick

    def ticks(self, wait: timedelta) -> int:
        return ceil(wait / self.tick)

    def is_valid(self, tick: int, now: datetime) -> bool:
        return self.start(tick) <= now <= self.start(tick) + self.valid


MINUTE = Grain(
    period=timedelta(minutes=1),
    tick=timedelta(milliseconds=100),
    span=605,  # a minute, the 0.3 s of `valid`, and 0.2 s between the clocks of two instances
    valid=timedelta(milliseconds=300),
    furthest=3_700,
    even=True,
)
DAY = Grain(
    period=timedelta(days=1),
    tick=timedelta(minutes=5),
    span=25 * 12,  # a day and an hour
    valid=timedelta(minutes=59),  # the minute's limit may come between
    furthest=30 * 24 * 12,
    even=False,
    far=12,  # an hour
)

RECOVERY = timedelta(minutes=10)  # from nothing to the whole limit, a tenth a minute
LEAST_DENSITY = 0.001  # of a line
ONE_ANSWER = timedelta(seconds=90)  # throttle answers within it are one: what was reserved before is still sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one account has promised. `reserved` holds (tick, how many) in order. The line: numbers up to `issued`
    were given, those up to `served` have had their turn, the last one at the tick `moved_at`; `passed` of them did not
    come and may come yet, and what was theirs of the last minute, `spare`, is for whoever is here. `density` is the
    share of the numbers behind `served` that wait indeed: others were cancelled, or expired. `slowed_to` is the share
    of the limit that a throttle answer left, at the tick `slowed_at`. `stamps` tell the last writes, newest first."""

    reserved: tuple[tuple[int, int], ...] = ()
    issued: int = 0
    served: int = 0
    moved_at: int = 0
    spare: int = 0
    passed: int = 0
    density: float = 1.0
    slowed_to: float = 1.0
    slowed_at: int = 0
    stamps: tuple[str, ...] = ()

    @property
    def has_line(self) -> bool:
        return self.served < self.issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One email's question. `weight` is what it counts for, `number` its place in the line (0: none), `gives_back`
    a reservation that it did not use. `first`: it goes before the line. `regardless`: now, whatever the limit says.
    `now_or_never`: it waits in no line; where there is no room, it is only told when there will be.
    `called`: it comes when it was told that its turn is likely to come, be the line a little behind by then, and keeps
    the pace of the line. `since`: no sooner than then, however early it comes: it has time to wait for others, and for
    lost races."""

    limit: int
    within: timedelta
    weight: int = 1
    number: int = 0
    gives_back: int | None = None
    first: bool = False
    regardless: bool = False
    now_or_never: bool = False
    called: bool = False
    since: datetime | None = None

    @property
    def is_first(self) -> bool:
        """Whether it goes before the line."""
        return self.regardless or self.first or self.gives_back is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """`tick` is reserved; or, where it is not, the turn of `number` is likely to come then, or there is room then."""

    tick: int
    reserved: bool
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Who waited in the line when numbers up to `issued` were given, and those up to `served` had had their turn: so
    many, and the first of them has the number `lowest`. `passed` had had their turn, and wait all the same."""

    issued: int
    served: int
    waiting: int
    lowest: int
    passed: int = 0


def slow_down(window: Window, now: datetime, grain: Grain = MINUTE) -> Window:
    """After the provider said that it is too much: half of what is in force, recovering by and by."""
    if now - grain.start(window.slowed_at) < ONE_ANSWER:
        return window
    return replace(window, slowed_to=share_in_force(window, now, grain) / 2, slowed_at=grain.at(now))


def share_in_force(window: Window, now: datetime, grain: Grain = MINUTE) -> float:
    return min(1.0, window.slowed_to + max(timedelta(0), now - grain.start(window.slowed_at)) / RECOVERY)


def limit_in_force(window: Window, limit: int, now: datetime, grain: Grain = MINUTE) -> int:
    return max(1, int(limit * share_in_force(window, now, grain)))


def recounted(window: Window, census: Census) -> Window:
    """The line after all were counted that wait in it. Those who left it without a word (cancelled, expired) hold up
    nobody."""
    served = min(max(window.served, census.lowest - 1), window.issued)
    waited_for = census.issued - max(census.served, census.lowest - 1)
    density = max(LEAST_DENSITY, min(1.0, census.waiting / waited_for)) if waited_for > 0 else 1.0
    passed = min(window.passed, census.passed + max(0, window.served - census.served))
    return replace(window, served=served, density=density, passed=passed)
