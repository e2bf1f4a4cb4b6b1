"""What a caller gets to see of what went wrong."""

from datetime import timedelta

import pytest

from email_core.delivery_state import Status
from email_core.diagnosis import by_id
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.record import Attempt, RecipientResult
from email_functions import representations
from tests.support.emails import NOON, email

BOB, EVE = Address("bob@example.com"), Address("eve@example.com")
BUSY = Attempt(NOON, "smtp", "transient", "421 busy", 0.1, "smtp-busy")
REFUSED = Attempt(NOON, "smtp", "permanent", "550 5.7.1 no", 0.1, "smtp-policy-refusal")
PARTLY = Attempt(NOON, "smtp", "partly delivered", "250 OK", 0.1, "smtp-recipient-unknown")
DELIVERED = Attempt(NOON, "smtp", "delivered", "250 OK", 0.1)
OLD = Attempt(NOON, "smtp", "transient", "421 busy", 0.1)
GONE = Attempt(NOON, "smtp", "transient", "421 busy", 0.1, "an-id-of-long-ago")
EVE_REFUSED = {EVE.address: RecipientResult(Status.FAILED, "550 5.1.1 unknown")}
LOST = Attempt(NOON, "smtp", "unconfirmed", "the answer to the content was lost", 0.1, "answer-lost")
MARKED = Attempt(NOON, "smtp", "marked as sent", "by an administrator", 0.0)
EVE_IN_DOUBT = {EVE.address: RecipientResult(Status.SENDING, LOST.reply)}
EVE_EXPIRED = {EVE.address: RecipientResult(Status.EXPIRED, LOST.reply)}
EVE_GOT_IT = {EVE.address: RecipientResult(Status.SENT, "250 OK")}

# status, attempts, results -> diagnosis of the email, of Bob, of Eve
SEEN = [
    (Status.UNSENT, (), {}, (None, None, None)),
    (Status.UNSENT, (BUSY,), {}, ("smtp-busy", "smtp-busy", "smtp-busy")),
    (Status.UNSENT, (REFUSED, BUSY), {}, ("smtp-busy", "smtp-busy", "smtp-busy")),
    (Status.UNSENT, (BUSY,), EVE_GOT_IT, ("smtp-busy", "smtp-busy", None)),
    (Status.FAILED, (BUSY, REFUSED), {}, ("smtp-policy-refusal", "smtp-policy-refusal", "smtp-policy-refusal")),
    (Status.EXPIRED, (BUSY,), {}, ("smtp-busy", "smtp-busy", "smtp-busy")),
    (Status.SENT, (BUSY, DELIVERED), {}, (None, None, None)),
    (Status.SENT, (PARTLY,), EVE_REFUSED, ("smtp-recipient-unknown", None, "smtp-recipient-unknown")),
    (Status.UNSENT, (LOST,), EVE_IN_DOUBT, ("answer-lost", None, "answer-lost")),
    (Status.EXPIRED, (LOST,), EVE_EXPIRED, ("answer-lost", None, "answer-lost")),
    (Status.UNSENT, (LOST, MARKED), EVE_GOT_IT, (None, None, None)),
    (Status.FAILED, (OLD,), {}, (None, None, None)),
    (Status.FAILED, (GONE,), {}, (None, None, None)),
]


def id_of(diagnosis):
    return diagnosis and diagnosis["id"]


@pytest.mark.parametrize(("status", "attempts", "results", "ids"), SEEN)
def test_email_and_recipients_have_the_diagnosis_of_what_stands_in_their_way(status, attempts, results, ids):
    seen = representations.email(email(to=(BOB, EVE), status=status, attempts=attempts, results=results), Parameters())
    assert (id_of(seen["diagnosis"]), *(id_of(one["diagnosis"]) for one in seen["recipients"])) == ids


def test_recipient_without_a_turn_has_no_words_about_others():
    seen = representations.email(email(to=(BOB, EVE), attempts=(LOST,), results=EVE_IN_DOUBT), Parameters())
    assert [(one["status"], one["reply"]) for one in seen["recipients"]] == [("Unsent", None), ("Sending", LOST.reply)]


def test_diagnosis_is_shown_with_its_explanation_and_fix():
    found = by_id("smtp-busy")
    assert representations.email(email(attempts=(BUSY,)), Parameters())["diagnosis"] == {
        "id": "smtp-busy",
        "title": found.title,
        "explanation": found.explanation,
        "fix": found.fix,
        "next": "It is tried again at 2026-03-02T12:00:00.000Z, without anybody asking.",
    }


@pytest.mark.parametrize(
    ("changes", "next"),
    [
        ({"next_attempt_at": NOON + timedelta(minutes=5)}, "It is tried again at 2026-03-02T12:05:00.000Z"),
        ({"held": True}, "It is held until you decide"),
        ({"status": Status.SENDING}, "It is being tried again now"),
        ({"status": Status.FAILED}, "It is not tried again by itself"),
        ({"status": Status.EXPIRED}, "It is not tried again by itself"),
        ({"status": Status.SENT, "results": EVE_REFUSED}, "Whoever was refused does not get it by itself"),
    ],
)
def test_diagnosis_of_an_email_says_what_comes_next(changes, next):
    record = email(to=(BOB, EVE), attempts=(BUSY,), **changes)
    assert representations.email(record, Parameters())["diagnosis"]["next"].startswith(next)


@pytest.mark.parametrize(
    ("changes", "expires_at"),
    [
        ({}, "2026-03-04T12:00:00.000Z"),
        ({"send_at": NOON + timedelta(days=1)}, "2026-03-05T12:00:00.000Z"),
        ({"expires_at": NOON + timedelta(hours=1)}, "2026-03-02T13:00:00.000Z"),
        ({"status": Status.SENT}, None),  # no more
    ],
)
def test_email_that_can_expire_says_when_by_its_own_time_or_the_parameter(changes, expires_at):
    seen = representations.email(email(**changes), Parameters(email_expiration_days=2))
    assert seen["expires_at"] == expires_at
