"""The window of reservations: what it promises whatever happens, and the arithmetic of a few cases."""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.throttling import (
    DAY,
    MINUTE,
    Answer,
    Ask,
    Census,
    Window,
    recounted,
    slow_down,
)
from email_core.window_book import CALLED, OVERDUE, answer, place_in_line, release, reserve, turn_of, usage
from tests.support.emails import NOON

START = MINUTE.at(NOON)
ASK = Ask(limit=3, within=timedelta(seconds=64))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def after_noon(ticks: list[int]) -> list[float]:
    return [(tick - START) / 10 for tick in ticks]


# ---- a few cases

# limit, how many ask at noon, within seconds -> when, in seconds after noon
RESERVED = [
    (3, 2, 60, [0, 0]),  # whoever is within the limit goes at once
    (3, 4, 61, [0, 0, 0, 60.5]),  # the others when a minute, the validity and the clocks' difference are over
    (3, 6, 120, [0, 0, 0, 60.5, 70.8, 90.9]),  # those to come are spread
    (3, 6, 90, [0, 0, 0, 60.5, 70.8]),  # and what is too far off is not promised
    (1, 3, 300, [0, 60.5, 121]),
    (1210, 1215, 61, [0] * 1210 + [60.5] * 2 + [60.6] * 2 + [60.7]),  # 2 a tick are needed to use the limit
]


@pytest.mark.parametrize(("limit", "number", "within", "when"), RESERVED)
def test_reservations_of_an_empty_window(limit, number, within, when):
    _, ticks = reserve(Window(), NOON, number, limit, within=seconds(within))
    assert after_noon(ticks) == when


def test_released_reservation_is_free_for_another():
    window, ticks = reserve(Window(), NOON, 4, 3, within=seconds(61))
    window = release(window, NOON, ticks[-1])
    assert reserve(window, NOON, 1, 3, within=seconds(61))[1] == ticks[-1:]


def test_reservation_released_between_others_is_free_for_another():
    window, ticks = reserve(Window(), NOON, 6, 3, within=seconds(120))
    window = release(window, NOON, ticks[4])
    window, again = reserve(window, NOON, 2, 3, within=seconds(150))
    assert again == [ticks[4], START + 1210]


def test_room_between_others_is_not_taken_where_a_later_span_is_full():
    window = Window(reserved=((START + 100, 1), (START + 400, 2)))
    assert after_noon(reserve(window, NOON, 1, 3, within=seconds(120))[1]) == [70.5]
    assert after_noon(reserve(window, NOON, 1, 4, within=seconds(120))[1]) == [0]


def test_release_of_what_was_never_reserved_changes_nothing():
    window, ticks = reserve(Window(), NOON, 3, 3)
    assert release(window, NOON, ticks[0] + 1) == window


def test_lowered_limit_waits_until_enough_has_passed():
    window, _ = reserve(Window(), NOON, 30, 30)
    _, ticks = reserve(window, NOON + seconds(10), 1, 3, within=seconds(60))
    assert after_noon(ticks) == [60.5]


def test_raised_limit_has_room_at_once():
    window, _ = reserve(Window(), NOON, 4, 3, within=seconds(61))
    _, ticks = reserve(window, NOON + seconds(10), 1, 5, within=seconds(60))
    assert after_noon(ticks) == [10]  # before what is promised already
    window, _ = reserve(Window(), NOON, 3, 3)
    assert after_noon(reserve(window, NOON + seconds(10), 2, 5)[1]) == [10, 10]


def test_instance_whose_clock_is_behind_still_sees_what_counts_for_it():
    window, _ = reserve(Window(), NOON, 3, 3)
    written_ahead = release(window, NOON + seconds(60.6), START + 1)
    assert after_noon(reserve(written_ahead, NOON + seconds(60.4), 1, 3)[1]) == [60.5]


def test_what_a_clock_that_was_wrong_reserved_far_ahead_starves_nobody():
    wrong, _ = reserve(Window(), NOON + timedelta(hours=1), 3, 3)
    assert after_noon(reserve(wrong, NOON, 1, 3)[1]) == [0]


# ---- the line


def full(limit: int = 3) -> Window:
    """The limit is used up at noon, and what is within a minute ahead is reserved: 60.5."""
    return reserve(Window(), NOON, 2 * limit, limit, within=seconds(64))[0]


def ask(window: Window, at: float, **about) -> tuple[Window, Answer]:
    changed, (got,) = answer(window, NOON + seconds(at), [replace(ASK, **about)])
    return changed or window, got


