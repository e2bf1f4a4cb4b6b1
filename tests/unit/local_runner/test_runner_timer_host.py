import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from local_runner.app_index import IndexedFunction
from local_runner.errors import SettingsError
from local_runner.invocation import Invoker
from local_runner.timer_host import Due, Schedule, TimerListener, TimerMemory, first_due

NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)  # a Saturday
MINUTE = timedelta(minutes=1)
HOURLY = Schedule("0 0 * * * *")


@pytest.mark.parametrize(
    ("expression", "occurrence"),
    [
        ("*/5 * * * * *", NOON + timedelta(seconds=5)),
        ("0 */5 * * * *", NOON + timedelta(minutes=5)),
        ("30 30 2 * * *", datetime(2026, 2, 1, 2, 30, 30, tzinfo=UTC)),
        ("0 0 0 1 * 1", datetime(2026, 6, 1, tzinfo=UTC)),  # the first of a month that is a Monday: both must fit
    ],
)
def test_schedule_has_seconds_first_and_is_utc(expression, occurrence):
    assert Schedule(expression).next_after(NOON) == occurrence


@pytest.mark.parametrize("expression", ["* * * * *", "0 0 0 30 2 *", "0 61 * * * *", "00:05:00", ""])
def test_schedule_that_never_fits_or_is_no_schedule_is_refused(expression):
    with pytest.raises(SettingsError, match="six-field"):
        Schedule(expression)


@pytest.mark.parametrize(
    ("served_until", "run_on_startup", "due"),
    [
        (None, False, Due(NOON + 60 * MINUTE)),
        (None, True, Due(NOON)),
        (NOON - MINUTE, False, Due(NOON + 60 * MINUTE)),  # 12:00 is now, not missed
        (NOON - 61 * MINUTE, False, Due(NOON, past_due=True)),  # 11:00 was missed
        (NOON - 61 * MINUTE, True, Due(NOON, past_due=True)),
        (NOON - timedelta(days=9), False, Due(NOON, past_due=True)),
    ],
)
def test_missed_occurrences_become_one_run_at_start(served_until, run_on_startup, due):
    assert first_due(HOURLY, served_until, NOON, run_on_startup=run_on_startup) == due


def test_memory_keeps_the_time(tmp_path):
    TimerMemory(tmp_path / "sweep.json").write(NOON)
    assert TimerMemory(tmp_path / "sweep.json").read() == NOON


@pytest.mark.parametrize("content", ["", "[]", '{"servedUntil": 1}', "{}"])
def test_damaged_memory_counts_as_none(tmp_path, content, caplog):
    (tmp_path / "sweep.json").write_text(content)
    assert TimerMemory(tmp_path / "sweep.json").read() is None
    assert "sweep.json cannot be read" in caplog.text


def listener(folder, call, run_on_startup=False):
    trigger = {"type": "timerTrigger", "name": "timer", "runOnStartup": run_on_startup}
    return TimerListener(IndexedFunction("sweep", call, trigger), HOURLY, folder, Invoker(), lambda: NOON)


async def test_past_due_timer_runs_once_and_says_so(tmp_path):
    TimerMemory(tmp_path / "sweep.json").write(NOON - 120 * MINUTE)
    runs, stopping = [], asyncio.Event()

    async def sweep(timer):
        runs.append(timer.past_due)
        stopping.set()

    await listener(tmp_path, sweep).run(stopping)
    assert runs == [True]
    assert TimerMemory(tmp_path / "sweep.json").read() == NOON


async def test_failed_run_counts_as_served(tmp_path):
    stopping = asyncio.Event()

    async def sweep(timer):
        stopping.set()
        raise RuntimeError("of the app")

    await listener(tmp_path, sweep, run_on_startup=True).run(stopping)
    assert TimerMemory(tmp_path / "sweep.json").read() == NOON


async def test_second_runner_leaves_the_timer_to_the_first(tmp_path):
    runs, first_ran, first_stops, second_stops = [], asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def sweep(timer):
        runs.append(timer)
        first_ran.set()

    first = asyncio.create_task(listener(tmp_path, sweep, run_on_startup=True).run(first_stops))
    await first_ran.wait()
    second = asyncio.create_task(listener(tmp_path, sweep, run_on_startup=True).run(second_stops))
    await asyncio.sleep(0.05)
    second_stops.set()
    await second
    first_stops.set()
    await first
    assert len(runs) == 1
