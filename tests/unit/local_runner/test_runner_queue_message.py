from datetime import UTC, datetime

import pytest
from azure.storage.queue import QueueMessage

from local_runner.queue_message import UndecodableMessageError, decode, function_message

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def stored():
    return QueueMessage(
        "", id="m1", pop_receipt="r1", dequeue_count=2, inserted_on=NOW, expires_on=NOW, next_visible_on=NOW
    )


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        ("dMOkeHQ=", "base64", "täxt"),
        (" dMOk\neHQ= ", "base64", "täxt"),
        ("/w==", "base64", "\ufffd"),
        ("", "base64", ""),
        ("plain", "none", "plain"),
    ],
)
def test_text_is_decoded_as_dotnet_does(content, encoding, text):
    assert decode(content, encoding) == text


@pytest.mark.parametrize("content", ["{}", "abc", "dMOk-eHQ="])
def test_text_that_is_not_base64_is_undecodable(content):
    with pytest.raises(UndecodableMessageError):
        decode(content, "base64")


def test_function_receives_the_metadata():
    message = function_message(stored(), '{"email": 1}')
    assert (message.id, message.pop_receipt, message.dequeue_count) == ("m1", "r1", 2)
    assert (message.insertion_time, message.expiration_time, message.time_next_visible) == (NOW, NOW, NOW)
    assert message.get_json() == {"email": 1}


def test_top_level_property_overwrites_metadata_whatever_its_case():
    message = function_message(stored(), '{"ID": 7, "dequeuecount": "9", "nested": {"popReceipt": "x"}}')
    assert (message.id, message.dequeue_count, message.pop_receipt) == ("7", 9, "r1")


def test_overwritten_metadata_of_another_type_is_an_error():
    with pytest.raises(ValueError, match="often"):
        function_message(stored(), '{"dequeueCount": "often"}')
