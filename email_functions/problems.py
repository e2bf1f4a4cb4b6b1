"""Answers over HTTP: JSON, and problem+json (RFC 9457) for everything that goes wrong."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import azure.functions as func

from email_core.errors import (
    ChooseProvider,
    ConfigurationError,
    ContentDeleted,
    EmailNotFound,
    EmailTooLarge,
    FieldProblem,
    IllegalTransition,
    ImportCutShort,
    InvalidEmail,
    KeyInFlight,
    KeyReused,
    LostRace,
    NotPermitted,
    NotSignedIn,
    ProviderGone,
    SecretUnreadable,
    SignInUnavailable,
    StorageUnavailable,
    TooManyEmails,
    UnknownApp,
    UnknownSecret,
    UseMailApp,
    UserGone,
    UserNotFound,
    VersionChanged,
    WrongParameters,
)
from email_core.logs import where

A_MOMENT, A_WHILE = 1, 5  # seconds

logger = logging.getLogger(__name__)


class UnsupportedMediaType(Exception):
    """The body's Content-Type is none that this door takes."""


class NoSuchThing(Exception):
    """The path names nothing."""


class MethodNotAllowed(Exception):
    """The path has calls, but none by this method."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"use one of {', '.join(allowed)}")
        self.allowed = allowed


class BodyTooLarge(Exception):
    """Larger than any that this call takes. Both in octets."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"it has {size} octets, and at most {limit} are taken")
        self.size, self.limit = size, limit


class NoPrecondition(Exception):
    """A change came without the version that it was made from."""


class NotJson(Exception):
    """The body is empty, or no JSON."""


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False), status_code=status, headers=headers, mimetype="application/json"
    )


def problem_response(
    status: int, title: str, detail: str, errors: Iterable[FieldProblem] = (), **members: Any
) -> func.HttpResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    if found := [{"pointer": one.pointer, "detail": one.detail} for one in errors]:
        body["errors"] = found
    # In ASCII, so that it can be encoded whatever a pointer repeats of the request.
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/problem+json")


def problem_of(error: BaseException, request_id: str) -> func.HttpResponse:
    """What the caller is told of an error; what only we can mend goes into the log."""
    match error:
        case NotSignedIn():
            return _not_signed_in(error, request_id)
        case NotPermitted():
            members = {"role": error.role} if error.role else {}
            problems = [error.problem] if error.problem else []
            return problem_response(403, "You may not do this", str(error), problems, **members)
        case InvalidEmail():
            return problem_response(422, "The request is not valid", _summary(error.problems), error.problems)
        case NotJson():
            return problem_response(400, "The body is not JSON", str(error), [FieldProblem("", str(error))])
        case NoSuchThing():
            return problem_response(404, "There is no such thing", str(error))
        case MethodNotAllowed():
            response = problem_response(405, "The method is not allowed", str(error))
            response.headers["Allow"] = ", ".join(error.allowed)
            return response
        case BodyTooLarge():
            return problem_response(413, "The body is too large", str(error), size=error.size, limit=error.limit)
        case UnsupportedMediaType():
            return problem_response(415, "The body has a type that is not taken", str(error))
        case EmailTooLarge():
            return problem_response(413, "The email is too large", str(error), size=error.size, limit=error.limit)
        case ContentDeleted():
            return problem_response(410, "The email's content was deleted", str(error))
        case EmailNotFound():
            return problem_response(404, "There is no such email", str(error))
        case UserNotFound():
            return problem_response(404, "There is no such user", str(error))
        case ChooseProvider():
            title = "Choose how to send it"
            return problem_response(409, title, str(error), type="choose-provider", choices=list(error.choices))
        case UseMailApp():
            title = "The user sends with their own mail app"
            return problem_response(409, title, str(error), type="use-mail-app", links={"eml": "/api/eml"})
        case ProviderGone():
            return problem_response(409, "The email's provider is not configured any more", str(error))
        case UserGone():
            return problem_response(409, "The email's user is unknown or disabled by now", str(error))
        case ImportCutShort():
            logger.error("request %s: %s: %s", request_id, error, where(error))
            title = "The import ended in the middle"
            return problem_response(503, title, str(error), done=error.done, total=error.total)
        case IllegalTransition():
            return problem_response(409, "The email's state does not allow this", str(error), email_status=error.status)
        case KeyReused():
            title = "The Idempotency-Key stands for another request"
            return problem_response(409, title, str(error), type="idempotency-key-reused")
        case KeyInFlight():
            title = "The first request with this Idempotency-Key is not answered yet"
            return _later(problem_response(409, title, str(error), type="idempotency-key-in-flight"), A_MOMENT)
        case TooManyEmails():
            problem = problem_response(
                429, "Too many emails", str(error), limit=error.limit, retry_after=error.retry_after
            )
            return _later(problem, error.retry_after)
        case LostRace():
            return problem_response(409, "Somebody else was first", f"{error}: read it again, then try again")
        case VersionChanged():
            return problem_response(412, "Somebody else was first", str(error))
        case NoPrecondition():
            return problem_response(428, "The version is missing", str(error))
        case WrongParameters():
            logger.error("request %s: %s", request_id, error)
            return problem_response(503, "Parameters are wrong", str(error), problems=list(map(asdict, error.problems)))
        case ConfigurationError():
            logger.error("request %s: %s", request_id, error)
            return problem_response(503, "The email subsystem is not configured", str(error))
        case SignInUnavailable():
            logger.error("request %s: %s", request_id, error)
            return _later(problem_response(503, "Nobody can be signed in at this moment", str(error)), A_WHILE)
        case UnknownApp():
            return problem_response(404, "There is no such app", str(error))
        case UnknownSecret():
            return problem_response(404, "There is no such secret", str(error), names=list(error.names))
        case SecretUnreadable():
            logger.error("request %s: %s", request_id, error)
            title = "The secret is not available"
            return problem_response(503, title, str(error), secret=error.name, reason=error.reason, fix=error.fix)
        case StorageUnavailable():
            logger.error("request %s: %s: %s", request_id, error, where(error))
            detail = f"{error}. Nothing is known to be stored: try again."
            return _later(problem_response(503, "The storage is not available", detail), A_WHILE)
    logger.error("request %s failed: %s", request_id, where(error))
    detail = f"The cause is in the log under the request id {request_id}."
    return problem_response(500, "Something went wrong here", detail)


def _not_signed_in(error: NotSignedIn, request_id: str) -> func.HttpResponse:
    """RFC 6750, 3: who offered nothing is told only what to offer."""
    if error.offered:
        logger.warning("request %s was not signed in: %s", request_id, error)  # our words alone, nothing of the token
    response = problem_response(401, "You are not signed in", str(error))
    response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if error.offered else "Bearer"
    return response


def _later(response: func.HttpResponse, seconds: int) -> func.HttpResponse:
    response.headers["Retry-After"] = str(seconds)
    return response


def _summary(problems: tuple[FieldProblem, ...]) -> str:
    first = f"{problems[0].pointer or 'the body'} {problems[0].detail}"
    return first if len(problems) == 1 else f"{first} (and {len(problems) - 1} more, see errors)"
