"""When the distributor and the timers need somebody's attention."""

from datetime import timedelta

import pytest

from email_core.distributor import DistributorState
from email_core.doctor.finding import Verdict
from email_core.doctor.operation import operation_checks
from email_core.errors import StorageUnavailable
from email_core.stores.memory import MemoryDistributorStore, MemoryTimerRuns
from tests.support.emails import NOON, Clock

OK, WARNING = Verdict.OK, Verdict.WARNING
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


async def found(what, distributor=None, timers=None):
    checks = operation_checks(distributor or MemoryDistributorStore(), timers or MemoryTimerRuns(), Clock())
    findings = [await check for check in checks]
    return next(finding for finding in findings if finding.what == what)


@pytest.mark.parametrize(
    ("state", "verdict", "detail"),
    [
        (DistributorState(), OK, "on: batch mail is sent as it comes"),
        (DistributorState(every_minutes=15), OK, "on: every 15 minutes, next at 2026-03-02 12:00:30 UTC"),
        (DistributorState(every_minutes=1), OK, "on: every minute, next at 2026-03-02 12:00:30 UTC"),
        (DistributorState(enabled=False), WARNING, "off: batch mail waits"),
        (
            DistributorState(every_minutes=5, end_after_runs=1, runs=1),
            WARNING,
            "its recurrence is over: batch mail waits",
        ),
    ],
)
async def test_distributor(state, verdict, detail):
    store = MemoryDistributorStore()
    await store.write(state, None)
    finding = await found("distributor", distributor=store)
    assert (finding.verdict, finding.detail) == (verdict, detail)


@pytest.mark.parametrize(("age", "verdict"), [(MINUTE, OK), (10 * MINUTE, OK), (10 * MINUTE + SECOND, WARNING)])
async def test_timer_of_five_minutes_is_missed_after_ten(age, verdict):
    store = MemoryTimerRuns()
    await store.write("sweep_outbox", NOON - age)
    finding = await found("timer sweep_outbox", timers=store)
    assert (finding.verdict, bool(finding.fix)) == (verdict, verdict is WARNING)


async def test_timer_that_has_not_run_yet_is_no_fault_of_a_new_app():
    finding = await found("timer purge_history")
    assert (finding.verdict, finding.detail) == (Verdict.SKIPPED, "has not run yet; it runs every 60 minutes")
    assert finding.fix.startswith("Nothing, where the app has just been started.")


async def test_storage_that_does_not_answer_is_told_once_elsewhere():
    class Broken(MemoryTimerRuns):
        async def read(self, timer):
            raise StorageUnavailable("read a state")

    assert (await found("timer sweep_outbox", timers=Broken())).verdict is Verdict.SKIPPED
