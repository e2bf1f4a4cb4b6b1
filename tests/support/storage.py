"""The core's stores on an account of the emulator, closed when the test ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from email_core.record import Mode
from email_core.storage_clients import StorageClients
from email_core.stores.azure import (
    AzureDoorbells,
    AzureEmailStore,
    create_storage,
    stores_of,
)
from email_core.stores.base import QUEUE_NAMES, Stores


@asynccontextmanager
async def all_azure_stores(connection: str) -> AsyncIterator[Stores]:
    clients = StorageClients({"EmailStorage": connection})
    async with (
        clients.tables() as tables,
        clients.queues() as queues,
        clients.blobs() as blobs,
        clients.plain_tables() as plain_tables,
        clients.plain_queues() as plain_queues,
    ):
        await create_storage(tables, queues, blobs)
        yield stores_of(tables, queues, blobs, plain_tables, plain_queues)


@asynccontextmanager
async def azure_stores(connection: str) -> AsyncIterator[tuple[AzureEmailStore, AzureDoorbells]]:
    async with all_azure_stores(connection) as stores:
        yield stores.emails, stores.doorbells


async def queued_texts(connection: str, mode: Mode) -> list[str]:
    """What a queue trigger would be handed now."""
    client = QueueClient.from_connection_string(
        connection, QUEUE_NAMES[mode], message_decode_policy=TextBase64DecodePolicy()
    )
    async with client:
        return [message.content async for message in client.receive_messages()]