def test_who_finds_no_room_gets_a_number_and_the_time_of_its_turn():
    window, first = ask(full(), 0)
    window, second = ask(window, 0)
    assert [(one.reserved, one.number) for one in (first, second)] == [(False, 1), (False, 2)]
    assert after_noon([first.tick, second.tick]) == [70.8, pytest.approx(70.8 + 60.5 / 3, abs=0.1)]


def test_new_one_takes_no_room_before_those_in_the_line():
    window, _ = ask(full(), 0)
    _, new = ask(window, 61)
    assert (new.reserved, new.number) == (False, 2)


def test_called_one_reserves_and_one_that_is_too_early_is_told_again():
    window, told = ask(full(), 0)
    window, early = ask(window, 64, number=told.number)
    assert early == told
    _, called = ask(window, 70.8 - CALLED.total_seconds(), number=told.number)
    assert called.reserved


def test_answer_that_promises_nothing_new_needs_no_write():
    window, told = ask(full(), 0)
    assert answer(window, NOON + seconds(10), [replace(ASK, number=told.number)])[0] is None


def test_high_importance_goes_before_the_line():
    window, _ = ask(full(), 0)
    _, high = ask(window, 61, first=True)
    assert after_noon([high.tick]) == [61]


def test_missed_moment_is_given_back_and_has_another_before_the_line():
    window = full()
    missed = window.reserved[-1][0]
    window, _ = ask(window, 0)
    window, again = ask(window, 62, gives_back=missed)
    assert (again.reserved, (missed, 1) in window.reserved) == (True, False)


def test_one_that_does_not_come_is_passed_over():
    window, _ = ask(full(), 0)
    _, new = ask(window, 70.8 + OVERDUE.total_seconds() + 0.1)
    assert new.reserved


def test_what_those_who_do_not_come_leave_is_for_whoever_is_here():
    window = full()
    for _ in range(20):
        window, _ = ask(window, 0)
    window, new = ask(window, 70.8 + OVERDUE.total_seconds() + 0.1)
    _, newer = ask(window, 70.8 + OVERDUE.total_seconds() + 0.1)
    assert (new.reserved, newer.reserved) == (True, False)  # one was passed over


def test_who_was_passed_over_takes_its_place_back():
    """A provider was paused for an hour: everybody in the line comes after it, in any order."""
    window = full()
    for _ in range(20):
        window, _ = ask(window, 0)
    told = {}
    for number in (20, 10, 15, 5, 18, 7, 12, 7, 12, 18):
        window, told[number] = ask(window, 3600, number=number)
    assert [number for number in told if told[number].reserved] == [20, 10, 15, 5]
    assert told[7].tick < told[12].tick < told[18].tick


def test_line_does_not_wait_again_for_those_who_had_their_turn():
    """An email that was kept elsewhere comes back long after its turn, and finds no room."""
    window = replace(full(), issued=1010, served=1000, moved_at=START + 800)
    window, late = ask(window, 0, number=3)
    assert (after_noon([late.tick]), late.reserved, window.served) == ([70.8], False, 1000)
    assert turn_of(window, 1001, 3, NOON) - NOON == pytest.approx(seconds(80 + 60.5 / 3), abs=seconds(0.1))


def test_line_waits_again_only_for_those_who_were_passed_over():
    window = replace(full(), issued=1010, served=1000, moved_at=START + 800, passed=4)
    window, _ = ask(window, 0, number=3)
    assert (window.served, window.passed) == (996, 0)


def test_regardless_goes_now_and_counts():
    window, got = ask(full(), 30, regardless=True)
    assert after_noon([got.tick]) == [30]
    assert usage(window, 3, NOON + seconds(30)).used == 4


def test_who_had_a_promise_goes_before_the_line_and_the_line_before_the_new():
    window, told = ask(full(), 0)
    missed = window.reserved[-1][0]
    asks = [ASK, replace(ASK, number=told.number), replace(ASK, gives_back=missed)]
    _, (new, called, again) = answer(window, NOON + seconds(130), asks)
    assert again.tick <= called.tick <= new.tick


def test_one_that_comes_when_it_was_told_reserves_though_the_line_is_behind():
    window, told = ask(full(), 0)
    for _ in range(5):
        window, _ = ask(window, 0, first=True, within=seconds(600))
    _, early = ask(window, 60, number=told.number)
    _, called = ask(window, 60, number=told.number, called=True, within=seconds(600))
    assert (early.reserved, called.reserved) == (False, True)


