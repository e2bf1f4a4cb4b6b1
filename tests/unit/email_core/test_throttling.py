"""What a window says of itself: how finely it counts, what a count of the line makes of it, and how it is slowed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from email_core.throttling import (
    DAY,
    MINUTE,
    ONE_ANSWER,
    RECOVERY,
    Census,
    Grain,
    Window,
    limit_in_force,
    recounted,
    slow_down,
)
from tests.support.emails import NOON

START = MINUTE.at(NOON)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def line_of(waiting: int, **about) -> Window:
    return Window(issued=1000, served=0, moved_at=START, density=1.0, **about) if waiting else Window()


def test_reservation_is_valid_for_a_moment():
    tick = START + 5
    moments = [MINUTE.start(tick) + seconds(late) for late in (-0.001, 0, 0.3, 0.301)]
    assert [MINUTE.is_valid(tick, moment) for moment in moments] == [False, True, True, False]


@pytest.mark.parametrize("tick", [0, 1, 17_723_000_001, 17_723_000_009])
def test_tick_begins_in_itself(tick):
    assert MINUTE.at(MINUTE.start(tick)) == tick


@pytest.mark.parametrize("grain", [MINUTE, DAY])
def test_span_is_longer_than_the_period_by_the_validity_and_the_clocks(grain: Grain):
    between_clocks = grain.span * grain.tick - grain.period - grain.valid
    assert between_clocks >= seconds(0.2)


# lowest number and how many wait of 1,000, all that is left of the line -> served, density
COUNTED = [
    ((1, 1000), 0, 1.0),
    ((1, 500), 0, 0.5),  # every other one was cancelled
    ((901, 100), 900, 1.0),  # the first 900 were cancelled
    ((951, 25), 950, 0.5),
    ((1001, 0), 1000, 1.0),  # nobody waits any more
    ((1, 5000), 0, 1.0),  # processes may have told the same places
]


@pytest.mark.parametrize(("counted", "served", "density"), COUNTED)
def test_line_after_it_was_counted(counted, served, density):
    lowest, waiting = counted
    window = recounted(line_of(1000), Census(issued=1000, served=0, waiting=waiting, lowest=lowest))
    assert (window.served, window.density) == (served, pytest.approx(density))


def test_count_of_a_line_that_has_moved_on_since_takes_nothing_back():
    window = replace(line_of(1000), served=900, issued=1200)
    assert recounted(window, Census(issued=1000, served=0, waiting=1000, lowest=1)).served == 900


@pytest.mark.parametrize(("waiting", "left"), [(0, 0), (3, 3), (9, 4)])
def test_count_of_all_unsent_mail_tells_how_many_that_were_passed_over_may_come_yet(waiting, left):
    window = replace(line_of(1000), served=900, passed=4)
    census = Census(issued=1000, served=900, waiting=100, lowest=901, passed=waiting)
    assert recounted(window, census).passed == left


def test_throttle_answer_halves_the_limit_which_comes_back_by_and_by():
    window = slow_down(Window(), NOON)
    in_force = [limit_in_force(window, 100, NOON + span) for span in (seconds(0), RECOVERY / 10, RECOVERY / 2)]
    assert in_force == [50, 60, 100]


def test_throttle_answers_of_one_moment_count_once():
    window = slow_down(Window(), NOON)
    assert slow_down(window, NOON + seconds(30)) == window
    assert limit_in_force(slow_down(window, NOON + ONE_ANSWER), 100, NOON + ONE_ANSWER) == 32  # (0.5 + 0.15) / 2


def test_something_is_always_sent():
    window = Window()
    for number in range(20):
        window = slow_down(window, NOON + number * ONE_ANSWER)
    assert window.slowed_to == pytest.approx(0.15, abs=0.001)  # what comes back between two answers
    assert limit_in_force(window, 1, NOON) == 1
