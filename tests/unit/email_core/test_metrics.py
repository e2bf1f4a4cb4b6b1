"""What a change of an email, a sweep or a request is measured as."""

from dataclasses import replace
from datetime import timedelta

import pytest

from email_core import metrics
from email_core.backlog import Backlog, waits_since
from email_core.delivery_state import Event
from email_core.errors import LostRace, SecretFault, SecretUnreadable
from email_core.measured_emails import MeasuredEmails
from email_core.provider_pause import ProviderPauses, ProviderState
from email_core.record import Attempt, EmailRecord, Mode
from email_core.secret_store.base import SecretName, SecretState
from email_core.stores.base import StoredEmail
from email_core.stores.memory import MemoryEmailStore, MemoryProviderStates
from email_core.watch import Watch
from tests.support.emails import NOON, email
from tests.support.measures import measuring

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
REFUSED = Attempt(NOON, "smtp", "permanent", "550 no", 0.5, "recipient-unknown")


def claimed(**changes) -> EmailRecord:
    return replace(email(), **changes).after(Event.CLAIM, NOON, lease_until=NOON + HOUR)


def later(record: EmailRecord, event: Event, **changes) -> EmailRecord:
    return record.after(event, NOON + 90 * SECOND, **changes)


SENT, RETRIED = "email.sent smtp batch", "email.retried smtp batch recipient-unknown"

# what was written in whose place -> what it is measured as
CHANGES = [
    ("a claim", email(), claimed(), {}),
    ("its handle is kept", claimed(), replace(claimed(), handle="x"), {}),
    ("sent", claimed(), later(claimed(), Event.SEND), {SENT: 1, "email.delivery smtp batch": 90}),
    (
        "interactive and sent",
        claimed(),
        later(claimed(mode=Mode.INTERACTIVE), Event.SEND),
        {"email.sent smtp interactive": 1, "email.delivery smtp interactive": 90},
    ),
    (
        "scheduled and sent",
        claimed(),
        later(claimed(send_at=NOON + 80 * SECOND), Event.SEND),
        {SENT: 1, "email.delivery smtp batch": 10},
    ),
    (
        "failed",
        claimed(),
        later(claimed().with_attempt(REFUSED), Event.FAIL),
        {"email.failed smtp batch recipient-unknown": 1},
    ),
    ("failed, nobody knows why", claimed(), later(claimed(), Event.FAIL), {"email.failed smtp batch none": 1}),
    ("expired", email(), later(email(), Event.EXPIRE), {"email.expired smtp batch": 1}),
    ("taken back", email(), later(email(), Event.CANCEL), {"email.canceled smtp batch": 1}),
    ("deferred", email(), replace(email(), deferrals=1), {"email.deferred smtp batch": 1}),
    ("tried again", claimed(), later(claimed().with_attempt(REFUSED), Event.RETURN), {RETRIED: 1}),
    ("tried again after its worker died", claimed(), claimed().with_attempt(REFUSED), {RETRIED: 1}),
    ("held", claimed(), later(claimed().with_attempt(REFUSED), Event.RETURN, held=True), {}),
    ("let go by an administrator", email(held=True), email().with_attempt(REFUSED), {}),
    ("parked", email(), email(parked=True), {}),
]


