"""Doorbells on storage queues: one for each mode, in host.json's `messageEncoding`, base64."""

import base64
import math
from datetime import UTC, datetime, timedelta

from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from email_core.record import Mode
from email_core.stores.azure.names import translated
from email_core.stores.base import LONGEST_DELAY, QUEUE_NAMES, Doorbell
from email_core.stores.doorbell_text import doorbell_due, doorbell_to_text

HEAD = 32  # messages; the most that can be looked at at once


class AzureDoorbells:
    def __init__(self, queues: QueueServiceClient) -> None:
        self._queues: dict[Mode, QueueClient] = {
            mode: queues.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())
            for mode, name in QUEUE_NAMES.items()
        }

    async def oldest_due(self, mode: Mode) -> datetime | None:
        """Looks at the queue's head: one request, and no message is taken."""
        with translated("look at a queue"):
            messages = await self._queues[mode].peek_messages(max_messages=HEAD)
        dues = [doorbell_due(_decoded(message.content)) or message.inserted_on for message in messages]
        return min((due for due in dues if due is not None), default=None)

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        seconds = max(0, math.ceil(min(delay, LONGEST_DELAY).total_seconds()))
        with translated("put a doorbell"):
            await self._queues[doorbell.mode].send_message(
                doorbell_to_text(doorbell, datetime.now(UTC) + timedelta(seconds=seconds)),
                visibility_timeout=seconds,
                time_to_live=-1,  # never expires: the default of 7 days would lose mail that waits
            )


def _decoded(content: str | None) -> bytes:
    """Not by the client's policy: one message that is not base64 would hide all the others from who looks."""
    try:
        return base64.b64decode(content or "", validate=True)
    except ValueError:
        return b""
