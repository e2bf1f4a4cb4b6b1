"""An email's MIME, wherever it is: in memory, or in a blob that is read piece by piece."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol


class Content(Protocol):
    """The octets of a message: CRLF line ends, no Bcc."""

    @property
    def size(self) -> int:
        """In octets."""

    def chunks(self) -> AsyncIterator[bytes]:
        """All octets, in order, from the beginning: each call reads them once more. The first piece has the whole
        header. Raises StorageUnavailable where the rest cannot be read."""


@dataclass(frozen=True, slots=True)
class InlineContent:
    """Content that is in memory already."""

    octets: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.octets


async def whole(content: Content) -> bytes:
    """All of it in memory: for what is small, or for one who has to see it all."""
    if isinstance(content, InlineContent):
        return content.octets
    octets = BytesIO()  # a list of all chunks would be a second copy
    async for chunk in content.chunks():
        octets.write(chunk)
    return octets.getvalue()
