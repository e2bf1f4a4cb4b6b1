"""What providers can and cannot do: one row each, for the console, the API and docs/reference/providers.md."""

from dataclasses import dataclass, field
from typing import Any


def _feature(title: str, **default: Any) -> Any:
    return field(metadata={"title": title}, **default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Of one provider. `title` is the provider's own name; the others answer what their metadata's `title` says."""

    title: str
    sign_in: str = _feature("Signs in by")
    keeps_message_id: bool = _feature("The Message-ID stays as it is, so that a second copy can be recognised")
    recipients_apart: bool = _feature("Says of each recipient whether it was accepted")
    proof_of_sending: bool = _feature("Can be asked, after a lost answer, whether the email was sent")
    bounces_elsewhere: bool = _feature("Bounces can go to another address than From")
    bcc: str = _feature("Bcc stands")
    largest_message: str = _feature("Largest message, below `attachment_size_limit`")
    throttles_itself: bool = _feature("Throttles by itself: needs no limit per minute of ours")
    deprecated: str = _feature("Deprecated: not to be chosen any more", default="")
