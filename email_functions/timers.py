"""The timers: what must happen without anybody asking. Each takes up where its last run stopped."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import azure.functions as func

from email_core import metrics
from email_core.assembly import Subsystem, subsystem, utc_now
from email_functions.worker import shown_as

Work = Callable[[Subsystem], Awaitable[None]]
Function = Callable[[func.TimerRequest], Awaitable[None]]

TIME_LIMIT = timedelta(minutes=8)  # host.json's functionTimeout is 10

blueprint = func.Blueprint()
logger = logging.getLogger(__name__)


def timer(schedule: str) -> Callable[[Work], Function]:
    """Makes of a piece of work the function that the worker calls. That it ran to its end is noted under its name."""

    def scheduled(work: Work) -> Function:
        async def function(timer: func.TimerRequest) -> None:
            core = await subsystem()
            await work(core)
            await core.timer_runs.record(work.__name__)
            metrics.TIMER_RUNS.add(1, {"timer": work.__name__})

        registered: Function = blueprint.timer_trigger("timer", schedule)(shown_as(work, function))
        return registered

    return scheduled


@timer("0 */5 * * * *")
async def sweep_outbox(core: Subsystem) -> None:
    report = await core.sweeper.sweep(utc_now() + TIME_LIMIT)
    cared = ", ".join(f"{count} {care}" for care, count in report.cared.items() if count)
    logger.info(
        "sweep: emails: %s; %d could not be cared for; %d partitions settled; finished: %s",
        *(cared or 0, report.failures, report.settled, report.finished),
    )
    await core.watch.measure(report.backlog)


@timer("30 * * * * *")
async def run_distributor(core: Subsystem) -> None:
    if await core.distribution.run_when_due(utc_now() + TIME_LIMIT):
        logger.info("distributor: a run of batch mail")


@timer("0 10 * * * *")
async def expire_emails(core: Subsystem) -> None:
    report = await core.retention.expire(utc_now() + TIME_LIMIT)
    logger.info("expiry: %d emails expired, finished: %s", report.emails, report.finished)
    await core.watch.measure_secrets()


@timer("0 40 * * * *")
async def purge_history(core: Subsystem) -> None:
    until = utc_now() + TIME_LIMIT
    report = await core.retention.purge(until)
    content = await core.retention.purge_content(until)
    keys = await core.retention.purge_keys(until)
    events = await core.retention.purge_audit(until)
    states = await core.retention.purge_states()
    logger.info(
        "purge: %d emails, the content of %d, %d keys, %d events of the audit and %d states deleted, finished: %s",
        *(report.emails, content.emails, keys, events, states, report.finished and content.finished),
    )
