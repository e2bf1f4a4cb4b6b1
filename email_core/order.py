"""How a message is to be sent, and for whom, apart from what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from email_core.caller import Caller
from email_core.record import Mode
from email_core.users import KnownUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Times are aware; None = now, or the parameters' rule."""

    mode: Mode = Mode.BATCH
    user: str | None = None
    provider: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    pointer: str = "/"  # what a problem's pointer to one of these begins with: `?` where they came in the query string

    @property
    def sender_pointer(self) -> str:
        """Where the From is: a field of the body, or beside a query string the header of finished MIME."""
        return "/from" if self.pointer == "/" else "/From"


@dataclass(frozen=True, slots=True)
class Behalf:
    """Who asks that it is sent, and on behalf of which user, if any."""

    caller: Caller
    known: KnownUser | None = None

    @property
    def is_own(self) -> bool:
        """Whether a person acts for themselves."""
        return self.known is not None and self.caller.user is not None and self.known.is_called(self.caller.user)
