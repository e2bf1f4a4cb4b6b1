"""What the doctor makes of an app that runs elsewhere, whatever that answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from email_core.doctor.__main__ import main
from email_core.doctor.deployed import origin_of
from tests.support.azurite import free_port

ALL_WELL = {
    "sections": [
        {"title": "Secrets", "findings": [_ok := {"verdict": "ok", "what": "vault", "detail": "answers", "fix": ""}]}
    ]
}
ONE_FAILED = {"sections": [{"title": "Secrets", "findings": [_ok, _ok | {"verdict": "failed", "fix": "Enter it."}]}]}
KEY = "key-that-is-secret"


def problem(status):
    return {"title": "No", "status": status, "detail": "EmailStorage is not set. Set it."}


@contextmanager
def app(**answers) -> Iterator[tuple[str, list]]:
    """Its address, and what was asked of it. `answers`: status and body of each call."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("x-functions-key"), self.headers.get("authorization")))
            status, body = answers[self.path.removeprefix("/api/")]
            octets = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def doctor(capsys, url, **settings):
    code = main(["--url", url, "--json"], settings)
    text = capsys.readouterr().out
    assert KEY not in text
    return code, [
        (one["verdict"], one["what"], one["detail"])
        for part in json.loads(text)["sections"]
        for one in part["findings"]
    ]


OK = (200, {"status": "ok"})

# what it answers -> the exit code, and words of the last finding
ANSWERS = [
    ("all is well", OK, (200, ALL_WELL), 0, "answers"),
    ("something failed there", OK, (200, ONE_FAILED), 1, "answers"),
    ("not by this key", OK, (401, b""), 1, "answered 401"),
    ("an older app", OK, (404, problem(404)), 1, "answered 404"),
    (
        "a setting is missing",
        (503, problem(503)),
        (503, problem(503)),
        1,
        "answered 503: EmailStorage is not set. Set it.",
    ),
    ("another thing altogether", (200, b"<html>"), (200, b"<html>"), 1, "does not answer like this app"),
    (
        "findings of another kind",
        OK,
        (200, {"sections": [{"title": "x", "findings": [{"verdict": "odd"}]}]}),
        1,
        "does not answer like",
    ),
    ("a list", OK, (200, []), 1, "does not answer like"),
    ("it moved", (302, b""), (302, b""), 1, "answered 302"),
]


@pytest.mark.parametrize(
    ("health", "found", "code", "words"), [one[1:] for one in ANSWERS], ids=[one[0] for one in ANSWERS]
)
def test_answer_of_an_app_is_told(capsys, health, found, code, words):
    with app(health=health, doctor=found) as (url, _):
        exit_code, findings = doctor(capsys, url, EMAIL_KEY=KEY)
    assert exit_code == code
    assert words in findings[-1][2]


def test_key_goes_to_the_doctor_alone_and_a_redirect_is_not_followed(capsys):
    with app(health=(302, b""), doctor=(302, b"")) as (url, asked):
        doctor(capsys, f"{url}/api", EMAIL_KEY=KEY, EMAIL_TOKEN="token")
    assert asked == [("/api/health", None, None), ("/api/doctor", KEY, "Bearer token")]


def test_app_that_cannot_be_reached_is_told(capsys):
    code, [(verdict, _, detail)] = doctor(capsys, f"http://127.0.0.1:{free_port()}")
    assert (code, verdict, detail) == (1, "failed", "no answer: ConnectError")


def test_words_from_elsewhere_are_shown_on_one_line_and_without_addresses(capsys):
    told = {"sections": [{"title": "x", "findings": [_ok | {"detail": "ann@contoso.com\x1b[2J\nok"}]}]}
    with app(health=OK, doctor=(200, told)) as (url, _):
        _, findings = doctor(capsys, url)
    assert findings[-1][2] == "a***@contoso.com [2J ok"


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://app.azurewebsites.net", "https://app.azurewebsites.net"),
        ("https://app.azurewebsites.net/api", "https://app.azurewebsites.net"),
        ("http://localhost:7071", "http://localhost:7071"),
    ],
)
def test_address_of_an_app_is_taken_with_or_without_its_path(address, origin):
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://app.azurewebsites.net"],
        ["--url", "app.azurewebsites.net"],
        ["--url", "ftp://127.0.0.1"],
        ["--url", "https://ann:secret@app.azurewebsites.net"],
        ["--url", "https://app.azurewebsites.net", "--to", "ann@contoso.com"],
    ],
)
def test_call_that_would_give_the_key_away_or_makes_no_sense_is_refused(arguments):
    with pytest.raises(SystemExit) as refusal:
        main(arguments, {"EMAIL_KEY": KEY})
    assert refusal.value.code == 2
