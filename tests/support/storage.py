"""The core's stores on an account of the emulator, closed when the test ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from email_core.assembly import StorageClients
from email_core.record import Mode
from email_core.stores.azure import AzureDoorbells, AzureEmailStore, create_storage
from email_core.stores.base import QUEUE_NAMES


@asynccontextmanager
async def azure_stores(connection: str) -> AsyncIterator[tuple[AzureEmailStore, AzureDoorbells]]:
    clients = StorageClients({"EmailStorage": connection})
    async with clients.tables() as tables, clients.queues() as queues, clients.blobs() as blobs:
        await create_storage(tables, queues, blobs)
        yield AzureEmailStore(tables, blobs), AzureDoorbells(queues)


async def queued_texts(connection: str, mode: Mode) -> list[str]:
    """What a queue trigger would be handed now."""
    client = QueueClient.from_connection_string(
        connection, QUEUE_NAMES[mode], message_decode_policy=TextBase64DecodePolicy()
    )
    async with client:
        return [message.content async for message in client.receive_messages()]
