"""The clients of the storage account: by connection string or by identity, with the time that a request may take."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.request import getproxies

from email_core.errors import ConfigurationError

STORAGE_SETTING = "EmailStorage"

_MEBIBYTE = 1024 * 1024
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 15, "retry_total": 2}  # seconds
_BACKOFF: dict[str, Any] = {  # seconds; the queue and blob clients' own is 15 and more, while a caller waits
    "initial_backoff": 0.5,
    "increment_base": 2,
    "random_jitter_range": 0.5,
}
_STREAMED_UPLOAD: dict[str, Any] = {  # what is larger goes in blocks, read from the stream and not copied
    "max_single_put_size": _MEBIBYTE,
    "min_large_block_upload_threshold": _MEBIBYTE,
    "max_block_size": 4 * _MEBIBYTE,
    "max_single_get_size": 4 * _MEBIBYTE,  # a large email is read piece by piece, as it is sent
    "max_chunk_get_size": 4 * _MEBIBYTE,
    **_TIMEOUTS,
    **_BACKOFF,
    "read_timeout": 60,
}
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class StorageClients:
    """Clients of one storage account, by connection string (`EmailStorage`) or by identity
    (`EmailStorage__blobServiceUri`, `__queueServiceUri`, `__tableServiceUri`, and `__clientId` of a user-assigned
    one): the settings that the queue trigger reads too."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._connection = _connection_string(settings)
        # Asked once: otherwise two threads look for a proxy in the environment before each request.
        self._proxy: dict[str, Any] = {"use_env_settings": bool(getproxies())}
        if not self._connection and not settings.get(f"{STORAGE_SETTING}__queueServiceUri"):
            raise ConfigurationError(
                STORAGE_SETTING,
                "is not set",
                f"Set it to a connection string, or set {STORAGE_SETTING}__blobServiceUri, __queueServiceUri and "
                "__tableServiceUri to use the app's identity.",
            )

    @property
    def use_identity(self) -> bool:
        return not self._connection

    def tables(self) -> Any:
        from azure.data.tables.aio import TableServiceClient

        return self._client(TableServiceClient, "table", _TIMEOUTS)

    def queues(self) -> Any:
        from azure.storage.queue.aio import QueueServiceClient

        return self._client(QueueServiceClient, "queue", _TIMEOUTS | _BACKOFF)

    def blobs(self) -> Any:
        from azure.storage.blob.aio import BlobServiceClient

        return self._client(BlobServiceClient, "blob", _STREAMED_UPLOAD)

    def plain_tables(self) -> Any:
        return self._plain("table")

    def plain_queues(self) -> Any:
        return self._plain("queue")

    def _client(self, kind: Any, name: Literal["table", "queue", "blob"], options: Mapping[str, Any]) -> Any:
        if self._connection:
            return kind.from_connection_string(self._connection, **options, **self._proxy)
        return kind(self._address(name), credential=self._credential(), **options, **self._proxy)

    def _plain(self, name: Literal["table", "queue"]) -> Any:
        """A `StorageService`, for the requests of the hot path."""
        from email_core.stores.azure.rest import StorageService

        if self._connection:
            return StorageService.by_connection_string(name, self._connection, **self._proxy)
        return StorageService.by_identity(self._address(name), self._credential(), **self._proxy)

    def _address(self, service: str) -> str:
        setting = f"{STORAGE_SETTING}__{service}ServiceUri"
        address = self._settings.get(setting)
        if not address:
            raise ConfigurationError(setting, "is not set", "Give the service's https address.")
        return address

    def _credential(self) -> Any:
        return credential(self._settings, STORAGE_SETTING)


def unreadable_connection(error: ValueError) -> ConfigurationError:
    """The client libraries' words never repeat the key."""
    fix = "Copy the connection string anew from the storage account."
    return ConfigurationError(STORAGE_SETTING, f"cannot be read ({error})", fix)


def credential(settings: Mapping[str, str], prefix: str) -> Any:
    """Of the identity that `<prefix>__credential` and `<prefix>__clientId` choose."""
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    client_id = settings.get(f"{prefix}__clientId") or None
    if settings.get(f"{prefix}__credential") == "managedidentity":
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(managed_identity_client_id=client_id)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_534:
        raise ConfigurationError("AZURITE_PORT", "is no port", "Give a number, like 10000.")
    return int(text)


def _connection_string(settings: Mapping[str, str]) -> str:
    """The client libraries do not know `UseDevelopmentStorage=true`, which the host does: Azurite on its ports."""
    connection = settings.get(STORAGE_SETTING, "").strip()
    if connection.rstrip(";").lower() != "usedevelopmentstorage=true":
        return connection
    blob_port = _port(settings.get("AZURITE_PORT") or "10000")
    endpoints = "".join(
        f"{service}Endpoint=http://127.0.0.1:{blob_port + offset}/devstoreaccount1;"
        for offset, service in enumerate(("Blob", "Queue", "Table"))
    )
    return f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={_AZURITE_KEY};{endpoints}"
