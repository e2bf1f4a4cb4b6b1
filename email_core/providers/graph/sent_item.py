"""Whether an item of Sent Items is an email that was handed over. Pure.

The Message-ID alone does not prove it: an app that hands in finished MIME may use one again.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from email_core.providers.base import Envelope

LOOKED_AT = ("sentDateTime", "toRecipients", "ccRecipients", "bccRecipients")
MOST_OF_ONE_ID = 50  # items
CLOCKS_DIFFER = timedelta(minutes=5)

_RECIPIENTS = LOOKED_AT[1:]


def is_the_sent_one(item: Any, envelope: Envelope) -> bool:
    """Of one with the same Message-ID: it was not sent before the email was first handed over, and has as many
    recipients, one of them the same. Not each: the mailbox's server may have put the first address of a colleague in
    the place of another."""
    if not isinstance(item, dict) or not _is_late_enough(item.get("sentDateTime"), envelope.since):
        return False
    found, wanted = _addresses(item), {address.casefold() for address in envelope.recipients}
    return len(found) == len(wanted) and bool(found & wanted)


def _is_late_enough(sent_at: Any, since: datetime | None) -> bool:
    try:
        at = datetime.fromisoformat(str(sent_at))
    except ValueError:
        return False
    return since is None or at.replace(tzinfo=at.tzinfo or UTC) >= since - CLOCKS_DIFFER


def _addresses(item: dict[str, Any]) -> set[str]:
    """In small letters. What is no recipient as Graph writes one makes the item another."""
    recipients = [one for name in _RECIPIENTS for one in item.get(name) or ()]
    try:
        return {str(one["emailAddress"]["address"]).casefold() for one in recipients}
    except (TypeError, KeyError):
        return set()
