import pytest

from email_core.providers.base import Outcome, OutcomeKind
from tests.support.doors import open_doors

URL = "/api/test-email"
ORDER = {"provider": "smtp", "to": "bob@example.com"}
WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)


async def test_email_is_sent_now_and_kept_nowhere(doors):
    answer = await doors.post(URL, ORDER)
    body = answer.json
    assert (answer.status, body["outcome"], body["reply"], body["diagnosis"]) == (200, "delivered", "250 OK", None)
    assert [step | {"seconds": 0} for step in body["steps"]] == [
        {"name": "request", "outcome": "succeeded", "detail": "250 OK", "seconds": 0}
    ]
    assert [one.recipients for one in doors.provider.submissions] == [("bob@example.com",)]
    assert (doors.emails.inserted, doors.doorbells.rung) == ([], [])


async def test_failure_is_answered_200_with_its_diagnosis(doors):
    doors.provider.outcome = WRONG_PASSWORD
    answer = await doors.post(URL, ORDER)
    assert (answer.status, answer.json["outcome"]) == (200, "configuration")
    assert [(step["name"], step["outcome"]) for step in answer.json["steps"]] == [("auth", "failed")]
    assert set(answer.json["diagnosis"]) == {"id", "title", "explanation", "fix"}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (ORDER | {"provider": "graph"}, ["/provider"]),
        (ORDER | {"provider": ""}, ["/provider"]),
        ({"provider": "smtp"}, ["/to"]),
        (ORDER | {"to": "nobody"}, ["/to"]),
        (ORDER | {"provider": "pigeon", "to": "nobody"}, ["/provider", "/to"]),
        (ORDER | {"subject": "x"}, ["/subject"]),
    ],
)
async def test_order_that_makes_no_sense_is_refused(doors, body, pointers):
    answer = await doors.post(URL, body)
    assert (answer.status, answer.pointers) == (422, pointers)
    assert doors.provider.submissions == []


async def test_query_string_is_refused(doors):
    assert (await doors.post(f"{URL}?provider=smtp", ORDER)).status == 422


async def test_without_any_sender_the_parameter_is_named():
    with open_doors() as doors:
        doors.provider.account = ""
        answer = await doors.post(URL, ORDER)
    assert (answer.status, answer.json["outcome"]) == (200, "configuration")
    assert "default_sender" in answer.json["diagnosis"]["fix"]
