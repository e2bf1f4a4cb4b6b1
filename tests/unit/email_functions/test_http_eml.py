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


@pytest.mark.parametrize("provider", ["smtp", "graph"])
async def test_provider_is_refused_where_the_users_own_mail_app_sends(doors, provider):
    answer = await doors.post("/api/eml", small_email(provider=provider))
    assert (answer.status, answer.pointers) == (422, ["/provider"])
    assert "leave it out" in answer.json["detail"]


async def test_all_that_is_wrong_with_a_draft_is_told_at_once(doors):
    answer = await doors.post("/api/eml", small_email(provider="smtp", user="nobody"))
    assert (answer.status, answer.pointers) == (422, ["/provider", "/user"])


async def test_same_body_and_key_that_were_answered_use_mail_app_make_a_draft(doors):
    await doors.know("ann", email="ann@contoso.com", provider="eml")
    times = {"send_at": "2099-01-01T09:00:00Z", "expires_at": "2099-01-02T09:00:00Z"}
    email = {
        "to": ["bob@example.com"],
        "user": "ann",
        "mode": "interactive",
        "metadata": {"order": "secret-42"},
    } | times
    sent_there = await doors.post("/api/emails", email, idempotency_key="a")
    draft = await doors.post(sent_there.json["links"]["eml"], email, idempotency_key="a")
    assert (sent_there.json["type"], draft.status) == ("use-mail-app", 200)
    assert not any(told in draft.body for told in (b"secret-42", b"2099"))


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
