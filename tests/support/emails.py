"""Records to test with, and a clock that a test moves by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from email_core.delivery_state import Status
from email_core.email_id import created_at, new_email_id
from email_core.message import Address
from email_core.record import EmailRecord, Mode

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


def email(at: datetime = NOON, shard: int = 0, **changes: Any) -> EmailRecord:
    """An unsent email from Ann to Bob, accepted at `at`."""
    email_id = new_email_id(at, shard)
    record = EmailRecord(
        id=email_id,
        status=Status.UNSENT,
        mode=Mode.BATCH,
        provider="smtp",
        user=None,
        sender=Address("ann@contoso.com", "Ann"),
        to=(Address("bob@example.com"),),
        cc=(),
        bcc=(),
        subject="Statement",
        size=100,
        message_id=f"<{email_id}@contoso.com>",
        metadata={},
        created_at=created_at(email_id),
        updated_at=created_at(email_id),
    )
    return replace(record, **changes)
