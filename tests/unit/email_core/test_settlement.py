from datetime import timedelta

import pytest

from email_core.delivery_state import Event, Status
from email_core.message import Address
from email_core.providers.base import Outcome, OutcomeKind, RecipientReply, RecipientVerdict
from email_core.record import ATTEMPTS_KEPT, EmailRecord, RecipientResult
from email_core.settlement import settle
from tests.support.emails import NOON, email

BOB, EVE = Address("bob@example.com"), Address("eve@example.com")
ACCEPTED, NO, LATER = (
    RecipientReply(verdict, reply)
    for verdict, reply in zip(RecipientVerdict, ("250 OK", "550 unknown", "450 later"), strict=True)
)
LOST = RecipientResult(Status.SENDING, "lost")
IN_DOUBT = email(to=(BOB, EVE), results={BOB.address: LOST})


# kind, what was said of Bob and Eve, -> status, results of Bob and Eve (None: the email's own fate)
SETTLEMENTS = [
    (OutcomeKind.DELIVERED, {}, Status.SENT, (None, None)),
    (OutcomeKind.PARTLY_DELIVERED, {BOB: ACCEPTED, EVE: NO}, Status.SENT, (Status.SENT, Status.FAILED)),
    (OutcomeKind.PARTLY_DELIVERED, {BOB: ACCEPTED, EVE: LATER}, Status.UNSENT, (Status.SENT, None)),
    (OutcomeKind.TRANSIENT, {}, Status.UNSENT, (None, None)),
    (OutcomeKind.TRANSIENT, {BOB: NO, EVE: LATER}, Status.UNSENT, (Status.FAILED, None)),
    (OutcomeKind.PERMANENT, {}, Status.FAILED, (None, None)),
    (OutcomeKind.PERMANENT, {BOB: NO, EVE: NO}, Status.FAILED, (Status.FAILED, Status.FAILED)),
    (OutcomeKind.CONFIGURATION, {}, Status.UNSENT, (None, None)),
    (OutcomeKind.UNCONFIRMED, {}, Status.UNSENT, (Status.SENDING, Status.SENDING)),
    (OutcomeKind.UNCONFIRMED, {BOB: NO}, Status.UNSENT, (Status.FAILED, Status.SENDING)),
    (OutcomeKind.UNCONFIRMED, {BOB: ACCEPTED, EVE: LATER}, Status.UNSENT, (Status.SENT, None)),
]


def settled(record: EmailRecord, kind: OutcomeKind, replies: dict, **about) -> EmailRecord:
    outcome = Outcome(
        kind=kind, reply="said", recipients={one.address: reply for one, reply in replies.items()}, **about
    )
    claimed = record.after(Event.CLAIM, NOON)
    return settle(claimed, outcome, at=NOON, seconds=0.5, now=NOON, chance=0.0)


@pytest.mark.parametrize(("kind", "replies", "status", "results"), SETTLEMENTS)
def test_settlement(kind, replies, status, results):
    record = settled(email(to=(BOB, EVE)), kind, replies)
    assert (record.status, fates(record)) == (status, results)


# Bob is in doubt, Eve waits; kind, what was said of both -> status, results of both
SETTLEMENTS_OF_A_DOUBT = [
    (OutcomeKind.DELIVERED, {}, Status.SENT, (None, None)),
    (OutcomeKind.PERMANENT, {}, Status.FAILED, (None, None)),
    (OutcomeKind.UNCONFIRMED, {BOB: ACCEPTED}, Status.UNSENT, (Status.SENT, Status.SENDING)),
    (OutcomeKind.UNCONFIRMED, {EVE: LATER}, Status.UNSENT, (Status.SENDING, None)),
    (OutcomeKind.PARTLY_DELIVERED, {BOB: ACCEPTED, EVE: LATER}, Status.UNSENT, (Status.SENT, None)),
    (OutcomeKind.PARTLY_DELIVERED, {BOB: LATER, EVE: ACCEPTED}, Status.UNSENT, (Status.SENDING, Status.SENT)),
    (OutcomeKind.PARTLY_DELIVERED, {BOB: NO, EVE: ACCEPTED}, Status.SENT, (Status.FAILED, Status.SENT)),
    (OutcomeKind.HELD, {}, Status.UNSENT, (Status.SENDING, None)),
    (OutcomeKind.DEFERRED, {}, Status.UNSENT, (Status.SENDING, None)),
]


