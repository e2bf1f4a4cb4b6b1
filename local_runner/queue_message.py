"""From a stored message to what the function receives."""

import base64
import json
import re
from datetime import datetime
from typing import Any

from azure.functions.queue import QueueMessage as FunctionMessage
from azure.storage.queue import QueueMessage

METADATA = ("id", "dequeueCount", "expirationTime", "insertionTime", "nextVisibleTime", "popReceipt")
MAY_OVERWRITE = re.compile(rf'"({"|".join(METADATA)})"\s*:', re.IGNORECASE)


class UndecodableMessageError(ValueError):
    """The text is not in the encoding that host.json names."""


def decode(content: str, encoding: str) -> str:
    """The message's text. `encoding` is base64 or none. Bytes that are not UTF-8 become U+FFFD as in .NET."""
    if encoding == "none":
        return content
    try:
        # Like .NET and unlike Python's default: white space is skipped, any other foreign character refused.
        return base64.b64decode("".join(content.split()), validate=True).decode("utf-8", "replace")
    except ValueError as error:
        raise UndecodableMessageError(str(error)) from error


def function_message(message: QueueMessage, text: str) -> FunctionMessage:
    """The trigger's argument, with the metadata that the host gives.

    Raises ValueError if properties of the message overwrote metadata with what they cannot be.
    """
    metadata: dict[str, Any] = {
        "id": message.id,
        "dequeueCount": message.dequeue_count,
        "expirationTime": message.expires_on,
        "insertionTime": message.inserted_on,
        "nextVisibleTime": message.next_visible_on,
        "popReceipt": message.pop_receipt,
    }
    metadata.update(overwritten_metadata(text))
    return FunctionMessage(
        id=metadata["id"],
        body=text,
        dequeue_count=int(metadata["dequeueCount"]),
        expiration_time=metadata["expirationTime"],
        insertion_time=metadata["insertionTime"],
        time_next_visible=metadata["nextVisibleTime"],
        pop_receipt=metadata["popReceipt"],
    )


def overwritten_metadata(text: str) -> dict[str, Any]:
    """Metadata that the host takes from the message's own top-level properties, ignoring case.

    An oddity of the real host, kept so that an app which falls into it does so on the developer's machine.
    """
    if not text.lstrip().startswith("{") or not MAY_OVERWRITE.search(text):
        return {}  # spares nearly every message the parsing
    try:
        properties = json.loads(text)
    except ValueError:
        return {}
    names = {name.lower(): name for name in METADATA}
    own = {names[key.lower()]: value for key, value in properties.items() if key.lower() in names}
    return {name: _converted(name, value) for name, value in own.items() if not isinstance(value, dict | list | None)}


def _converted(name: str, value: object) -> object:
    return datetime.fromisoformat(str(value)) if name.endswith("Time") else str(value)
