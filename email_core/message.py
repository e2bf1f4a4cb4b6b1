"""A message as an app hands it over: who, to whom, what. No id, no status, no bytes yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Importance(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. `address` is valid and its domain is in ASCII form (IDNA 2008); `name` may be any text."""

    address: str
    name: str = ""

    def __repr__(self) -> str:
        return f"Address({masked(self.address)!r})"

    def is_at(self, address: str) -> bool:
        """Whether it is that address."""
        return address_key(self.address) == address_key(address)


def address_key(address: str) -> str:
    """Two addresses are the same where this is: only the case of letters makes no difference. Not `casefold`: it makes
    `ss` of `ß`, which is somebody else's address."""
    return address.lower()


def masked(address: str) -> str:
    """For logs: enough to recognise a mailbox that one knows, not enough to write to it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with the message. `inline` ones are shown in the HTML by `cid:<content_id>`."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`sender` is None where the app names none: then the rules choose. `headers` are extra ones, already checked."""

    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = field(default="", repr=False)
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    importance: Importance = Importance.NORMAL

    @property
    def least_size(self) -> int:
        """Octets that it has at least, known before anything is built: its files have them as base64."""
        files = sum(len(file.content) * 4 // 3 for file in self.attachments)
        return files + len(self.text or "") + len(self.html or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedMessage:
    """A message as it goes over the wire, and what its headers say. `mime` has CRLF line ends and no Bcc. `agents` are
    named beside the sender as those who sent it."""

    sender: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    subject: str = field(repr=False)
    message_id: str
    mime: bytes = field(repr=False)
    importance: Importance = Importance.NORMAL
    agents: tuple[Address, ...] = ()
