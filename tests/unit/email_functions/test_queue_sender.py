"""What a queue function says of a doorbell that it could not answer."""

import logging

import azure.functions as func
import pytest

from email_core.assembly import utc_now
from email_core.errors import StorageUnavailable
from email_core.stores.base import Doorbell
from email_core.stores.doorbell_text import doorbell_to_text
from tests.support.doors import functions


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
