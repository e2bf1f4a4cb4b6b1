"""Doorbells on storage queues: one for each mode, in host.json's `messageEncoding`, base64."""

import base64
import math
from datetime import UTC, datetime, timedelta

from azure.storage.queue.aio import QueueClient, QueueServiceClient

from email_core.record import Mode
from email_core.stores.azure.names import translated
from email_core.stores.azure.rest import StorageService, refused
from email_core.stores.base import LONGEST_DELAY, QUEUE_NAMES, Doorbell
from email_core.stores.doorbell_text import doorbell_due, doorbell_to_text

HEAD = 32  # messages; the most that can be looked at at once
FOR_EVER = -1  # the default, 7 days, would lose mail that waits
_MESSAGE = b"<QueueMessage><MessageText>%s</MessageText></QueueMessage>"


class AzureDoorbells:
    def __init__(self, queues: QueueServiceClient, plain_queues: StorageService) -> None:
        self._queues: dict[Mode, QueueClient] = {
            mode: queues.get_queue_client(name) for mode, name in QUEUE_NAMES.items()
        }
        self._plain = plain_queues

    async def oldest_due(self, mode: Mode) -> datetime | None:
        """Looks at the queue's head: one request, and no message is taken."""
        with translated("look at a queue"):
            messages = await self._queues[mode].peek_messages(max_messages=HEAD)
        dues = [doorbell_due(_decoded(message.content)) or message.inserted_on for message in messages]
        return min((due for due in dues if due is not None), default=None)

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        seconds = max(0, math.ceil(min(delay, LONGEST_DELAY).total_seconds()))
        text = doorbell_to_text(doorbell, datetime.now(UTC) + timedelta(seconds=seconds))
        with translated("put a doorbell"):
            answer = await self._plain.send(
                "POST",
                f"{QUEUE_NAMES[doorbell.mode]}/messages",
                {"Content-Type": "application/xml"},
                _MESSAGE % base64.b64encode(text.encode()),
                query=f"messagettl={FOR_EVER}&visibilitytimeout={seconds}",
            )
            if answer.status != 201:
                raise refused(answer)


def _decoded(content: str | None) -> bytes:
    """Not by the client's policy: one message that is not base64 would hide all the others from who looks."""
    try:
        return base64.b64decode(content or "", validate=True)
    except ValueError:
        return b""
