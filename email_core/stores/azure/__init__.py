"""Stores on one Azure Storage account: tables for records, blobs for large content, queues for doorbells."""

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from email_core.stores.azure.audit import AzureAuditStore
from email_core.stores.azure.doorbells import AzureDoorbells
from email_core.stores.azure.emails import AzureEmailStore
from email_core.stores.azure.idempotency import AzureIdempotencyStore
from email_core.stores.azure.names import create_storage
from email_core.stores.azure.parameters import AzureParameterStore
from email_core.stores.azure.rest import StorageService
from email_core.stores.azure.states import (
    AzureAppSendersStore,
    AzureDistributorStore,
    AzureMailboxStore,
    AzureProviderStates,
    AzureTimerRuns,
)
from email_core.stores.azure.users import AzureUserStore
from email_core.stores.azure.windows import AzureWindowStore
from email_core.stores.base import Stores

__all__ = [
    "AzureAppSendersStore",
    "AzureAuditStore",
    "AzureDistributorStore",
    "AzureDoorbells",
    "AzureEmailStore",
    "AzureIdempotencyStore",
    "AzureMailboxStore",
    "AzureParameterStore",
    "AzureProviderStates",
    "AzureTimerRuns",
    "AzureUserStore",
    "AzureWindowStore",
    "StorageService",
    "create_storage",
    "stores_of",
]


def stores_of(
    tables: TableServiceClient,
    queues: QueueServiceClient,
    blobs: BlobServiceClient,
    plain_tables: StorageService,
    plain_queues: StorageService,
) -> Stores:
    """All stores on the account of these clients; the plain ones are for the requests of the hot path."""
    return Stores(
        emails=AzureEmailStore(tables, blobs, plain_tables),
        doorbells=AzureDoorbells(queues, plain_queues),
        keys=AzureIdempotencyStore(tables),
        distributor=AzureDistributorStore(tables),
        providers=AzureProviderStates(tables),
        timers=AzureTimerRuns(tables),
        mailboxes=AzureMailboxStore(tables),
        windows=AzureWindowStore(tables, plain_tables),
        audit=AzureAuditStore(tables),
        users=AzureUserStore(tables),
        app_senders=AzureAppSendersStore(tables),
        parameters=AzureParameterStore(tables),
    )
