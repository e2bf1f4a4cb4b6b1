"""What a queue function says of a doorbell that it could not answer."""

import logging
from datetime import timedelta

import azure.functions as func
import pytest

from email_core.assembly import subsystem_as_it_is, utc_now
from email_core.delivery_state import Status
from email_core.errors import StorageUnavailable
from email_core.stores.base import Doorbell
from email_core.stores.doorbell_text import doorbell_to_text
from tests.support.doors import functions, open_live_doors


def queue_function(name):
    return next(one.get_user_function() for one in functions() if one.get_function_name() == name)


@pytest.mark.parametrize("name", ["send_batch_email", "put_interactive_email_aside"])
async def test_storage_that_fails_is_logged_in_one_line_and_the_doorbell_rings_again(doors, caplog, name):
    await doors.accepted()
    [(doorbell, _)] = doors.doorbells.rung
    doors.emails.failure = StorageUnavailable("read an email")
    doors.emails.failure.__cause__ = ConnectionError("hunter2")
    message = func.QueueMessage(
        id="1", body=doorbell_to_text(Doorbell(doorbell.email_id, doorbell.mode), utc_now()).encode()
    )
    with caplog.at_level(logging.INFO), pytest.raises(StorageUnavailable) as raised:
        await queue_function(name)(message)
    [record] = [one for one in caplog.records if one.name == "email_functions.queue_sender"]
    assert record.getMessage().startswith(f"doorbell for email {doorbell.email_id} rings again: The storage did not")
    assert "hunter2" not in caplog.text
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)


async def test_message_that_is_no_doorbell_is_dropped(doors, caplog):
    await queue_function("send_batch_email")(func.QueueMessage(id="1", body=b"hunter2"))
    assert caplog.messages == ["queue message 1 is no doorbell: dropped"]


async def test_doorbell_that_comes_while_a_parameter_is_wrong_ends_and_its_email_waits(caplog):
    """Ringing again and again would only fail: the sweeper rings when it is mended."""
    with open_live_doors() as doors:
        accepted = await doors.accepted()
        [(doorbell, _)] = doors.doorbells.rung
        await doors.parameters.write({"delivery_mode": "hunter2"}, None)
        await (await subsystem_as_it_is()).desk.fresh()
        body = doorbell_to_text(Doorbell(doorbell.email_id, doorbell.mode), utc_now()).encode()
        await queue_function("send_batch_email")(func.QueueMessage(id="1", body=body))
        assert (await doors.emails.get(accepted["id"])).record.status is Status.UNSENT
    assert f"email {doorbell.email_id} waits: delivery_mode has a value that is not allowed" in caplog.text
    assert "hunter2" not in caplog.text


async def test_held_mail_is_parked_when_its_doorbell_rings():
    with open_live_doors() as doors:
        accepted = await doors.accepted(mode="interactive")
        [(doorbell, _)] = doors.doorbells.rung
        await doors.patch("/api/parameters", {"delivery_mode": "hold"}, if_match="*")
        body = doorbell_to_text(Doorbell(doorbell.email_id, doorbell.mode), utc_now()).encode()
        await queue_function("send_interactive_email")(func.QueueMessage(id="1", body=body))
        record = (await doors.emails.get(accepted["id"])).record
        assert (record.status, record.parked, record.attempts) == (Status.UNSENT, True, ())
        report = await (await subsystem_as_it_is()).sweeper.sweep(utc_now() + timedelta(minutes=1))
        assert (report.backlog.unsent.total(), report.backlog.oldest) == (1, {}), "it waits on purpose"
        await doors.patch("/api/parameters", {"delivery_mode": None}, if_match="*")
        await (await subsystem_as_it_is()).sweeper.sweep(utc_now() + timedelta(minutes=1))
        assert [one.email_id for one, _ in doors.doorbells.rung] == [accepted["id"]] * 2
