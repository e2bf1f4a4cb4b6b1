"""What an administrator reads and changes, and that a wrong value closes everything but its own mending."""

import re

import pytest

from email_core.delivery_state import Status
from email_core.parameters import ROWS
from tests.support.doors import open_live_doors, small_email

URL = "/api/parameters"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SETTINGS = {"EmailParameters__smtp_server": "mail.contoso.com", "EmailParameters__smtp_port": "25"}


@pytest.fixture
def live():
    with open_live_doors(SETTINGS) as doors:
        yield doors


async def rows(doors):
    return {row["name"]: row for row in (await doors.get(URL)).json["items"]}


async def changed(doors, **values):
    """Whatever the version is now."""
    return await doors.patch(URL, values, if_match="*")


async def test_every_parameter_is_told_with_all_that_a_form_needs(live):
    answer = await live.get(URL)
    assert answer.status == 200
    assert answer.headers["ETag"]
    assert [row["name"] for row in answer.json["items"]] == list(ROWS)
    assert (await rows(live))["attachment_size_limit"] == {
        "name": "attachment_size_limit",
        "group": "limits",
        "value": 10,
        "source": "default",
        "default": 10,
        "description": "The largest email, with its attachments, as it goes over the wire.",
        "unit": "MB",
        "choices": None,
        "limits": [0, 150],
    }


async def test_stored_value_goes_before_the_app_setting_and_that_before_the_default(live):
    await changed(live, smtp_port=2525)
    told = await rows(live)
    values = {name: (told[name]["value"], told[name]["source"]) for name in ("smtp_port", "smtp_server", "smtp_preset")}
    assert values == {
        "smtp_port": (2525, "stored"),
        "smtp_server": ("mail.contoso.com", "app setting"),
        "smtp_preset": ("generic", "default"),
    }


async def test_null_takes_a_stored_value_back(live):
    await changed(live, smtp_port=2525, attachment_size_limit=20)
    answer = await changed(live, smtp_port=None, attachment_size_limit=None)
    told = {row["name"]: (row["value"], row["source"]) for row in answer.json["items"]}
    assert told["smtp_port"] == (25, "app setting")
    assert told["attachment_size_limit"] == (10, "default")


async def test_change_holds_for_the_next_email(live):
    text = "x" * 2_000_000
    await changed(live, attachment_size_limit=1)
    assert (await live.post("/api/emails", small_email(text=text))).status == 413
    await changed(live, attachment_size_limit=3)
    assert (await live.post("/api/emails", small_email(text=text))).status == 202


# ---- versions


async def test_change_of_the_version_that_was_read_is_made(live):
    version = (await live.get(URL)).headers["ETag"]
    answer = await live.patch(URL, {"smtp_port": 2525}, if_match=version)
    assert answer.status == 200
    assert answer.headers["ETag"] == (await live.get(URL)).headers["ETag"] != version


async def test_version_passes_through_a_shell_with_or_without_its_quotes(live):
    for quotes in ('"', ""):
        version = (await changed(live, smtp_port=2525)).headers["ETag"]
        assert re.fullmatch('"[0-9a-f]{16}"', version)
        answer = await live.patch(URL, {"smtp_port": 587}, if_match=version.replace('"', quotes))
        assert answer.status == 200


async def test_change_of_an_older_version_is_refused(live):
    version = (await live.get(URL)).headers["ETag"]
    await changed(live, smtp_port=2525)
    answer = await live.patch(URL, {"smtp_port": 587}, if_match=version)
    assert answer.status == 412
    assert (await rows(live))["smtp_port"]["value"] == 2525


async def test_change_without_a_version_is_refused(live):
    answer = await live.patch(URL, {"smtp_port": 2525})
    assert answer.status == 428
    assert "If-Match" in answer.json["detail"]
    assert live.audit.events == {}


