import pytest

from tests.support import smtp_server


@pytest.fixture(params=[False, True], ids=["one at a time", "in one go"])
def pipelined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the server takes several commands in one go (RFC 2920): all must come to the same."""
    monkeypatch.setattr(smtp_server, "PIPELINING", ("PIPELINING",) * request.param)
    return request.param