@pytest.mark.parametrize(("kind", "replies", "status", "results"), SETTLEMENTS_OF_A_DOUBT)
def test_settlement_of_a_doubt(kind, replies, status, results):
    record = settled(IN_DOUBT, kind, replies)
    assert (record.status, fates(record)) == (status, results)


@pytest.mark.parametrize("kind", [OutcomeKind.CONFIGURATION, OutcomeKind.TRANSIENT])
def test_attempt_that_came_to_nothing_does_not_settle_the_doubt(kind):
    record = settled(IN_DOUBT, kind, {EVE: LATER})
    assert (record.status, record.results) == (Status.UNSENT, {BOB.address: LOST})


def fates(record: EmailRecord) -> tuple[Status | None, ...]:
    return tuple(record.results[one.address].status if one.address in record.results else None for one in (BOB, EVE))


@pytest.mark.parametrize(
    ("outcome", "diagnosis"),
    [
        (Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK"), None),
        (Outcome(kind=OutcomeKind.PERMANENT, reply="550 no", stage="rcpt", code=551), "smtp-recipient-moved"),
        (Outcome(kind=OutcomeKind.TRANSIENT, reply="", stage="auth", code=454), "smtp-sign-in-deferred"),
        (Outcome(kind=OutcomeKind.UNCONFIRMED, reply="internal error: ValueError"), "internal-error"),
        (
            Outcome(
                kind=OutcomeKind.PARTLY_DELIVERED,
                reply="250 OK",
                recipients={
                    BOB.address: ACCEPTED,
                    EVE.address: RecipientReply(RecipientVerdict.REFUSED, "550 5.1.1 no"),
                },
            ),
            "smtp-recipient-unknown",
        ),
    ],
)
def test_attempt_keeps_what_stood_in_the_way(outcome, diagnosis):
    claimed = email(to=(BOB, EVE)).after(Event.CLAIM, NOON)
    record = settle(claimed, outcome, at=NOON, seconds=0.5, now=NOON, chance=0.0)
    assert record.attempts[0].diagnosis == diagnosis


@pytest.mark.parametrize("replies", [{EVE: NO}, {}])
def test_email_that_one_recipient_got_earlier_is_sent_even_if_the_rest_is_refused(replies):
    earlier = {BOB.address: RecipientResult(Status.SENT, "250 OK")}
    record = settled(email(to=(BOB, EVE), results=earlier), OutcomeKind.PERMANENT, replies)
    assert (record.status, fates(record)) == (Status.SENT, (Status.SENT, Status.FAILED))


def test_provider_s_own_wait_is_honoured():
    record = settled(email(), OutcomeKind.TRANSIENT, {}, retry_after=timedelta(hours=3))
    assert record.next_attempt_at == NOON + timedelta(hours=3)


def test_only_the_newest_attempts_are_kept_but_all_are_counted():
    record = email()
    for _ in range(ATTEMPTS_KEPT + 5):
        record = settled(record, OutcomeKind.TRANSIENT, {})
    assert (len(record.attempts), record.tries) == (ATTEMPTS_KEPT, ATTEMPTS_KEPT + 5)


def test_long_reply_is_cut():
    outcome = Outcome(kind=OutcomeKind.PERMANENT, reply="5" * 10_000)
    record = settle(email().after(Event.CLAIM, NOON), outcome, at=NOON, seconds=0, now=NOON, chance=0)
    assert len(record.attempts[0].reply) == 500
