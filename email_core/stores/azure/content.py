"""Content that is too large for its row: a blob, read piece by piece."""

from collections.abc import AsyncIterator

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, StorageStreamDownloader

from email_core.errors import EmailNotFound
from email_core.stores.azure.names import translated


class BlobContent:
    """One request has its first piece when it is opened; each further piece is a request of its own."""

    def __init__(self, blob: BlobClient, download: StorageStreamDownloader[bytes]) -> None:
        self._blob = blob
        self._first: StorageStreamDownloader[bytes] | None = download
        self.size = int(download.size)

    @classmethod
    async def opened(cls, blob: BlobClient, email_id: str) -> "BlobContent":
        """Raises EmailNotFound where there is no such blob."""
        try:
            return cls(blob, await blob.download_blob())
        except ResourceNotFoundError:
            raise EmailNotFound(email_id) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        with translated("read an email's content"):
            download, self._first = self._first or await self._blob.download_blob(), None
            async for chunk in download.chunks():
                yield chunk
