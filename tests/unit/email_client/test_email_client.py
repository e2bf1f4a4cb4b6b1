"""What an app meets: both clients on a subsystem that answers as a test says."""

import asyncio
import json
from datetime import UTC, datetime
from typing import get_args, get_origin

import httpx
import pytest

import email_client.shapes as shapes
from email_client import AsyncEmailClient, EmailClient, EmailError, Patience, attachment
from email_functions.openapi import openapi_document

EMAIL = {"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Statement", "text": "Hello"}
ACCEPTED = httpx.Response(202, json={"id": "1", "status": "Unsent", "links": {}})
URL = "https://mail.contoso.com"


def problem(status: int, detail: str = "is so", **headers: str) -> httpx.Response:
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return httpx.Response(
        status, json=body, headers={"Content-Type": "application/problem+json", "X-Request-Id": "r1", **headers}
    )


def record(status: str, ended: bool) -> httpx.Response:
    return httpx.Response(
        200, json={"id": "1", "status": status, "ended_at": "2026-03-02T12:00:00Z" if ended else None}
    )


class World:
    """`answers` are given one after the other, the last one for ever; an exception is raised."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.answers: list[httpx.Response | Exception] = [ACCEPTED]
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def call(self, method: str, *arguments, patience: Patience | None = None, **options):
        """The method's result; of a list all of its emails."""
        settings = {name: options.pop(name) for name in ("key", "token", "url") if name in options}
        url = settings.pop("url", URL)
        settings |= {
            "patience": patience or Patience(chance=lambda: 1.0),
            "transport": httpx.MockTransport(self._answer),
        }
        if self.kind == "sync":
            with EmailClient(url, sleep=self.slept.append, **settings) as client:
                result = getattr(client, method)(*arguments, **options)
                return list(result) if method == "list" else result
        return asyncio.run(self._call(AsyncEmailClient(url, sleep=self._sleep, **settings), method, arguments, options))

    async def _call(self, client, method, arguments, options):
        async with client:
            result = getattr(client, method)(*arguments, **options)
            return [one async for one in result] if method == "list" else await result

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)  # one is read once

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(params=["sync", "async"])
def world(request) -> World:
    return World(request.param)


CALLS = {  # a method, what it is given, and the operation of the document
    "send": ((EMAIL,), {}, "accept_email"),
    "dry_run": ((EMAIL,), {}, "accept_email"),
    "batch": (([EMAIL, EMAIL],), {}, "accept_email_batch"),
    "get": (("1",), {}, "read_email"),
    "list": ((), dict.fromkeys(shapes.Filters.__annotations__, "x"), "list_emails"),
    "wait": (("1",), {}, "read_email"),
    "cancel": (("1",), {}, "cancel_email"),
    "resend": (("1",), {}, "resend_email"),
    "eml": (("1",), {"draft": True}, "read_email_content"),
    "draft": ((EMAIL,), {}, "make_draft_file"),
}


# ---- against the document

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    call["operationId"]: (method.upper(), f"/api{path}", {one["name"] for one in call["parameters"]})
    for path, calls in DOCUMENT["paths"].items()
    for method, call in calls.items()
}


def test_every_method_is_looked_at():
    methods = {name for name in vars(EmailClient) if not name.startswith("_")} - {"close"}
    assert methods == set(CALLS) == {name for name in vars(AsyncEmailClient) if not name.startswith("_")} - {"close"}


@pytest.mark.parametrize("method", CALLS)
def test_method_makes_the_call_of_the_document(world, method):
    arguments, options, operation = CALLS[method]
    world.answers = [httpx.Response(200, json={"items": [], "next": None, "ended_at": "now"})]
    world.call(method, *arguments, **options)
    (request,) = world.requests
    verb, path, parameters = OPERATIONS[operation]
    assert (request.method, request.url.path) == (verb, path.replace("{id}", "1"))
    assert set(request.url.params) <= parameters
    assert ("Idempotency-Key" in request.headers) == (method == "send")


def fields(shape) -> set[str]:
    return set(shape.__annotations__)


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        ("Accepted", "AcceptedEmail"),
        ("Email", "Email"),
        ("Attempt", "EmailAttempt"),
        ("Recipient", "EmailRecipient"),
        ("Diagnosis", "EmailDiagnosis"),
        ("DryRun", "DryRun"),
        ("Links", "Links"),
        ("Problem", "Problem"),
        ("FieldProblem", "ProblemError"),
        ("Address", "NamedAddress"),
        ("Attachment", "AttachmentBody"),
    ],
)
def test_answer_has_every_field_that_the_client_names(shape, schema):
    assert fields(getattr(shapes, shape)) <= set(SCHEMAS[schema]["properties"])


