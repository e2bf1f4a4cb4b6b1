"""Whether what must happen by itself happens: the distributor is on, and the host calls the timers."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from email_core.distributor import DistributorStore
from email_core.doctor.finding import Finding, bounded, ok, skipped, warning
from email_core.timer_runs import PERIODS, TimerRunStore

SECONDS = 25.0
_NOT_YET = "Nothing, where the app has just been started. Else see that it runs, and that the function is not disabled."
_NOT_CALLED = (
    "See that the app runs, that the function is not disabled, and that AzureWebJobsStorage is right: the host keeps "
    "the timers' locks there."
)


def operation_checks(
    distributor: DistributorStore, timers: TimerRunStore, clock: Callable[[], datetime]
) -> list[Awaitable[Finding]]:
    return [
        bounded("distributor", _distributor(distributor, clock), SECONDS),
        *(bounded(f"timer {name}", _timer(timers, name, clock), SECONDS) for name in PERIODS),
    ]


async def _distributor(store: DistributorStore, clock: Callable[[], datetime]) -> Finding:
    state, _ = await store.read()
    now = clock()
    if not state.enabled:
        return warning(
            "distributor", "off: batch mail waits", 'Switch it on: PATCH /api/distributor {"enabled": true}.'
        )
    if state.is_continuous(now):
        return ok("distributor", "on: batch mail is sent as it comes")
    next_run = state.next_run_at(now)
    if next_run is None:
        return warning(
            "distributor",
            "its recurrence is over: batch mail waits",
            "Let it end later or never: PATCH /api/distributor, "
            '{"recurrence": {"every_minutes": 0}} sends mail as it comes.',
        )
    return ok("distributor", f"on: {state.rhythm}, next {_moment(next_run)}")


async def _timer(store: TimerRunStore, name: str, clock: Callable[[], datetime]) -> Finding:
    """A run that is missed once may be a deployment's; one that is missed twice is not. Since when the app has been
    there is not known: a timer that never ran may only be new."""
    what, period = f"timer {name}", PERIODS[name]
    last = await store.read(name)
    if last is None:
        return skipped(what, f"has not run yet; it runs every {_in_words(period)}", _NOT_YET)
    if clock() - last > 2 * period:
        return warning(what, f"last ran {_moment(last)}; it should run every {_in_words(period)}", _NOT_CALLED)
    return ok(what, f"last ran {_moment(last)}")


def _in_words(period: timedelta) -> str:
    minutes = int(period.total_seconds()) // 60
    return "minute" if minutes == 1 else f"{minutes} minutes"


def _moment(at: datetime) -> str:
    return f"at {at:%Y-%m-%d %H:%M:%S} UTC"
