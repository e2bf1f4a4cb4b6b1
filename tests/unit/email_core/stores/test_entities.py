from dataclasses import fields, replace
from datetime import timedelta

import pytest

from email_core.delivery_state import Event, Status
from email_core.message import Address, Importance
from email_core.record import Attempt, EmailRecord, Mode, RecipientResult, Turn
from email_core.stores.entities import changed_properties, entity_properties, record_of
from tests.support.emails import NOON, email

LATER = NOON + timedelta(minutes=5)
CHANGES = {
    "status": Status.SENDING,
    "mode": Mode.INTERACTIVE,
    "provider": "graph",
    "user": "ann",
    "sender": Address("ann@contoso.com", "Ann Miller"),
    "to": (Address("eve@example.com"),),
    "cc": (Address("tom@example.com", "Tom"),),
    "bcc": (Address("sue@example.com"),),
    "subject": "Another",
    "size": 101,
    "message_id": "<other@contoso.com>",
    "metadata": {"order": "42"},
    "created_at": LATER,
    "updated_at": LATER,
    "send_at": LATER,
    "expires_at": LATER,
    "next_attempt_at": LATER,
    "ended_at": LATER,
    "lease_until": LATER,
    "claims": 1,
    "claimed_by": "f00",
    "handle": "draft-1",
    "mailbox": "ann.miller@contoso.com",
    "accepted_by": "app:1",
    "parked": True,
    "held": True,
    "content_deleted": True,
    "waits_for_provider": True,
    "rung_at": LATER,
    "importance": Importance.HIGH,
    "deferrals": 1,
    "turn": Turn(limit="30 a minute of smtp", permit_at=LATER, permit_limit=30, number=7, counted_at=NOON, deferrals=1),
    "tries": 1,
    "attempts": (Attempt(LATER, "smtp", "transient", "450 later", 0.1, "smtp-try-later", "request-id 1"),),
    "results": {"bob@example.com": RecipientResult(Status.FAILED, "550 no")},
}


def merged(old, new):
    """The record that a table has after it was made from `old` and then merged with what makes it `new`."""
    return record_of({"RowKey": f"u-{old.id}"} | entity_properties(old) | changed_properties(old, new))


def test_every_field_but_the_id_is_tried():
    assert {"id", *CHANGES} == {one.name for one in fields(EmailRecord)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_merge_makes_the_old_record_into_the_new_one(name):
    old = email()
    new = replace(old, **{name: CHANGES[name]})
    assert merged(old, new) == new


def test_a_claim_writes_only_what_it_changes():
    old = email(metadata={"order": "42"})
    claimed = old.after(Event.CLAIM, LATER, claims=1, claimed_by="f00", lease_until=LATER)
    assert set(changed_properties(old, claimed)) == {"status", "updated_at", "claims", "claimed_by", "lease_until"}


def test_a_row_from_before_there_were_diagnoses_and_traces_is_read():
    attempt = Attempt(LATER, "smtp", "transient", "450 later", 0.1)
    properties = entity_properties(email(attempts=(attempt,)))
    older = properties | {"detail": properties["detail"].replace('"450 later",0.1,null,null]', '"450 later",0.1]')}
    assert older != properties
    assert record_of({"RowKey": "u-1"} | older).attempts == (attempt,)


def test_a_row_from_before_a_turn_counted_its_deferrals_is_read():
    properties = entity_properties(email(turn=Turn(number=7, deferrals=3)))
    older = properties | {"detail": properties["detail"].replace(',"deferrals":3', "")}
    assert older != properties
    assert record_of({"RowKey": "u-1"} | older).turn == Turn(number=7)