# ---- what is refused


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"smtp_port": 70000}, ["/smtp_port"]),
        ({"smtp_port": "25"}, ["/smtp_port"]),
        ({"smtp_port": True}, ["/smtp_port"]),
        ({"delivery_mode": "Live"}, ["/delivery_mode"]),
        ({"keep_content": "false"}, ["/keep_content"]),
        ({"smtp_user_name": "a\nb"}, ["/smtp_user_name"]),
        ({"smtp_server": "x" * 3000}, ["/smtp_server"]),
        ({"smtp_sever": "x"}, ["/smtp_sever"]),
        ({"smtp_port": -1, "smtp_security": "ssl"}, ["/smtp_port", "/smtp_security"]),
        ({"batch_provider": "graph"}, ["/batch_provider"]),
        ({"smtp_server": ""}, ["/batch_provider"]),
        ({"interactive_providers": "smtp,pigeon"}, ["/interactive_providers"]),
        ({"interactive_providers": "graph"}, ["/interactive_providers"]),
        ({"default_sender": "nobody"}, ["/default_sender"]),
        ({"delivery_mode": "redirect"}, ["/redirect_address"]),
        ({"redirect_address": "a@b@c"}, ["/redirect_address"]),
        ({"smtp_authentication": "password"}, ["/smtp_user_name"]),
        (
            {"graph_credential": "secret", "smtp_server": "a b"},
            ["/smtp_server", "/graph_tenant_id", "/graph_client_id"],
        ),
        ({"smtp_authentication": "oauth"}, ["/smtp_tenant_id", "/smtp_client_id", "/smtp_user_name"]),
        ({"smtp_certificate_authority": "—BEGIN CERTIFICATE—"}, ["/smtp_certificate_authority"]),
        ({"exchange_certificate_authority": "-----BEGIN PRIVATE KEY-----"}, ["/exchange_certificate_authority"]),
        ({"smtp_user_name": "a@b> X", "smtp_envelope_sender": "account"}, ["/smtp_envelope_sender"]),
        *(
            ({"graph_credential": "identity", "graph_address": address}, ["/graph_address"])
            for address in ("https://[", "https://a b", "https://", "https://x:99999", "http://x", "https://u@x")
        ),
    ],
)
async def test_what_is_wrong_is_refused_with_its_place_and_nothing_is_stored(live, values, pointers):
    answer = await changed(live, **values)
    assert (answer.status, answer.pointers) == (422, pointers)
    assert await live.parameters.read() == ({}, None)
    assert live.audit.events == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("attachment_size_limt", "Did you mean attachment_size_limit?"),
        ("smtp_password", "smtp-password is a secret: enter it by PUT /api/secrets/smtp-password."),
        ("weather", "GET /api/parameters lists them."),
    ],
)
async def test_mistyped_name_is_answered_with_the_one_that_was_meant(live, name, hint):
    answer = await changed(live, **{name: "x"})
    assert answer.json["detail"] == f"/{name} is no parameter. {hint}"


async def test_several_lines_are_taken_where_a_certificate_goes(live):
    answer = await changed(live, exchange_certificate_authority=PEM)
    assert answer.status == 200
    assert (await rows(live))["exchange_certificate_authority"]["value"] == PEM


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"smtp_security": "tls"}, "smtp_port is 25, where servers begin in clear text"),
        ({"graph_per_minute_limit": 5}, "graph_per_minute_limit should be 0"),
        ({"delivery_mode": "redirect", "redirect_address": "test@contoso.com"}, "delivery_mode is redirect"),
        ({"delivery_mode": "hold"}, "delivery_mode is hold"),
        ({"content_retention_days": 31}, "content_retention_days is longer"),
    ],
)
async def test_what_may_be_a_mistake_is_taken_with_a_warning(live, values, warning):
    answer = await changed(live, **values)
    assert answer.status == 200
    assert any(words.startswith(warning) for words in answer.json["warnings"])


# ---- what is wrong already


@pytest.mark.parametrize(
    ("method", "url"), [("POST", "/api/emails"), ("GET", "/api/emails"), ("GET", "/api/health"), ("POST", "/api/eml")]
)
async def test_wrong_delivery_mode_closes_the_doors(method, url):
    with open_live_doors(delivery_mode="tset") as doors:
        answer = await (doors.post(url, small_email()) if method == "POST" else doors.get(url))
    assert (answer.status, [one["name"] for one in answer.json["problems"]]) == (503, ["delivery_mode"])
    assert doors.nothing_happened


@pytest.mark.parametrize("url", [URL, "/api/secrets/smtp-password", "/api/audit", "/api/health/details"])
async def test_what_mends_a_wrong_value_is_open(url):
    with open_live_doors(delivery_mode="tset") as doors:
        assert (await doors.get(url)).status == 200


async def test_wrong_values_are_mended_one_after_another():
    with open_live_doors(
        SETTINGS | {"EmailParameters__delivery_mode": "tset"}, smtp_port=0, batch_provider="x"
    ) as doors:
        assert (await rows(doors))["batch_provider"]["value"] == "x"
        assert (await changed(doors, delivery_mode="live")).status == 200
        assert (await doors.post("/api/emails", small_email())).status == 503
        assert (await changed(doors, batch_provider=None)).status == 200
        assert (await doors.post("/api/emails", small_email())).status == 202


async def test_set_that_does_not_go_together_is_mended_step_by_step():
    with open_live_doors(SETTINGS, smtp_authentication="oauth") as doors:
        for name in ("smtp_tenant_id", "smtp_client_id", "smtp_user_name"):
            assert (await doors.get("/api/health")).status == 503
            assert (await changed(doors, **{name: "x"})).status == 200
        assert (await doors.get("/api/health")).status == 200


