"""Stores on one Azure Storage account: tables for records, blobs for large content, queues for doorbells."""

from email_core.stores.azure.doorbells import AzureDoorbells
from email_core.stores.azure.emails import AzureEmailStore
from email_core.stores.azure.idempotency import AzureIdempotencyStore
from email_core.stores.azure.names import create_storage
from email_core.stores.azure.rest import StorageService
from email_core.stores.azure.states import (
    AzureDistributorStore,
    AzureMailboxStore,
    AzureProviderStates,
    AzureTimerRuns,
)
from email_core.stores.azure.windows import AzureWindowStore

__all__ = [
    "AzureDistributorStore",
    "AzureDoorbells",
    "AzureEmailStore",
    "AzureIdempotencyStore",
    "AzureMailboxStore",
    "AzureProviderStates",
    "AzureTimerRuns",
    "AzureWindowStore",
    "StorageService",
    "create_storage",
]
