"""An email as a file that its user's own mail app (Outlook, Thunderbird, Apple Mail) opens as a draft, ready to go."""

import re
import secrets
import unicodedata
from dataclasses import dataclass, field

from email_core.message import Message
from email_core.mime import as_draft, build_draft
from email_core.record import EmailRecord
from email_core.text import without_control_characters

LONGEST_NAME = 100  # characters: a path has 260 on Windows
LONGEST_NAME_OCTETS = 200  # a name has 255 octets on Linux

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_TURNS_TEXT = frozenset({"Cf", "Co", "Cn"})  # invisible, or shown as something else: a name could pose as another
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DraftFile:
    name: str = field(repr=False)
    content: bytes = field(repr=False)


def draft_of_message(message: Message) -> DraftFile:
    return DraftFile(file_name(message.subject), build_draft(message, secrets.token_hex(8)))


def draft_of_email(record: EmailRecord, mime: bytes) -> DraftFile:
    """Of an email that was accepted, with the Bcc that its MIME does not have."""
    return DraftFile(file_name(record.subject), as_draft(mime, record.bcc))


def file_name(subject: str) -> str:
    """One that every system takes, and shows as it is."""
    text = unicodedata.normalize("NFC", without_control_characters(subject))
    text = "".join(" " if unicodedata.category(one) in _TURNS_TEXT else one for one in _FORBIDDEN.sub(" ", text))
    name = " ".join(text.split())[:LONGEST_NAME].encode()[:LONGEST_NAME_OCTETS].decode(errors="ignore").strip(" .")
    if not name:
        return "email.eml"
    return f"_{name}.eml" if _DEVICES.match(name) else f"{name}.eml"
