"""The storage requests that a queue trigger makes, on one HTTP session for the whole runner."""

import contextlib
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from urllib.request import getproxies

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from email_core.stores.azure.rest import StorageService, refused
from local_runner.connections import QueueConnection
from local_runner.errors import SettingsError

# The default waits 15 s and more before it repeats a request: too long beside a local emulator. Seconds.
RETRIES = {"retry_total": 3, "initial_backoff": 1, "increment_base": 1, "random_jitter_range": 1}


class LostMessageError(Exception):
    """The message is no longer ours: it was deleted, or its pop receipt changed."""


class StorageQueue:
    """A trigger queue and its poison queue. Texts are as stored: decoding is the listener's matter.

    Raises azure.core.exceptions.AzureError, ResourceNotFoundError from `receive` if there is no such queue,
    and LostMessageError.
    """

    def __init__(self, queue: QueueClient, poison: QueueClient, plain: StorageService) -> None:
        self.name = queue.queue_name
        self._queue = queue
        self._poison = poison
        self._plain = plain

    async def receive(self, count: int, lease: float) -> list[QueueMessage]:
        """Up to `count` messages, invisible to others for `lease` seconds."""
        received = self._queue.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=round(lease), retry_total=0
        )
        # One page only: the iterator would ask again after every batch that is not full.
        async for page in received.by_page():
            return [message async for message in page]
        return []

    async def hide(self, message_id: str, pop_receipt: str, seconds: float) -> str:
        """Keeps the message invisible for `seconds` from now. Returns its new pop receipt."""
        try:
            hidden = await self._queue.update_message(message_id, pop_receipt, visibility_timeout=round(seconds))
        except HttpResponseError as error:
            raise _lost_or(error) from error
        return str(hidden.pop_receipt)

    async def delete(self, message_id: str, pop_receipt: str) -> None:
        """The one request that each message needs alone: as cheap as it can be."""
        query = f"popreceipt={quote(pop_receipt, safe='')}"
        answer = await self._plain.send("DELETE", f"{self.name}/messages/{message_id}", {}, query=query)
        if answer.status != 204:
            raise _lost_or(refused(answer))

    async def poison(self, content: str) -> None:
        """Puts a copy into the poison queue, which is created at the first need. It never expires there."""
        try:
            await self._poison.send_message(content, time_to_live=-1)
        except ResourceNotFoundError:
            await self._create_poison_queue()
            await self._poison.send_message(content, time_to_live=-1)

    async def _create_poison_queue(self) -> None:
        with contextlib.suppress(ResourceExistsError):  # another message, or another runner, was quicker
            await self._poison.create_queue()


def _lost_or(error: HttpResponseError) -> Exception:
    """404: deleted. 400: the pop receipt is not the latest one (PopReceiptMismatch, or its form is wrong)."""
    return LostMessageError() if error.status_code in (400, 404) else error


class QueueServices:
    """Opens queues; one client for each connection, all of them on one transport."""

    def __init__(self) -> None:
        self._proxied = bool(getproxies())  # asked once, not in two threads a request
        self._transport = AioHttpTransport(use_env_settings=self._proxied)
        self._clients: dict[QueueConnection, QueueServiceClient] = {}
        self._plain: dict[QueueConnection, StorageService] = {}
        self._credential: Any = None

    def queue(self, connection: QueueConnection, name: str) -> StorageQueue:
        """Makes no request. Raises SettingsError for a connection string that cannot be read."""
        if connection not in self._clients:
            self._clients[connection] = self._client(connection)
            self._plain[connection] = self._service(connection)
        client, plain = self._clients[connection], self._plain[connection]
        return StorageQueue(client.get_queue_client(name), client.get_queue_client(f"{name}-poison"), plain)

    def _client(self, connection: QueueConnection) -> QueueServiceClient:
        options: dict[str, Any] = {"transport": self._transport} | RETRIES
        if connection.service_uri:
            return QueueServiceClient(connection.service_uri, self._identity(), **options)
        try:
            return QueueServiceClient.from_connection_string(connection.connection_string, **options)
        except ValueError as error:
            raise SettingsError(f"a storage connection string cannot be read: {error}") from None  # it holds a key

    def _service(self, connection: QueueConnection) -> StorageService:
        if connection.service_uri:
            return StorageService.by_identity(connection.service_uri, self._identity(), use_env_settings=self._proxied)
        return StorageService.by_connection_string(
            "queue", connection.connection_string, use_env_settings=self._proxied
        )

    def _identity(self) -> Any:
        if self._credential is None:
            from azure.identity.aio import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.close()
        for plain in self._plain.values():
            await plain.__aexit__()
        if self._credential is not None:
            await self._credential.close()