def test_every_field_of_an_email_can_be_given():
    by_other_means = {"dry_run", "template"}  # a method of its own; for later
    assert fields(shapes.NewEmail) == set(SCHEMAS["EmailBody"]["properties"]) - by_other_means


def test_list_can_be_filtered_by_all_that_the_document_names():
    names = {{"since": "from", "until": "to"}.get(name, name) for name in fields(shapes.Filters)}
    assert names == OPERATIONS["list_emails"][2] - {"limit", "cursor"}


def test_statuses_are_those_of_the_document():
    assert get_origin(shapes.Status) is not None
    assert list(get_args(shapes.Status)) == SCHEMAS["Email"]["properties"]["status"]["enum"]


# ---- tries


def test_repeated_email_has_the_same_key_each_time_and_another_one_has_another(world):
    world.answers = [httpx.ReadError("lost"), problem(503), ACCEPTED]
    assert world.call("send", EMAIL)["id"] == "1"
    first, second, third = [one.headers["Idempotency-Key"] for one in world.requests]
    assert first == second == third
    world.call("send", EMAIL)
    assert world.requests[-1].headers["Idempotency-Key"] != first
    world.call("send", EMAIL, idempotency_key="order-42")
    assert world.requests[-1].headers["Idempotency-Key"] == "order-42"


def test_waits_as_long_as_it_is_told_or_ever_longer(world):
    world.answers = [problem(429, **{"Retry-After": "7"}), problem(503), httpx.ReadTimeout("slow"), ACCEPTED]
    world.call("send", EMAIL)
    assert world.slept == [7.0, 1.0, 2.0]


def test_first_request_that_still_runs_is_asked_for_again(world):
    world.answers = [httpx.ReadError("lost"), problem(409, **{"Retry-After": "1"}), ACCEPTED]
    assert world.call("send", EMAIL)["id"] == "1"


def test_key_of_another_email_is_an_error_at_once(world):
    world.answers = [problem(409)]
    with pytest.raises(EmailError):
        world.call("send", EMAIL)
    assert len(world.requests) == 1


def test_wait_that_is_too_long_is_the_caller_s(world):
    world.answers = [problem(429, **{"Retry-After": "61"})]
    with pytest.raises(EmailError) as refused:
        world.call("send", EMAIL)
    assert (refused.value.retry_after, world.slept) == (61.0, [])


def test_tries_come_to_an_end(world):
    world.answers = [problem(503)]
    with pytest.raises(EmailError) as refused:
        world.call("get", "1", patience=Patience(tries=3))
    assert (refused.value.status, len(world.requests)) == (503, 3)


@pytest.mark.parametrize("method", ["batch", "cancel", "resend"])
@pytest.mark.parametrize("outcome", [httpx.ReadError("lost"), problem(503), problem(502)], ids=repr)
def test_what_may_have_been_done_is_not_done_again(world, method, outcome):
    world.answers = [outcome]
    with pytest.raises(EmailError):
        world.call(method, *CALLS[method][0])
    assert len(world.requests) == 1


@pytest.mark.parametrize("outcome", [httpx.ConnectError("refused"), problem(429, **{"Retry-After": "1"})], ids=repr)
def test_what_was_surely_not_done_is_tried_again(world, outcome):
    world.answers = [outcome, httpx.Response(207, json={"items": []})]
    assert world.call("batch", [EMAIL]) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422, 500])
def test_what_would_be_refused_again_is_not_repeated(world, status):
    world.answers = [problem(status)]
    with pytest.raises(EmailError):
        world.call("send", EMAIL)
    assert len(world.requests) == 1


# ---- errors


def test_error_has_the_problem(world):
    body = {"type": "about:blank", "title": "The request is not valid", "status": 422, "detail": "/to is empty"}
    errors = [{"pointer": "/to", "detail": "is empty"}]
    headers = {"Content-Type": "application/problem+json", "X-Request-Id": "r1"}
    world.answers = [httpx.Response(422, json=body | {"errors": errors}, headers=headers)]
    with pytest.raises(EmailError, match="422 The request is not valid: /to is empty") as refused:
        world.call("send", EMAIL)
    error = refused.value
    assert (error.status, error.errors, error.request_id) == (422, errors, "r1")


