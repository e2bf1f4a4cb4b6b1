from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest

from email_core.assembly import utc_now
from email_core.delivery_state import Status
from email_core.record import EmailRecord, RecipientResult, Turn
from email_core.throttling import MINUTE, Window
from tests.support.doors import Doors, open_doors
from tests.support.emails import NOON

LOST = RecipientResult(Status.SENDING, "lost")


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as doors:
        yield doors


async def change(doors: Doors, accepted: dict, **changes) -> EmailRecord:
    stored = await doors.emails.get(accepted["id"])
    await doors.emails.update(stored, replace(stored.record, **changes))
    return stored.record


async def test_ended_email_is_resent_as_a_new_one_that_names_the_old(doors):
    old = await doors.accepted(bcc=["sue@example.com"], metadata={"order": "42"}, subject="Größe")
    await change(doors, old, status=Status.FAILED, ended_at=NOON)
    answer = await doors.post(f"/api/emails/{old['id']}/resend")
    assert (answer.status, answer.headers["Location"]) == (202, answer.json["links"]["self"])
    new = (await doors.get(answer.json["links"]["self"])).json
    assert new["id"] != old["id"]
    assert new["metadata"] == {"order": "42", "resend_of": old["id"]}
    assert [one["address"] for one in new["recipients"]] == ["bob@example.com", "sue@example.com"]
    message = message_from_bytes((await doors.get(answer.json["links"]["eml"])).body, policy=default)
    assert (message["Message-ID"], message["Subject"]) == (new["message_id"], "Größe")
    assert len(message.get_all("Message-ID")) == len(message.get_all("Date")) == 1
    assert doors.doorbells.rung[-1][0].email_id == new["id"]


@pytest.mark.parametrize("status", [Status.UNSENT, Status.SENDING])
@pytest.mark.parametrize("action", ["resend", "mark-sent"])
async def test_email_on_its_way_is_neither_resent_nor_marked(doors, status, action):
    accepted = await doors.accepted()
    await change(doors, accepted, status=status)
    answer = await doors.post(f"/api/emails/{accepted['id']}/{action}")
    assert (answer.status, answer.json["email_status"]) == (409, status.value)


async def test_email_whose_provider_is_not_configured_any_more_is_not_resent_and_the_fix_is_told(doors):
    old = await doors.accepted()
    await change(doors, old, status=Status.FAILED, ended_at=NOON, provider="graph")
    answer = await doors.post(f"/api/emails/{old['id']}/resend")
    assert (answer.status, answer.pointers, len(doors.emails.inserted)) == (409, [], 1)
    assert "configures it by the parameter graph_credential" in answer.json["detail"]


async def test_held_email_that_is_resent_stays_the_same_email(doors):
    accepted = await doors.accepted()
    await change(doors, accepted, held=True, results={"bob@example.com": LOST})
    assert (await doors.get(accepted["links"]["self"])).json["held"]
    answer = await doors.post(f"/api/emails/{accepted['id']}/resend")
    assert (answer.status, answer.json["id"]) == (202, accepted["id"])
    assert not (await doors.get(accepted["links"]["self"])).json["held"]
    assert len(doors.doorbells.rung) == 2


async def test_held_email_that_is_marked_as_sent_is_history(doors):
    accepted = await doors.accepted()
    await change(doors, accepted, held=True, results={"bob@example.com": LOST})
    answer = await doors.post(f"/api/emails/{accepted['id']}/mark-sent")
    assert (answer.status, answer.json["status"], answer.json["held"]) == (200, "Sent", False)
    assert answer.json["attempts"][-1]["outcome"] == "marked as sent"


async def test_held_email_that_is_marked_as_sent_goes_on_to_those_who_had_no_turn(doors):
    accepted = await doors.accepted(cc=["sue@example.com"])
    await change(doors, accepted, held=True, results={"bob@example.com": LOST})
    answer = await doors.post(f"/api/emails/{accepted['id']}/mark-sent")
    told = [(one["address"], one["status"], one["reply"]) for one in answer.json["recipients"]]
    assert (answer.status, answer.json["status"], answer.json["held"]) == (200, "Unsent", False)
    assert told == [("bob@example.com", "Sent", "marked as sent"), ("sue@example.com", "Unsent", None)]
    assert len(doors.doorbells.rung) == 2
    assert (await doors.post(f"/api/emails/{accepted['id']}/mark-sent")).status == 409


async def test_email_is_canceled_once(doors):
    accepted = await doors.accepted()
    assert (await doors.post(accepted["links"]["cancel"])).json["status"] == "Canceled"
    assert (await doors.post(accepted["links"]["cancel"])).status == 409


async def test_what_a_limit_promised_to_an_email_that_is_canceled_is_for_others():
    with open_doors(smtp_per_minute_limit=1) as doors:
        accepted = await doors.accepted()
        tick = MINUTE.at(utc_now()) + 300
        await doors.windows.write("smtp", Window(reserved=((tick, 2),)), None)
        await change(doors, accepted, turn=Turn(permit_at=MINUTE.start(tick), permit_limit=1))
        await doors.post(accepted["links"]["cancel"])
        assert (await doors.windows.read("smtp"))[0].reserved == ((tick, 1),)


@pytest.mark.parametrize("action", ["cancel", "resend", "mark-sent"])
async def test_nothing_is_done_to_an_email_that_does_not_exist(doors, action):
    assert (await doors.post(f"/api/emails/8204686998179-04-7qqd05pa8r3h/{action}")).status == 404


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("cancel", "leave the body out; the email was not canceled"),
        ("resend", "Send another email: POST /api/emails"),
        ("mark-sent", "leave the body out; the email was not marked as sent"),
    ],
)
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b'{"to": ["eve@example.com"], "subject": "New"}', ["/to", "/subject"]),
        (b"[]", [""]),
        (b"to=eve@example.com", [""]),
    ],
)
async def test_body_that_would_change_nothing_is_refused(doors, action, words, body, pointers):
    accepted = await doors.accepted()
    answer = await doors.call("POST", f"/api/emails/{accepted['id']}/{action}", body)
    assert (answer.status, answer.pointers) == (422, pointers)
    assert answer.json["errors"][0]["detail"].endswith(words)
    assert (await doors.get(accepted["links"]["self"])).json["status"] == "Unsent"


@pytest.mark.parametrize("body", [b"{}", b" \n"])
async def test_empty_body_is_none(doors, body):
    accepted = await doors.accepted()
    assert (await doors.call("POST", accepted["links"]["cancel"], body)).json["status"] == "Canceled"


@pytest.mark.parametrize("action", ["resend", "mark-sent"])
async def test_held_email_that_somebody_else_changes_meanwhile_is_a_conflict(doors, action):
    accepted = await doors.accepted()
    await change(doors, accepted, held=True, results={"bob@example.com": LOST})
    old = await doors.emails.get(accepted["id"])
    await change(doors, accepted, deferrals=1)

    async def older(_):
        return old

    doors.emails.get = older
    assert (await doors.post(f"/api/emails/{accepted['id']}/{action}")).status == 409