def test_who_comes_before_its_turn_goes_when_it_was_told_and_leaves_what_is_sooner_to_others():
    window, early = ask(Window(), 0, called=True, since=NOON + seconds(3))
    window, mine = ask(window, 0)
    assert after_noon([early.tick, mine.tick]) == [3, 0]
    window, late = ask(window, 10, called=True, since=NOON + seconds(3))
    assert after_noon([late.tick]) == [10]
    asks = [replace(ASK, number=1, called=True, since=NOON + seconds(3)), ASK]
    _, answers = answer(Window(), NOON, asks)
    assert after_noon([one.tick for one in answers]) == [3, 0]


# seconds before noon in which nobody was sent -> how many are promised for the second from noon on, at 10 a second
PACE_AFTER = [(0, 10), (0.2, 12), (2, 12), (30, 12)]


@pytest.mark.parametrize(("missed", "promised"), PACE_AFTER)
def test_those_from_the_line_keep_its_pace_and_make_up_by_and_by_for_what_was_missed(missed, promised):
    window = Window(reserved=tuple((START - tick, 1) for tick in range(600, int(missed * 10), -1)))
    asks = [Ask(limit=605, within=seconds(60), called=True, since=NOON)] * 30
    _, answers = answer(window, NOON, asks)
    assert sum(one.tick < START + 10 for one in answers) == promised


@pytest.mark.parametrize("limit", [30, 300])
def test_who_asks_together_with_those_from_the_line_is_answered_as_after_them(limit):
    line = Window(reserved=((START - 100, 3),), issued=8, spare=30)
    called = [Ask(limit=limit, within=seconds(60), number=number, called=True) for number in range(1, 9)]
    new = [Ask(limit=limit, within=seconds(60))] * 3
    _, together = answer(line, NOON, [*called, *new])
    window, first = answer(line, NOON, called)
    assert together == first + answer(window, NOON, new)[1]


def test_place_is_told_only_where_it_must_wait():
    window, _ = ask(full(), 0)
    told = place_in_line(window, NOON, ASK)
    assert told == ask(window, 0)[1]
    for about in ({"first": True}, {"number": 1}, {"gives_back": START}, {"regardless": True}):
        assert place_in_line(window, NOON, replace(ASK, **about)) is None
    assert place_in_line(full(), NOON, ASK) is None  # there is no line
    assert place_in_line(window, NOON + seconds(70.8 + 20), ASK) is None  # its turn is near


def line_of(waiting: int, **about) -> Window:
    return Window(issued=1000, served=0, moved_at=START, density=1.0, **about) if waiting else Window()


def test_those_behind_mail_that_was_cancelled_come_sooner():
    window = recounted(line_of(1000), Census(issued=1000, served=0, waiting=100, lowest=1))
    assert turn_of(window, 1000, 30, NOON) - NOON == pytest.approx(timedelta(seconds=100 * 60.5 / 30), abs=seconds(0.2))
    window = recounted(line_of(1000), Census(issued=1000, served=0, waiting=1, lowest=1000))
    assert turn_of(window, 1000, 30, NOON) - NOON == pytest.approx(timedelta(seconds=60.5 / 30), abs=seconds(0.2))


# ---- slowing down


def test_slowed_window_reserves_by_the_limit_in_force():
    _, ticks = reserve(slow_down(Window(), NOON), NOON, 30, 30, within=seconds(30))
    assert after_noon(ticks) == [0] * 15


# ---- recipients a day


def test_recipients_count_with_their_number():
    asks = [Ask(limit=100, within=timedelta(days=29), weight=weight, first=True) for weight in (60, 40, 50, 50, 1)]
    window, answers = answer(Window(), NOON, asks, DAY)
    assert [(one.tick - DAY.at(NOON)) * DAY.tick / timedelta(hours=1) for one in answers] == [0, 0, 25, 25, 50]
    assert usage(window, 100, NOON, DAY).next_at == DAY.start(DAY.at(NOON)) + timedelta(hours=50)


def test_email_with_more_recipients_than_the_limit_goes_alone():
    asks = [Ask(limit=10, within=timedelta(days=29), weight=500, first=True)] * 2
    _, answers = answer(Window(), NOON, asks, DAY)
    assert [(one.tick - DAY.at(NOON)) * DAY.tick for one in answers] == [timedelta(0), timedelta(hours=25)]


# ---- whatever happens


