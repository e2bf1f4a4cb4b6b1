"""What is measured of the whole app is what the reference says."""

import azure.functions as func
import pytest

from email_core.metrics import METRICS
from email_core.providers.base import Outcome, OutcomeKind
from email_core.stores.doorbell_text import doorbell_to_text
from tests.support.doors import functions
from tests.support.emails import NOON
from tests.support.measures import measuring

ROWS = {metric.name: metric for metric in METRICS}


def function(name):
    return next(one.get_user_function() for one in functions() if one.get_function_name() == name)


async def answer(doors):
    """The doorbell that was put last is answered, as the host would have it."""
    doorbell, _ = doors.doorbells.rung[-1]
    await function("send_batch_email")(func.QueueMessage(body=doorbell_to_text(doorbell, NOON).encode()))


async def test_email_is_measured_from_the_request_to_its_end(doors):
    with measuring() as measured:
        await doors.accepted()
        await answer(doors)
    assert measured["email.requests"] == {"accept_email 202": 1}
    assert measured["email.accepted"] == measured["email.sent"] == {"smtp batch": 1}
    assert set(measured["email.attempt"]) == {"smtp delivered"}
    assert set(measured["email.delivery"]) == {"smtp batch"}


async def test_email_that_fails_is_measured_by_its_diagnosis(doors):
    doors.provider.outcome = Outcome(kind=OutcomeKind.PERMANENT, reply="550 5.1.1 no such user", stage="rcpt", code=550)
    with measuring() as measured:
        accepted = await doors.accepted()
        await answer(doors)
    diagnosis = (await doors.get(f"/api/emails/{accepted['id']}")).json["diagnosis"]["id"]
    assert measured["email.failed"] == {f"smtp batch {diagnosis}": 1}
    assert measured["email.sent"] == {}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/api/health", "health 200"),
        ("/api/emails/x", "read_email 404"),
        ("/api/emails?limit=none", "list_emails 422"),
        ("/api/nothing/ann@contoso.com", "wrong_call 404"),
    ],
)
async def test_request_is_measured_by_its_operation_and_never_by_its_address(doors, url, expected):
    with measuring() as measured:
        await doors.get(url)
    assert measured["email.requests"] == {expected: 1}


async def test_sweep_measures_the_backlog_and_each_timer_its_runs(doors):
    await doors.accepted()
    with measuring() as measured:
        await function("sweep_outbox")(None)
    assert measured["email.backlog"] == {"batch": 1, "interactive": 0}
    assert measured["email.timer.runs"] == {"sweep_outbox": 1}
    assert set(measured["email.provider.paused"]) == {"smtp"}


async def test_attributes_are_those_of_the_reference(doors):
    with measuring() as measured:
        await doors.accepted()
        await answer(doors)
        await function("sweep_outbox")(None)
    assert {name: tuple(key for key, _ in one) for name, values in measured.values.items() for one in values} == {
        name: ROWS[name].attributes for name in measured.names
    }
