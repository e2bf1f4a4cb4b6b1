"""Each timer does its work and leaves a note of it."""

import logging

import pytest

from email_core.errors import StorageUnavailable
from email_core.timer_runs import PERIODS
from tests.support.doors import functions


def timer(name):
    return next(one.get_user_function() for one in functions() if one.get_function_name() == name)


@pytest.mark.parametrize("name", PERIODS)
async def test_run_is_noted_when_its_work_is_done(doors, name):
    await timer(name)(None)
    assert await doors.timers.read(name) is not None


async def test_sweep_is_logged_in_plain_words(doors, caplog):
    await doors.accepted()
    with caplog.at_level(logging.INFO):
        await timer("sweep_outbox")(None)
    said = "sweep: emails: 1 left alone; 0 could not be cared for; 0 partitions settled; finished: True"
    assert said in caplog.messages


async def test_run_that_failed_is_not_noted(doors, monkeypatch):
    async def fails():
        raise StorageUnavailable("list the partitions")

    monkeypatch.setattr(doors.emails, "unsettled_partitions", fails)
    with pytest.raises(StorageUnavailable):
        await timer("sweep_outbox")(None)
    assert await doors.timers.read("sweep_outbox") is None


async def test_note_that_cannot_be_written_does_not_make_the_run_fail(doors, monkeypatch):
    async def fails(timer, at):
        raise StorageUnavailable("write a state")

    monkeypatch.setattr(doors.timers, "write", fails)
    await timer("sweep_outbox")(None)
