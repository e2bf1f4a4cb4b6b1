import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from email_core.assembly import utc_now
from email_core.errors import ConfigurationError, SecretFault, SecretUnreadable
from email_core.provider_pause import ProviderState, row_of
from email_core.secret_store.base import LONGEST_VALUE, SecretName
from tests.support.azurite import ROOT
from tests.support.doors import Doors, open_doors

URL = "/api/secrets/smtp-password"
REFERENCE = (ROOT / "docs/reference/api.md").read_text()


class FailingSecrets:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def put(self, name, value):
        raise self.error

    async def about(self, name):
        raise self.error


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as doors:
        yield doors


async def test_value_is_kept_and_never_told(doors):
    answer = await doors.put(URL, {"value": "hunter2"})
    assert (answer.status, answer.body) == (204, b"")
    assert await doors.secrets.get(SecretName.SMTP_PASSWORD) == "hunter2"
    state = await doors.get(URL)
    assert (state.status, set(state.json), state.json["set"]) == (200, {"set", "updated_at"}, True)
    assert state.json["updated_at"].endswith("Z")
    assert b"hunter2" not in state.body


@pytest.mark.parametrize(
    ("name", "lifted"), [("smtp-password", True), ("smtp-client-secret", True), ("graph-client-secret", False)]
)
async def test_new_secret_lifts_the_pause_of_its_provider(doors, name, lifted):
    row = row_of(doors.provider)
    await doors.states.write(row, ProviderState(refusals=3, paused_until=utc_now() + timedelta(minutes=4)), None)
    await doors.put(f"/api/secrets/{name}", {"value": "hunter2"})
    assert ((await doors.states.read(row))[0] == ProviderState()) is lifted


async def test_secret_that_was_never_set_is_not_set(doors):
    answer = await doors.get(URL)
    assert (answer.status, answer.json) == (200, {"set": False, "updated_at": None})


@pytest.mark.parametrize("value", ["abcd efgh ijkl mnop", "Grüße", "x" * LONGEST_VALUE])
async def test_value_is_taken_as_it_is(doors, value):
    assert (await doors.put(URL, {"value": value})).status == 204
    assert await doors.secrets.get(SecretName.SMTP_PASSWORD) == value


@pytest.mark.parametrize("name", [SecretName.GRAPH_CLIENT_CERTIFICATE, SecretName.SMTP_CLIENT_CERTIFICATE])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_certificate_is_taken_with_its_lines(doors, name, line_end):
    pem = line_end.join(["-----BEGIN CERTIFICATE-----", "TUlJ", "-----END CERTIFICATE-----"])
    assert (await doors.put(f"/api/secrets/{name}", {"value": pem + line_end})).status == 204
    assert await doors.secrets.get(name) == pem


@pytest.mark.parametrize(
    ("value", "detail"), [(" \n", "is empty"), ("x" * (LONGEST_VALUE + 1), "is too long"), ("TUlJ\x00", "give PEM")]
)
async def test_certificate_that_cannot_be_meant_is_refused(doors, value, detail):
    answer = await doors.put("/api/secrets/graph-client-certificate", {"value": value})
    assert (answer.status, detail in answer.json["errors"][0]["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"value": ""}, "/value", "is empty"),
        ({"value": "  "}, "/value", "is empty"),
        ({"value": "x" * (LONGEST_VALUE + 1)}, "/value", "is too long"),
        ({"value": "ü" * (LONGEST_VALUE // 2 + 1)}, "/value", "is too long"),
        ({"value": "hunter2\n"}, "/value", "ends with a line break"),
        ({"value": "hunter2\r\n"}, "/value", "ends with a line break"),
        ({"value": "hunter2 "}, "/value", "begins or ends with a blank"),
        ({"value": "\u00a0hunter2"}, "/value", "begins or ends with a blank"),
        ({"value": "hunter2\tx"}, "/value", "has a control character"),
        ({"value": "hunter2\nx"}, "/value", "has a control character"),
        ({"value": "hunter2\x00"}, "/value", "has a control character"),
        ({"value": 4711}, "/value", "is not text"),
        ({"value": None}, "/value", "is required"),
        ({}, "/value", "is required"),
        ({"value": "hunter2", "name": "x"}, "/name", "is not a field"),
        (["hunter2"], "", "is not a JSON object"),
    ],
)
async def test_value_that_cannot_be_meant_is_refused_and_not_repeated(doors, body, pointer, detail, caplog):
    answer = await doors.put(URL, body)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert detail in answer.json["errors"][0]["detail"]
    assert "hunter2" not in answer.body.decode() + caplog.text
    assert not (await doors.secrets.about(SecretName.SMTP_PASSWORD)).set


@pytest.mark.parametrize("body", [b"", b"hunter2", b'{"value": "hunter2', b'{"value": "hunter2\xff"}'])
async def test_body_that_is_no_json_is_refused_and_not_repeated(doors, body):
    answer = await doors.call("PUT", URL, body)
    assert answer.status == 400
    assert "hunter2" not in answer.body.decode()


async def test_value_in_the_query_string_is_refused(doors):
    answer = await doors.put(f"{URL}?value=hunter2", {"value": "hunter2"})
    assert (answer.status, answer.pointers) == (422, ["?value"])


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_unknown_name_is_not_found_and_the_known_ones_are_listed(doors, method):
    answer = await doors.call(method, "/api/secrets/hunter2", b'{"value": "hunter2"}')
    assert (answer.status, answer.json["names"]) == (404, list(SecretName))
    assert "hunter2" not in answer.body.decode()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_trouble_with_the_vault_is_told_with_its_reason_and_fix(method, caplog):
    error = SecretUnreadable(SecretName.SMTP_PASSWORD, SecretFault.FORBIDDEN, "Grant the role.")
    with open_doors(secrets=FailingSecrets(error)) as doors:
        answer = await doors.call(method, URL, b'{"value": "hunter2"}')
    assert (answer.status, answer.media_type) == (503, "application/problem+json")
    told = {"secret": "smtp-password", "reason": "forbidden", "fix": "Grant the role."}
    assert answer.json.items() >= told.items()
    [entry] = caplog.records
    assert (entry.levelno, "Grant the role." in entry.getMessage()) == (logging.ERROR, True)


async def test_missing_vault_is_told_with_its_setting():
    error = ConfigurationError("EmailSecrets__vaultUri", "is not set", "Set it.")
    with open_doors(secrets=FailingSecrets(error)) as doors:
        answer = await doors.put(URL, {"value": "hunter2"})
    assert (answer.status, "EmailSecrets__vaultUri" in answer.json["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [("GET", URL, b""), ("PUT", URL, b'{"value": "x"}'), ("PUT", URL, b""), ("GET", "/api/secrets/other", b"")],
)
async def test_no_answer_is_kept_on_the_way(doors, method, url, body):
    answer = await doors.call(method, url, body)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("name", SecretName)
def test_every_secret_is_in_the_reference(name):
    assert f"| `{name}` | {name.help} |" in REFERENCE
