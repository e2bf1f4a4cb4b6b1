"""What a provider still keeps of an email that has ended without being sent: a draft, which nobody should find among
theirs and send."""

import asyncio
import logging
from collections.abc import Mapping

from email_core.delivery_state import Status
from email_core.logs import where
from email_core.providers.base import Envelope, Provider
from email_core.record import EmailRecord

LONGEST_DISCARD = 10.0  # seconds: somebody may wait for it

logger = logging.getLogger(__name__)


class Leftovers:
    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

    async def discard(self, last: EmailRecord, ended: EmailRecord) -> None:
        """Called when the end of an email is recorded; `last` is what it was before, with its doubts. Best effort:
        raises nothing, and what does not go at once stays."""
        provider = self._providers.get(last.provider)
        if provider is None or not last.handle or ended.status is Status.SENT:
            return
        envelope = Envelope(
            sender=last.sender.address,
            mailbox=last.mailbox,
            recipients=last.recipients,
            message_id=last.message_id,
            mode=last.mode,
            handle=last.handle,
        )
        try:
            async with asyncio.timeout(LONGEST_DISCARD):
                await provider.discard(envelope, in_doubt=last.in_doubt)
        except Exception as error:  # noqa: BLE001 - the email has ended, whatever a provider raises
            logger.warning("what provider %s keeps of email %s stays there: %s", last.provider, last.id, where(error))