@pytest.mark.parametrize("text", ["—BEGIN CERTIFICATE—", "x" * 40_000, "caf\udce9"])
async def test_app_setting_that_may_be_anything_is_told_mended_and_audited(text):
    with open_live_doors(SETTINGS | {"EmailParameters__smtp_certificate_authority": text}) as doors:
        assert len((await rows(doors))["smtp_certificate_authority"]["value"]) <= 16_000
        assert (await changed(doors, smtp_certificate_authority="")).status == 200
        assert (await doors.get("/api/audit")).status == 200
        assert (await doors.get("/api/health")).status == 200


async def test_value_cannot_be_taken_back_to_a_wrong_app_setting():
    with open_live_doors(SETTINGS | {"EmailParameters__smtp_port": "many"}, smtp_port=25) as doors:
        answer = await changed(doors, smtp_port=None)
    assert (answer.status, answer.pointers) == (422, ["/smtp_port"])
    assert answer.json["detail"].startswith("/smtp_port cannot be taken back: the app setting is not a number")


async def test_stored_name_of_another_version_is_ignored_and_kept():
    with open_live_doors(SETTINGS, later="x") as doors:
        answer = await changed(doors, smtp_port=2525)
        assert await doors.get("/api/health")
        assert (await doors.get(f"{URL}/export")).json == {"smtp_port": 2525}
    assert answer.json["warnings"] == ["later is stored, and no parameter of this version: it is ignored"]
    assert (await doors.parameters.read())[0] == {"later": "x", "smtp_port": 2525}


# ---- audit and export


async def test_each_changed_parameter_is_audited_with_what_it_was_and_is(live):
    await changed(live, smtp_port=2525, keep_content=False, smtp_server="mail.contoso.com")
    told = {one["subject"]: (one["before"], one["after"]) for one in (await live.get("/api/audit")).json["items"]}
    assert told == {
        "smtp_port": ("25 (app setting)", "2525 (stored)"),
        "keep_content": ("true (default)", "false (stored)"),
        "smtp_server": ("mail.contoso.com (app setting)", "mail.contoso.com (stored)"),
    }
    assert {(event.by, event.change.action) for event in live.audit.events.values()} == {("local", "parameter changed")}


async def test_change_whose_answer_was_lost_stays_in_the_audit(live):
    write = live.parameters.write

    async def written_twice(*about):
        await write(*about)
        return await write(*about)

    live.parameters.write = written_twice
    assert (await changed(live, smtp_port=2525)).status == 200
    assert [one["subject"] for one in (await live.get("/api/audit")).json["items"]] == ["smtp_port"]


async def test_change_that_changes_nothing_is_not_audited(live):
    await changed(live, smtp_port=2525)
    before = dict(live.audit.events)
    answer = await changed(live, smtp_port=2525, smtp_user_name=None)
    assert answer.status == 200
    assert live.audit.events == before


async def test_export_is_what_changes_another_environment_to_the_same(live):
    await changed(live, smtp_port=2525, keep_content=False)
    exported = (await live.get(f"{URL}/export")).json
    assert exported == {"smtp_port": 2525, "keep_content": False}
    with open_live_doors() as other:
        await changed(other, **exported)
        assert (await other.parameters.read())[0] == exported


# ---- delivery modes


async def test_held_mail_waits_without_a_doorbell_and_says_why(live):
    await changed(live, delivery_mode="hold")
    accepted = await live.accepted()
    assert live.doorbells.rung == []
    read = (await live.get(accepted["links"]["self"])).json
    assert (read["status"], read["waits_for"]["diagnosis"]["id"]) == (Status.UNSENT, "delivery-on-hold")


@pytest.mark.parametrize(
    ("mode", "outcome", "to"), [("hold", "held", []), ("redirect", "delivered", ["t@contoso.com"])]
)
async def test_test_email_goes_where_all_mail_goes(live, mode, outcome, to):
    await changed(live, delivery_mode=mode, redirect_address="t@contoso.com")
    answer = await live.post("/api/test-email", {"provider": "smtp", "to": "bob@example.com"})
    assert answer.json["outcome"] == outcome
    assert [address for one in live.provider.submissions for address in one.recipients] == to


async def test_interactive_providers_are_those_that_users_may_choose(live):
    await changed(live, graph_credential="identity", interactive_providers="graph")
    told = {one["name"]: one["interactive"] for one in (await live.get("/api/providers")).json["items"]}
    assert told == {"smtp": False, "graph": True, "exchange": False}


# ---- content that is not kept


@pytest.mark.parametrize(("method", "call"), [("GET", "eml"), ("GET", "eml?draft=true"), ("POST", "resend")])
async def test_content_that_was_deleted_is_said_to_be_so(live, method, call):
    await changed(live, keep_content=False)
    accepted = await live.accepted()
    await live.post(f"/api/emails/{accepted['id']}/cancel")
    read = (await live.get(accepted["links"]["self"])).json
    answer = await live.call(method, f"/api/emails/{accepted['id']}/{call}")
    assert (read["status"], read["content_deleted"], answer.status) == ("Canceled", True, 410)
    assert "was deleted" in answer.json["detail"]