def assert_never_more(moments: list[timedelta], limit: int, period: timedelta) -> None:
    """In no period, wherever it begins: of `limit` + 1 moments the last is a period after the first."""
    ordered = sorted(moments)
    for first, later in zip(ordered, ordered[limit:], strict=False):
        assert later - first >= period, (first, later)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 90_000) | st.sampled_from((0, 100, 200, 60_300, 60_500)),  # milliseconds until they ask
        st.sampled_from((-100, -37, 0, 63, 100)),  # by which their clock is wrong
        st.integers(1, 6),  # how many ask
        st.sampled_from(("early", "late", "missed", "never", "slows", "high", "back", "returned", "lowered", "raised")),
        st.integers(0, 300),  # when in its time the hand-over begins, in milliseconds
    ),
    max_size=40,
)


@given(events=EVENTS, limit=st.integers(1, 12))
def test_never_more_than_the_limit_in_any_minute(events, limit):
    """Strict mode: permits are used anywhere in their time, given back, or lost; clocks differ by 0.2 s; the limit is
    lowered and raised."""
    window, true, used, missed, line, most = Window(), timedelta(0), [], [], [], limit
    for wait, skew, number, fate, offset in events:
        true += timedelta(milliseconds=wait)
        clock = timedelta(milliseconds=skew)
        local = NOON + true + clock
        about = {"first": fate == "high"}
        if missed and fate == "missed":
            about["gives_back"] = missed.pop()
        if line and fate == "back":
            about |= {
                "number": line.pop(0),
                "called": True,
                "within": seconds(300),
                "since": local + seconds(offset / 50),
            }
        if fate in ("lowered", "raised"):
            limit = max(1, limit // 2) if fate == "lowered" else most
        if fate == "slows":
            window = slow_down(window, local)
        changed, answers = answer(window, local, [Ask(**{"limit": limit, "within": seconds(64)} | about)] * number)
        window = changed or window
        for got in answers:
            moment = MINUTE.start(got.tick) + timedelta(milliseconds=offset)
            if not got.reserved:
                line.append(got.number)
            elif fate == "missed":
                missed.append(got.tick)
            elif fate == "returned":
                window = release(window, local, got.tick)
            elif fate != "never":
                used.append(
                    max(moment, local) - clock - NOON if MINUTE.is_valid(got.tick, max(moment, local)) else None
                )
    assert_never_more([moment for moment in used if moment is not None], most, MINUTE.period)


@given(
    weights=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 60)), max_size=40),
    limit=st.integers(50, 100),
)
def test_never_more_recipients_than_the_limit_in_any_day(weights, limit):
    window, now, used = Window(), NOON, []
    for wait, weight in weights:
        now += seconds(wait)
        changed, (got,) = answer(
            window, now, [Ask(limit=limit, within=timedelta(days=29), weight=weight, first=True)], DAY
        )
        window = changed or window
        used += [max(now, DAY.start(got.tick)) - NOON] * min(weight, limit)
    assert_never_more(used, limit, DAY.period)


@dataclass
class Backlog:
    """Emails that ask, come back when they are told (late by up to `late` seconds), and are sent in their ticks."""

    limit: int
    late: list[float]
    window: Window = field(default_factory=Window)
    sent: dict[int, int] = field(default_factory=dict)
    looks: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def run(self, emails: int) -> None:
        waiting = [(NOON + seconds(0.01) * email, email, 0) for email in range(emails)]
        while waiting:
            now, email, number = heapq.heappop(waiting)
            self.looks[email] += 1
            changed, (got,) = answer(self.window, now, [replace(ASK, limit=self.limit, number=number)])
            self.window = changed or self.window
            if got.reserved:
                self.sent[email] = got.tick
            else:
                late = seconds(self.late[email % len(self.late)])
                back = max(now + seconds(1), MINUTE.start(got.tick) - seconds(4) + late)
                heapq.heappush(waiting, (back, email, got.number))


@given(
    limit=st.sampled_from((1, 2, 7, 30, 100)),
    minutes=st.integers(1, 8),
    late=st.lists(st.floats(0, 3), min_size=1, max_size=7),
)
def test_limit_is_used_in_order_and_nobody_waits_for_ever(limit, minutes, late):
    emails = limit * minutes + 1
    backlog = Backlog(limit, late)
    backlog.run(emails)
    ticks = sorted(backlog.sent.values())
    assert len(ticks) == emails
    for number, tick in enumerate(ticks):  # when this one goes, at least 99 % of what could be sent has been
        assert number >= 0.99 * limit * (tick - 1 - START) / 600 - 1, (number, tick)
    assert max(backlog.looks.values()) <= 3
    order = [backlog.sent[email] for email in range(emails)]
    assert all(max(order[: later + 1]) - order[later] <= 65 for later in range(emails))  # ticks: first come, first sent
