"""Doorbells on storage queues: one for each mode, in host.json's `messageEncoding`, base64."""

import math
from datetime import timedelta

from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from email_core.record import Mode
from email_core.stores.azure.names import translated
from email_core.stores.base import LONGEST_DELAY, QUEUE_NAMES, Doorbell
from email_core.stores.doorbell_text import doorbell_to_text


class AzureDoorbells:
    def __init__(self, queues: QueueServiceClient) -> None:
        self._queues: dict[Mode, QueueClient] = {
            mode: queues.get_queue_client(
                name,
                message_encode_policy=TextBase64EncodePolicy(),
                message_decode_policy=TextBase64DecodePolicy(),
            )
            for mode, name in QUEUE_NAMES.items()
        }

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        seconds = max(0, math.ceil(min(delay, LONGEST_DELAY).total_seconds()))
        with translated("put a doorbell"):
            await self._queues[doorbell.mode].send_message(
                doorbell_to_text(doorbell),
                visibility_timeout=seconds,
                time_to_live=-1,  # never expires: the default of 7 days would lose mail that waits
            )
