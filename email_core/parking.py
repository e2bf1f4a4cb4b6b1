"""Parked mail: it waits in the table, without a doorbell in any queue, until the sweeper puts one.

A queue counts invisible messages as work and scales out for them, so mail that is due far off is parked, as is batch
mail while the distributor does not send.
"""

from datetime import datetime, timedelta

from email_core.record import EmailRecord

HORIZON = timedelta(minutes=10)  # twice the sweeper's period: what is due sooner gets its doorbell at once


def is_far_off(due: datetime, now: datetime) -> bool:
    return due > now + HORIZON


def waits_for_its_time(record: EmailRecord) -> bool:
    """Whether it was parked because it was far off. What was parked for another cause was due, or nearly."""
    return record.parked and is_far_off(record.due_at, record.updated_at)


def was_released(record: EmailRecord) -> bool:
    """Whether it waits for no run of the distributor: it has its doorbell, or was rung before and is parked until a
    retry or a deferral that is far off."""
    return not record.parked or (record.rung_at is not None and waits_for_its_time(record))
