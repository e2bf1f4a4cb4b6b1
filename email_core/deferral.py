"""What a sending limit makes of an email that it has no room for."""

from dataclasses import dataclass, replace
from datetime import datetime

from email_core.record import EmailRecord, Turn


@dataclass(frozen=True, slots=True)
class Deferral:
    """The email is looked at again when it is due."""

    due: datetime
    turn: Turn

    def of(self, record: EmailRecord, now: datetime) -> EmailRecord:
        return replace(record, deferrals=record.deferrals + 1, turn=self.turn, next_attempt_at=self.due, updated_at=now)
