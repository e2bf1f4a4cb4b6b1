"""What callers are told when something goes wrong, whatever it is."""

import asyncio
import json
import logging

import azure.functions as func
import pytest

from email_core.errors import (
    ConfigurationError,
    EmailNotFound,
    EmailTooLarge,
    FieldProblem,
    IllegalTransition,
    InvalidEmail,
    KeyInFlight,
    KeyReused,
    NotPermitted,
    NotSignedIn,
    SecretFault,
    SecretUnreadable,
    SignInUnavailable,
    StorageUnavailable,
    TooManyEmails,
    UnknownApp,
    UnknownSecret,
)
from email_functions.door import guarded
from email_functions.problems import NotJson, UnsupportedMediaType, json_response

REQUEST = func.HttpRequest("GET", "/api/x", body=b"")


async def answer_to(error: BaseException | None = None) -> func.HttpResponse:
    @guarded
    async def door(req):
        if error is not None:
            raise error
        return json_response({"name": "Zoë"}, 201, {"Location": "/api/x/1"})

    return await door(REQUEST)


def problem_of(response):
    assert response.mimetype == "application/problem+json"
    problem = json.loads(response.get_body())
    assert problem["status"] == response.status_code
    assert {"type", "title", "status", "detail"} <= set(problem)
    return problem


@pytest.mark.parametrize(
    ("error", "status", "members"),
    [
        (InvalidEmail(FieldProblem("/to", "is empty")), 422, {"errors": [{"pointer": "/to", "detail": "is empty"}]}),
        (NotJson("the body is empty"), 400, {"errors": [{"pointer": "", "detail": "the body is empty"}]}),
        (UnsupportedMediaType("send JSON"), 415, {}),
        (EmailTooLarge(200, 100), 413, {"size": 200, "limit": 100}),
        (EmailNotFound("x"), 404, {}),
        (IllegalTransition("Sent", "be canceled"), 409, {"email_status": "Sent"}),
        (ConfigurationError("EmailStorage", "is not set", "Set it."), 503, {}),
        (StorageUnavailable("read an email"), 503, {}),
        (NotSignedIn("The token has expired"), 401, {}),
        (NotPermitted("This needs the role Email.Read", role="Email.Read"), 403, {"role": "Email.Read"}),
        (
            NotPermitted("is not yours", pointer="/from"),
            403,
            {"errors": [{"pointer": "/from", "detail": "is not yours"}]},
        ),
        (SignInUnavailable(), 503, {}),
        (UnknownApp("x"), 404, {}),
        (UnknownSecret(("smtp-password",)), 404, {"names": ["smtp-password"]}),
        (
            SecretUnreadable("smtp-password", SecretFault.MISSING, "Enter it."),
            503,
            {"secret": "smtp-password", "reason": "missing", "fix": "Enter it."},
        ),
        (RuntimeError("boom"), 500, {}),
        (asyncio.CancelledError(), 500, {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_every_error_has_its_problem(error, status, members):
    problem = problem_of(await answer_to(error))
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "detail", *members}
    assert {name: problem[name] for name in members} == members


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (StorageUnavailable("read an email"), "5"),
        (SignInUnavailable(), "5"),
        (TooManyEmails(30, 41), "41"),
        (KeyInFlight(), "1"),
        (KeyReused(), None),
        (ConfigurationError("EmailStorage", "is not set", "Set it."), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_what_passes_by_itself_says_when_to_come_again(error, seconds):
    assert (await answer_to(error)).headers.get("Retry-After") == seconds


@pytest.mark.parametrize("error", [None, EmailNotFound("x"), RuntimeError("boom")])
async def test_every_response_tells_its_request_id(error):
    first, second = await answer_to(error), await answer_to(error)
    assert first.headers["X-Request-Id"]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


async def test_a_good_answer_keeps_its_status_headers_and_letters():
    response = await answer_to()
    assert (response.status_code, response.headers["Location"]) == (201, "/api/x/1")
    assert response.get_body() == '{"name": "Zoë"}'.encode()


async def test_an_unexpected_error_is_found_in_the_log_under_its_request_id(caplog):
    response = await answer_to(RuntimeError("the cause"))
    request_id = response.headers["X-Request-Id"]
    assert request_id in problem_of(response)["detail"]
    assert "the cause" not in response.get_body().decode()
    [entry] = caplog.records
    assert (entry.levelno, request_id in entry.getMessage()) == (logging.ERROR, True)
    assert "RuntimeError at test_problems.py" in entry.getMessage()
    assert "the cause" not in caplog.text


async def test_a_refusal_of_the_caller_is_no_error_of_ours(caplog):
    await answer_to(InvalidEmail(FieldProblem("/to", "is empty")))
    assert not caplog.records


async def test_the_detail_tells_the_first_of_many_and_how_many_more():
    error = InvalidEmail(FieldProblem("/to", "is empty"), FieldProblem("", "is odd"), FieldProblem("/x", "is new"))
    assert problem_of(await answer_to(error))["detail"] == "/to is empty (and 2 more, see errors)"


async def test_a_problem_can_be_written_whatever_the_request_held():
    error = InvalidEmail(FieldProblem("/\ud800\n", "is no field"))
    assert problem_of(await answer_to(error))["errors"][0]["pointer"] == "/\ud800\n"