def test_error_without_an_answer_has_its_cause(world):
    world.answers = [httpx.ConnectError("connection refused")]
    with pytest.raises(EmailError, match="cannot be reached: connection refused") as refused:
        world.call("get", "1")
    assert (refused.value.status, refused.value.problem, refused.value.errors) == (None, None, [])
    assert isinstance(refused.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401),
        httpx.Response(502, text="<html>"),
        httpx.Response(500, text="{", headers={"Content-Type": "application/problem+json"}),
    ],
    ids=repr,
)
def test_answer_of_a_gateway_is_an_error_too(world, answer):
    world.answers = [answer]
    with pytest.raises(EmailError) as refused:
        world.call("get", "1")
    assert (refused.value.status, refused.value.problem) == (answer.status_code, None)


# ---- the rest


def test_list_reads_page_after_page(world):
    world.answers = [
        httpx.Response(200, json={"items": [{"id": "1"}], "next": "a"}),
        httpx.Response(200, json={"items": [], "next": "b"}),
        httpx.Response(200, json={"items": [{"id": "2"}], "next": None}),
    ]
    since = datetime(2026, 3, 2, tzinfo=UTC)
    assert [one["id"] for one in world.call("list", status="Failed", since=since)] == ["1", "2"]
    assert [dict(one.url.params) for one in world.requests] == [
        {"status": "Failed", "from": "2026-03-02T00:00:00+00:00"} | cursor
        for cursor in ({}, {"cursor": "a"}, {"cursor": "b"})
    ]


@pytest.mark.parametrize("name", ["since", "until"])
def test_list_refuses_a_time_without_a_time_zone_by_the_name_it_was_given(world, name):
    with pytest.raises(ValueError, match=f"`{name}` has no time zone"):
        world.call("list", **{name: datetime(2026, 3, 2)})
    assert world.requests == []


def test_waits_until_the_email_has_ended(world):
    world.answers = [record("Unsent", False), record("Sending", False), record("Sent", True)]
    assert world.call("wait", "1")["status"] == "Sent"
    assert world.slept == [0.0, 0.1, pytest.approx(0.15)]


def test_waits_no_longer_than_it_is_told(world):
    world.answers = [record("Unsent", False)]
    with pytest.raises(TimeoutError, match="within 20 s"):
        world.call("wait", "1", 20)
    assert (sum(world.slept), max(world.slept)) == (pytest.approx(20), 5.0)


def test_signs_in_with_a_key(world):
    world.call("get", "1", key="k")
    assert world.requests[0].headers["x-functions-key"] == "k"
    assert "Authorization" not in world.requests[0].headers


def test_asks_for_a_token_before_each_try(world):
    tokens = iter(["old", "new"])
    world.answers = [problem(503), ACCEPTED]
    world.call("get", "1", token=lambda: next(tokens))
    assert [one.headers["Authorization"] for one in world.requests] == ["Bearer old", "Bearer new"]


def test_token_may_be_awaited():
    async def token() -> str:
        return "t"

    world = World("async")
    world.call("get", "1", token=token)
    assert world.requests[0].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/api", f"{URL}/api/"])
def test_address_may_end_as_it_likes(world, url):
    world.call("get", "1", url=url)
    assert str(world.requests[0].url) == f"{URL}/api/emails/1"


def test_id_cannot_lead_elsewhere(world):
    world.call("get", "../secrets/smtp-password?x")
    assert world.requests[0].url.raw_path == b"/api/emails/..%2Fsecrets%2Fsmtp-password%3Fx"


def test_dry_run_asks_for_one_and_leaves_the_email_as_it_was(world):
    world.call("dry_run", EMAIL)
    assert json.loads(world.requests[0].content) == {**EMAIL, "dry_run": True}
    assert "dry_run" not in EMAIL


def test_attachment_is_base64():
    assert attachment("a.txt", b"Hello") == {"name": "a.txt", "content": "SGVsbG8="}
    assert attachment("a.png", b"x", "image/png", content_id="a") == {
        "name": "a.png",
        "content": "eA==",
        "content_type": "image/png",
        "inline": True,
        "content_id": "a",
    }
