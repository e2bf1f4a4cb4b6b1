"""The timers: what must happen without anybody asking. Each takes up where its last run stopped."""

import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import azure.functions as func

from email_core.assembly import subsystem, utc_now

Timer = Callable[[func.TimerRequest], Awaitable[None]]

TIME_LIMIT = timedelta(minutes=8)  # host.json's functionTimeout is 10

blueprint = func.Blueprint()
logger = logging.getLogger(__name__)


def recorded(work: Timer) -> Timer:
    """Notes that the timer ran to its end, under the function's name."""

    @functools.wraps(work)
    async def noted(timer: func.TimerRequest) -> None:
        await work(timer)
        await subsystem().timer_runs.record(work.__name__)

    return noted


@blueprint.timer_trigger("timer", "0 */5 * * * *")
@recorded
async def sweep_outbox(timer: func.TimerRequest) -> None:
    report = await subsystem().sweeper.sweep(utc_now() + TIME_LIMIT)
    cared = ", ".join(f"{count} {care}" for care, count in report.cared.items() if count)
    logger.info("sweep: emails: %s; %d partitions settled; finished: %s", cared or 0, report.settled, report.finished)


@blueprint.timer_trigger("timer", "30 * * * * *")
@recorded
async def run_distributor(timer: func.TimerRequest) -> None:
    if await subsystem().distribution.run_when_due(utc_now() + TIME_LIMIT):
        logger.info("distributor: a run of batch mail")


@blueprint.timer_trigger("timer", "0 10 * * * *")
@recorded
async def expire_emails(timer: func.TimerRequest) -> None:
    report = await subsystem().retention.expire(utc_now() + TIME_LIMIT)
    logger.info("expiry: %d emails expired, finished: %s", report.emails, report.finished)


@blueprint.timer_trigger("timer", "0 40 * * * *")
@recorded
async def purge_history(timer: func.TimerRequest) -> None:
    until = utc_now() + TIME_LIMIT
    report = await subsystem().retention.purge(until)
    keys = await subsystem().retention.purge_keys(until)
    logger.info("purge: %d emails and %d keys deleted, finished: %s", report.emails, keys, report.finished)
