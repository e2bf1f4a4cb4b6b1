"""What the account holds, by name, and how it is made where no deployment made it."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from email_core.errors import StorageUnavailable
from email_core.stores.base import POISON, QUEUE_NAMES

EMAILS_TABLE = "emails"
PARTITIONS_TABLE = "emailpartitions"
IDEMPOTENCY_TABLE = "emailidempotency"
STATES_TABLE = "emailstates"
USERS_TABLE = "emailusers"
AUDIT_TABLE = "emailaudit"
PARAMETERS_TABLE = "emailparameters"
TABLES = (
    *(EMAILS_TABLE, PARTITIONS_TABLE, IDEMPOTENCY_TABLE, STATES_TABLE),
    *(AUDIT_TABLE, USERS_TABLE, PARAMETERS_TABLE),
)
CONTENT_CONTAINER = "email-content"


async def create_storage(tables: TableServiceClient, queues: QueueServiceClient, blobs: BlobServiceClient) -> None:
    """Makes the tables, queues and the container that are not there yet."""
    with translated("create the tables, queues and the container"):
        await asyncio.gather(
            *(tables.create_table_if_not_exists(name) for name in TABLES),
            *(_once(queues.create_queue(name + end)) for name in QUEUE_NAMES.values() for end in ("", POISON)),
            _once(blobs.create_container(CONTENT_CONTAINER)),
        )


async def _once(creation: Awaitable[object]) -> None:
    with suppress(ResourceExistsError):  # an earlier start made it
        await creation


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Foreign errors end here."""
    try:
        yield
    except AzureError as error:
        raise StorageUnavailable(operation) from error
