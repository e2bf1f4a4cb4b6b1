import pytest

from email_core.assembly import install
from tests.support.doors import Doors, open_doors


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
    assert f"EmailParameters__{missing} is not set, and no other provider is configured" in answer.json["detail"]


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


@pytest.mark.usefixtures("no_settings")
async def test_a_wrong_parameter_is_named_without_its_value(monkeypatch):
    monkeypatch.setenv("EmailParameters__smtp_port", "hunter2")
    answer = await Doors().get("/api/health")
    assert answer.status == 503
    assert "EmailParameters__smtp_port" in answer.json["detail"]
    assert "hunter2" not in answer.body.decode()
