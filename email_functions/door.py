"""What all doors have in common: a request comes in by the table of operations, and always gets an answer."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import azure.functions as func

from email_core import metrics
from email_core.assembly import Subsystem, subsystem_as_it_is
from email_core.caller import Caller
from email_core.callers_mail import CallersMail
from email_core.errors import NotPermitted
from email_core.sign_in.base import Key
from email_functions.operations import JSON, OPERATIONS, Access, Operation
from email_functions.problems import BodyTooLarge, UnsupportedMediaType, problem_of
from email_functions.validation import refuse_body, refuse_query
from email_functions.worker import shown_as

SECURITY_HEADERS = {  # where a door does not set them itself
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, who made it, and the subsystem as it stands at this moment."""

    req: func.HttpRequest
    caller: Caller
    core: Subsystem

    @property
    def mail(self) -> CallersMail:
        """The mail that this caller may see and change."""
        return CallersMail(self.core.outbox, self.core.composer, self.core.audit, self.caller)

    def __getitem__(self, name: str) -> str:
        """A part of the route."""
        return str(self.req.route_params[name])


_KEYS = {func.AuthLevel.ANONYMOUS: Key.NONE, func.AuthLevel.FUNCTION: Key.FUNCTION, func.AuthLevel.ADMIN: Key.ADMIN}
ANYBODY = Caller(id="anybody", name="anybody")

logger = logging.getLogger(__name__)
Door = Callable[[Call], Awaitable[func.HttpResponse]]
Function = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def door(blueprint: func.Blueprint) -> Callable[[Door], Function]:
    """Makes of a door the function that the worker calls: where and for whom, the table of operations says under the
    door's name."""

    def opened(answer: Door) -> Function:
        operation = OPERATIONS[answer.__name__]
        checked = operation.auth_level  # by the host, from now on: whatever the settings say later
        register = blueprint.route(operation.route, methods=operation.methods, auth_level=checked)
        registered: Function = register(guarded(entered(operation, answer, checked)))
        return registered

    return opened


def entered(operation: Operation, answer: Door, checked: func.AuthLevel) -> Function:
    """The door behind what its operation asks of every request. `checked` is the key that the host has asked for. While
    a parameter is wrong, only what mends it is open."""

    async def function(req: func.HttpRequest) -> func.HttpResponse:
        core = await subsystem_as_it_is()
        call = Call(req, await _caller(operation, req, core, checked), core)
        _check(operation, req)
        if not operation.mends:
            core.check()
        response = await answer(call)
        return _without_body(response) if req.method == "HEAD" else response

    return shown_as(answer, function)


def guarded(function: Function) -> Function:
    """What is raised becomes a problem, and every response has what all have."""

    async def safe(req: func.HttpRequest) -> func.HttpResponse:
        request_id = uuid.uuid4().hex
        try:
            response = await function(req)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the worker answers a bare 500, or never
            response = problem_of(error, request_id)
        metrics.REQUESTS.add(1, {"operation": function.__name__, "status": str(response.status_code)})
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            logger.info("request %s: %s answered %d", request_id, function.__name__, response.status_code)
        response.headers["X-Request-Id"] = request_id
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return shown_as(function, safe)


async def _caller(operation: Operation, req: func.HttpRequest, core: Subsystem, checked: func.AuthLevel) -> Caller:
    """The one place where it is decided who gets in. Raises NotSignedIn, NotPermitted or ConfigurationError."""
    if operation.access is Access.OPEN:
        return ANYBODY
    caller = await core.sign_in.caller(req.headers, key=_KEYS[checked])
    role = operation.access.role_of_person if caller.is_person else operation.access.role_of_app
    if role is not None and not caller.has(role):
        raise NotPermitted(f"This needs the role {role.value}, which you do not have", role=role.value)
    return caller


def _check(operation: Operation, req: func.HttpRequest) -> None:
    """Raises BodyTooLarge, UnsupportedMediaType or InvalidEmail."""
    is_open = operation.access is Access.OPEN  # where a probe or a browser may say ?x=1, to pass a cache
    if operation.query is None and not is_open:
        refuse_query(req.params)
    size = len(req.get_body())
    if size > operation.largest_body:
        raise BodyTooLarge(size, operation.largest_body)
    if operation.method == "POST" and operation.body is None:
        refuse_body(req.get_body(), operation.without_body)
    if operation.body is not None and media_type_of(req) not in operation.takes:
        raise UnsupportedMediaType(f"send {' or '.join(operation.takes)}, not {media_type_of(req)[:80]}")


def media_type_of(req: func.HttpRequest) -> str:
    """Of the body; JSON where nothing is said."""
    return req.headers.get("content-type", "").partition(";")[0].strip().lower() or JSON


def _without_body(response: func.HttpResponse) -> func.HttpResponse:
    return func.HttpResponse(
        status_code=response.status_code, headers=dict(response.headers), mimetype=response.mimetype
    )
