from datetime import timedelta

import pytest

from email_core.shared_windows import STAMPS_KEPT
from email_core.stores.window_text import LONGEST_TEXT, window_from_text, window_to_text
from email_core.throttling import DAY, MINUTE, Ask, Window
from email_core.window_book import answer
from tests.support.emails import NOON

TICK = MINUTE.at(NOON)


@pytest.mark.parametrize(
    "window",
    [
        Window(),
        Window(
            reserved=((TICK, 1),),
            issued=10**9,
            served=3,
            moved_at=TICK,
            slowed_to=0.5,
            slowed_at=TICK,
            stamps=("ab", "c"),
        ),
        Window(reserved=((TICK - 605, 100_000), (TICK, 1), (TICK + 3_000, 2))),
    ],
)
def test_window_comes_back_as_it_was(window):
    assert window_from_text(window_to_text(window)) == window


def test_largest_window_that_parameters_can_make_fits_a_property():
    """100,000 a minute, reserved for the longest deferral, five minutes, after a minute of the same."""
    reserved = tuple((TICK + tick, 166) for tick in range(-665, 3_040))
    assert len(window_to_text(Window(reserved=reserved, stamps=("0" * 8,) * STAMPS_KEPT))) < LONGEST_TEXT


def test_backlog_of_a_month_behind_a_day_of_steady_mail_fits_a_property():
    steady = Window(reserved=tuple((DAY.at(NOON) - 300 + tick, 33) for tick in range(300)))
    mail = Ask(limit=9_900, within=timedelta(days=29), weight=33, first=True)
    window, answers = answer(steady, NOON, [mail] * 300 * 28, DAY)
    assert all(one.reserved for one in answers[: 300 * 26])
    assert len(window_to_text(window)) < LONGEST_TEXT / 2


def test_window_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="characters"):
        window_to_text(Window(reserved=tuple((TICK + 2 * tick, 1) for tick in range(10_000))))