@pytest.mark.parametrize(("before", "after", "expected"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_change_is_measured_as_what_it_was(before, after, expected):
    with measuring() as measured:
        metrics.changed(before, after)
    assert measured.all == expected


async def test_email_is_counted_once_on_its_way():
    emails = MeasuredEmails(MemoryEmailStore())
    with measuring() as measured:
        stored = await emails.insert(email(), b"")
        stored = await emails.update(stored, claimed())
        await emails.end(stored, later(stored.record, Event.SEND))
    assert measured.names == {"email.accepted", "email.sent", "email.delivery"}
    assert measured["email.accepted"] == {"smtp batch": 1}


async def test_what_another_worker_was_faster_with_is_not_counted():
    emails = MeasuredEmails(MemoryEmailStore())
    stored = await emails.insert(email(), b"")
    await emails.update(stored, stored.record.after(Event.CLAIM, NOON))
    with measuring() as measured, pytest.raises(LostRace):
        await emails.end(stored, later(stored.record, Event.CANCEL))
    assert measured.names == set()


# ---- the backlog

WAITS = [
    ("accepted", email(NOON - HOUR), NOON - HOUR),
    ("to be tried again", email(NOON - HOUR, next_attempt_at=NOON + HOUR), NOON - HOUR),
    ("scheduled, and its time has come", email(NOON - DAY, send_at=NOON - HOUR), NOON - HOUR),
    ("scheduled", email(NOON - DAY, send_at=NOON + SECOND), None),
    ("held", email(NOON - HOUR, held=True), None),
    ("parked until the distributor sends", email(NOON - HOUR, parked=True), None),
    ("parked, but for a person", email(NOON - HOUR, parked=True, mode=Mode.INTERACTIVE), NOON - HOUR),
]


@pytest.mark.parametrize(("record", "since"), [one[1:] for one in WAITS], ids=[one[0] for one in WAITS])
def test_only_what_is_to_be_sent_by_now_waits(record, since):
    assert waits_since(record, NOON, sends_batch=False) == since


def test_parked_mail_waits_while_the_distributor_sends():
    assert waits_since(email(NOON - HOUR, parked=True), NOON, sends_batch=True) == NOON - HOUR


# ---- what the timers measure


class Smtp:
    name, configuration = "smtp", "1"
    secrets = (SecretName.SMTP_PASSWORD,)


class Vault:
    def __init__(self, *, expires_at=None, fault=None) -> None:
        self.expires_at, self.fault = expires_at, fault

    async def about(self, name):
        if self.fault:
            raise SecretUnreadable(name, self.fault, "Enter it again.")
        return SecretState(True, NOON - DAY, self.expires_at)


def watch(vault=None, states=None) -> Watch:
    pauses = ProviderPauses(states or MemoryProviderStates(), lambda: NOON)
    return Watch(providers={"smtp": Smtp()}, pauses=pauses, secrets=vault or Vault(), clock=lambda: NOON)


def backlog(*records: EmailRecord) -> Backlog:
    found = Backlog()
    found.count([StoredEmail(one, "", None) for one in records], NOON, sends_batch=True)
    return found


async def test_backlog_and_its_oldest_are_measured_for_each_mode():
    mail = backlog(email(NOON - HOUR), email(NOON), email(NOON - DAY, held=True), email(NOON, mode=Mode.INTERACTIVE))
    with measuring() as measured:
        await watch().measure(mail)
    assert measured["email.backlog"] == {"batch": 3, "interactive": 1}
    assert measured["email.oldest_unsent"] == {"batch": 3600, "interactive": 0}


async def test_without_mail_both_are_zero():
    with measuring() as measured:
        await watch().measure(Backlog())
    assert measured["email.backlog"] == measured["email.oldest_unsent"] == {"batch": 0, "interactive": 0}


@pytest.mark.parametrize(
    ("vault", "days"),
    [
        (Vault(expires_at=NOON + 14 * DAY), {"smtp-password": 14}),
        (Vault(expires_at=NOON + DAY - SECOND), {"smtp-password": 0}),
        (Vault(fault=SecretFault.EXPIRED), {"smtp-password": 0}),
        (Vault(fault=SecretFault.UNREACHABLE), {}),
        (Vault(), {}),
    ],
)
async def test_days_until_a_secret_expires_are_whole_ones(vault, days):
    with measuring() as measured:
        await watch(vault).measure_secrets()
    assert measured["email.secret.days_left"] == days


@pytest.mark.parametrize(
    ("state", "paused"), [(ProviderState(), 0), (ProviderState(refusals=1, paused_until=NOON - SECOND), 1)]
)
async def test_provider_is_paused_until_it_works_again(state, paused):
    states = MemoryProviderStates()
    await states.write("smtp-1", state, None)
    with measuring() as measured:
        await watch(states=states).measure(Backlog())
    assert measured["email.provider.paused"] == {"smtp": paused}


async def test_what_was_told_is_not_told_again():
    """An instance that measures no more would hide what another measures."""
    with measuring():
        await watch().measure(Backlog())
    with measuring() as measured:
        pass
    assert measured.names == set()


# ---- all of them


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda one: one.name)
def test_no_attribute_tells_which_email_it_was_or_whose(metric):
    few = {"provider", "mode", "diagnosis", "outcome", "operation", "status", "timer", "secret"}
    assert set(metric.attributes) <= few


def test_every_name_is_there_once():
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)
