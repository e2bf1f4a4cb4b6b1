from datetime import timedelta

import pytest

from email_core.retry import LONGEST_WAIT, retry_wait

SECONDS = [(1, 30), (2, 60), (3, 120), (4, 240), (7, 1920), (8, 3600), (50, 3600), (10**9, 3600)]


@pytest.mark.parametrize(("tries", "seconds"), SECONDS)
def test_wait_doubles_from_half_a_minute_to_an_hour(tries, seconds):
    assert retry_wait(tries, chance=0) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("tries", "seconds"), SECONDS)
def test_chance_takes_up_to_a_fifth_off(tries, seconds):
    assert retry_wait(tries, chance=1) == timedelta(seconds=seconds * 0.8)


def test_wait_that_the_provider_asked_for_is_never_cut_short():
    asked = timedelta(hours=5, seconds=2.128)
    assert retry_wait(1, chance=0, asked=asked) == asked
    assert asked < retry_wait(1, chance=0.99, asked=asked) < asked * 1.1 < asked + LONGEST_WAIT
