import pytest

from email_core.assembly import install
from tests.support.doors import Doors, open_doors, open_live_doors


@pytest.fixture
def no_settings(monkeypatch):
    """A process that was started without any setting."""
    for name in ("EmailStorage", "EmailStorage__queueServiceUri"):
        monkeypatch.delenv(name, raising=False)
    install(None)
    yield
    install(None)


async def test_health_is_ok_where_the_core_stands(doors):
    answer = await doors.get("/api/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(("batch_provider", "missing"), [("smtp", "smtp_server"), ("graph", "graph_credential")])
async def test_where_no_provider_is_configured_what_is_missing_is_named(batch_provider, missing):
    with open_doors(providers=False, batch_provider=batch_provider) as doors:
        answer = await doors.get("/api/health")
    assert (answer.status, answer.media_type) == (503, "application/problem+json")
    assert f"{missing} is not set, and no other provider is configured" in answer.json["detail"]


async def test_one_provider_is_enough_for_health():
    with open_doors(batch_provider="graph") as doors:
        assert (await doors.get("/api/health")).status == 200


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/api/health"),
        ("POST", "/api/emails"),
        ("GET", "/api/emails"),
        ("GET", "/api/emails/x"),
        ("GET", "/api/emails/x/eml"),
        ("POST", "/api/emails/x/cancel"),
    ],
)
async def test_without_storage_every_door_says_which_setting_is_missing(method, url):
    body = b'{"from": "ann@contoso.com", "to": ["bob@example.com"]}'
    answer = await Doors().call(method, url, body if method == "POST" else b"")
    assert (answer.status, answer.media_type) == (503, "application/problem+json")
    assert "EmailStorage is not set" in answer.json["detail"]
    assert answer.headers["X-Request-Id"]


async def test_all_wrong_parameters_are_named_without_their_values():
    settings = {"EmailParameters__smtp_port": "hunter2", "EmailParameters__smtp_sever": "hunter2"}
    with open_live_doors(settings, delivery_mode="hunter2") as doors:
        answer = await doors.get("/api/health")
    assert answer.status == 503
    names = {problem["name"] for problem in answer.json["problems"]}
    assert names == {"smtp_port", "EmailParameters__smtp_sever", "delivery_mode"}
    assert "hunter2" not in answer.body.decode()


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        ({"smtp_server": "mail.contoso.com"}, "ok"),
        ({}, "incomplete"),
        ({"smtp_server": "mail.contoso.com", "delivery_mode": "none"}, "closed"),
    ],
)
async def test_details_of_health_tell_what_is_wrong_and_answer_all_the_same(stored, status):
    with open_live_doors({}, **stored) as doors:
        answer = await doors.get("/api/health/details")
    assert (answer.status, answer.json["status"]) == (200, status)
    assert bool(answer.json["problems"]) == (status != "ok")
