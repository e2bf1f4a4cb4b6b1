import email
from email.policy import default

import pytest

from tests.support.doors import open_doors, small_email


def parsed(answer):
    return email.message_from_bytes(answer.body, policy=default)


async def test_draft_is_made_and_nothing_is_kept():
    with open_doors() as doors:
        answer = await doors.post("/api/eml", small_email(subject="Kontoauszug für März", bcc=["eve@example.com"]))
        assert doors.nothing_happened
    assert (answer.status, answer.media_type) == (200, "message/rfc822")
    assert (parsed(answer)["X-Unsent"], parsed(answer)["Bcc"]) == ("1", "eve@example.com")
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"Kontoauszug f_r M_rz.eml\"; filename*=UTF-8''Kontoauszug%20f%C3%BCr%20M%C3%A4rz.eml"
    )


async def test_draft_needs_no_provider():
    with open_doors(providers=False) as doors:
        assert (await doors.post("/api/eml", small_email())).status == 200


async def test_draft_of_nobody_is_from_whoever_sends_it_and_not_from_the_default_sender():
    with open_doors(default_sender="office@contoso.com") as doors:
        answer = await doors.post("/api/eml", {"text": "Hello"})
    assert parsed(answer)["From"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("send_at", "2099-01-01T09:00:00Z"), ("expires_at", "2099-01-01T09:00:00Z")],
        *[("provider", "smtp"), ("provider", "graph")],
    ],
)
async def test_what_cannot_be_had_where_the_users_own_mail_app_sends_is_refused(doors, field, value):
    answer = await doors.post("/api/eml", small_email(**{field: value}))
    assert (answer.status, answer.pointers) == (422, [f"/{field}"])
    assert "leave it out" in answer.json["detail"]


async def test_draft_takes_no_key(doors):
    answer = await doors.post("/api/eml", small_email(), idempotency_key="a")
    assert (answer.status, answer.pointers) == (422, ["Idempotency-Key"])


async def test_same_body_as_of_an_email_with_metadata_makes_a_draft_that_does_not_tell_it(doors):
    answer = await doors.post("/api/eml", small_email(metadata={"order": "secret-42"}))
    assert (answer.status, b"secret-42" in answer.body) == (200, False)


async def test_what_is_no_email_is_told():
    with open_doors() as doors:
        assert (await doors.post("/api/eml", {"to": ["nobody"]})).status == 422
        assert (await doors.post("/api/eml?draft=true", {})).status == 422
        assert (await doors.call("POST", "/api/eml", b"From: a@b", "message/rfc822")).status == 415
    with open_doors(attachment_size_limit=0) as doors:
        assert (await doors.post("/api/eml", small_email())).status == 413


async def test_accepted_email_is_read_as_it_is_sent_or_as_a_draft():
    with open_doors() as doors:
        accepted = await doors.accepted(bcc=[{"address": "eve@example.com", "name": "Eve"}])
        sent = await doors.get(accepted["links"]["eml"])
        draft = await doors.get(f"{accepted['links']['eml']}?draft=true")
    assert (parsed(sent)["X-Unsent"], parsed(sent)["Bcc"]) == (None, None)
    assert (parsed(draft)["X-Unsent"], parsed(draft)["Bcc"]) == ("1", "Eve <eve@example.com>")
    assert "Statement.eml" in draft.headers["Content-Disposition"]


async def test_misspelt_question_for_a_draft_is_told():
    with open_doors() as doors:
        accepted = await doors.accepted()
        assert (await doors.get(f"{accepted['links']['eml']}?daft=true")).status == 422
