import pytest

from email_core.assembly import install
from tests.support.doors import Doors


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
