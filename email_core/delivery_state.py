"""The life of an email: its states, what can happen to it, and the only steps there are."""

from enum import StrEnum

from email_core.errors import IllegalTransition


class Status(StrEnum):
    UNSENT = "Unsent"  # waits for its doorbell
    SENDING = "Sending"  # claimed by one worker until its lease is over
    SENT = "Sent"  # a provider took it for at least one recipient
    FAILED = "Failed"  # a provider refused it for good
    EXPIRED = "Expired"  # was not sent in time
    CANCELED = "Canceled"  # taken back before it was claimed


class Event(StrEnum):
    CLAIM = "be claimed"
    RETURN = "return to the outbox"
    SEND = "be sent"
    FAIL = "fail"
    EXPIRE = "expire"
    CANCEL = "be canceled"
    CONFIRM = "be marked as sent"


TRANSITIONS = {
    (Status.UNSENT, Event.CLAIM): Status.SENDING,
    (Status.SENDING, Event.CLAIM): Status.SENDING,  # its lease is over: the worker that had it died
    (Status.SENDING, Event.RETURN): Status.UNSENT,
    (Status.SENDING, Event.SEND): Status.SENT,
    (Status.SENDING, Event.FAIL): Status.FAILED,
    (Status.UNSENT, Event.EXPIRE): Status.EXPIRED,
    (Status.UNSENT, Event.CONFIRM): Status.SENT,  # by an administrator, where nobody knows (held)
    (Status.UNSENT, Event.CANCEL): Status.CANCELED,
}
ENDED = frozenset({Status.SENT, Status.FAILED, Status.EXPIRED, Status.CANCELED})


def step(status: Status, event: Event) -> Status:
    """The state after `event`. Raises IllegalTransition where the table has none."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransition(status, event) from None
