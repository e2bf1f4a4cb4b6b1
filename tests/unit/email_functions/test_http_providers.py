from datetime import UTC, date, datetime, timedelta

import pytest

from email_core.assembly import subsystem
from email_core.distributor import DistributorState
from email_core.errors import StorageUnavailable
from email_core.providers.base import Outcome, OutcomeKind, Provider
from email_core.providers.known import KNOWN
from tests.support.doors import open_doors
from tests.support.emails import email

URL = "/api/providers"
WRONG_PASSWORD = Outcome(kind=OutcomeKind.CONFIGURATION, reply="535 5.7.8 wrong", stage="auth", code=535)


async def smtp(doors):
    return next(item for item in (await doors.get(URL)).json["items"] if item["name"] == "smtp")


async def test_every_known_provider_is_told_though_none_is_configured():
    with open_doors(providers=False) as doors:
        items = (await doors.get(URL)).json["items"]
    assert [item["name"] for item in items] == [known.name for known in KNOWN]
    assert not any(item["configured"] or item["enabled"] or item["paused"] for item in items)


async def test_configured_provider_is_told_with_what_it_can_do(doors):
    doors.provider.warnings = ("smtp_port is 465",)
    item = await smtp(doors)
    assert (item["configured"], item["enabled"], item["batch"], item["interactive"]) == (True, True, True, True)
    assert (item["paused"], item["warnings"]) == (None, ["smtp_port is 465"])
    assert item["features"]["title"] == "SMTP"


async def test_limit_is_told_with_what_was_used_and_what_waits():
    with open_doors(smtp_per_minute_limit=2) as doors:
        for _ in range(5):
            await (await subsystem()).throttle.admit(email(datetime.now(UTC)))
        limit = (await smtp(doors))["limit"]
    assert limit.pop("next_at").endswith("Z")
    waits = limit.pop("reserved_ahead") + limit.pop("in_line")
    assert (limit, waits) == ({"per_minute": 2, "in_force": 2, "used_last_minute": 2}, 3)


async def test_limit_a_day_is_told_with_what_the_mailbox_has_used_and_not_with_its_address():
    with open_doors(recipients_per_day_limit=2, smtp_user_name="batch@contoso.com") as doors:
        for _ in range(3):
            await (await subsystem()).throttle.admit(email(datetime.now(UTC)))
        answer = await smtp(doors)
    limit = answer["day_limit"]
    assert limit.pop("next_at").endswith("Z")
    assert limit == {"recipients_per_day": 2, "used_last_day": 2, "reserved_ahead": 1}
    assert "batch@" not in str(answer)


async def test_provider_without_a_limit_has_none(doors):
    answer = await smtp(doors)
    limit = answer["limit"]
    assert (limit["per_minute"], limit["used_last_minute"], limit["next_at"]) == (0, 0, None)
    unknown = {"used_last_day": None, "reserved_ahead": None, "next_at": None}
    assert answer["day_limit"] == {"recipients_per_day": 0, **unknown}


async def test_limit_of_a_provider_that_limits_itself_is_warned_of():
    with open_doors(graph_per_minute_limit=10) as doors:
        items = {item["name"]: item["warnings"] for item in (await doors.get(URL)).json["items"]}
    assert all(("graph_per_minute_limit" in str(warnings)) == (name == "graph") for name, warnings in items.items())


async def test_refused_sign_in_is_told_with_its_diagnosis_until_a_test_email_gets_through(doors):
    delivered, doors.provider.outcome = doors.provider.outcome, WRONG_PASSWORD
    await doors.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    paused = (await smtp(doors))["paused"]
    assert (paused["refusals"], paused["reply"]) == (1, "535 5.7.8 wrong")
    assert paused["until"].endswith("Z")
    assert set(paused["diagnosis"]) == {"id", "title", "explanation", "fix"}
    doors.provider.outcome = delivered
    await doors.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    assert (await smtp(doors))["paused"] is None


async def test_refusal_of_another_configuration_is_no_pause(doors):
    doors.provider.outcome = WRONG_PASSWORD
    await doors.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    doors.provider.configuration = "two"
    assert (await smtp(doors))["paused"] is None


@pytest.mark.parametrize("known", KNOWN)
def test_proof_of_sending_is_promised_where_the_provider_can_be_asked_for_it(known):
    assert known.features.proof_of_sending == (known.was_sent is not Provider.was_sent)


async def test_waiting_email_tells_of_the_pause_of_its_provider_as_the_providers_own(doors):
    waiting = (await doors.accepted())["links"]["self"]
    later = (await doors.accepted(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()))["links"]["self"]
    assert (await doors.get(waiting)).json["waits_for"] is None
    doors.provider.outcome = WRONG_PASSWORD
    await doors.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    email, paused = (await doors.get(waiting)).json, (await smtp(doors))["paused"]
    assert (email["attempts"], email["diagnosis"]) == ([], None)
    assert email["waits_for"] == {"provider": "smtp", **paused}
    assert (await doors.get(later)).json["waits_for"] is None  # its time has not come
    assert "waits_for" not in (await doors.get("/api/emails?view=unsent")).json["items"][0]


# what an administrator chose -> why batch mail waits
@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        (DistributorState(enabled=False), "distributor-off"),
        (DistributorState(every_minutes=5, end_date=date(2020, 1, 1)), "distributor-over"),
        (DistributorState(every_minutes=5), "distributor-next-run"),
    ],
)
async def test_waiting_email_tells_of_the_distributor(doors, chosen, why):
    await doors.distributor.write(chosen, None)
    batch, urgent = (await doors.accepted())["links"]["self"], (await doors.accepted(mode="interactive"))["links"]
    waits_for = (await doors.get(batch)).json["waits_for"]
    assert (waits_for["diagnosis"]["id"], waits_for["until"] is None) == (why, why != "distributor-next-run")
    assert (await doors.get(urgent["self"])).json["waits_for"] is None


async def test_ended_email_waits_for_nobody(doors):
    ended = (await doors.accepted())["links"]
    await doors.post(ended["cancel"])
    doors.provider.outcome = WRONG_PASSWORD
    await doors.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    assert (await doors.get(ended["self"])).json["waits_for"] is None


async def test_email_is_told_where_the_pauses_cannot_be_read(doors, monkeypatch):
    async def fails(provider):
        raise StorageUnavailable("read a state")

    waiting = (await doors.accepted())["links"]["self"]
    monkeypatch.setattr(doors.states, "read", fails)
    answer = await doors.get(waiting)
    assert (answer.status, answer.json["waits_for"]) == (200, None)
