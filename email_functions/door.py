"""What all doors have in common: a request comes in by the table of operations, and always gets an answer."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import azure.functions as func

from email_core.assembly import Subsystem, subsystem
from email_core.caller import LOCAL, Caller
from email_functions.operations import OPERATIONS
from email_functions.problems import problem_of
from email_functions.worker import shown_as


@dataclass(frozen=True, slots=True)
class Call:
    """A request, who made it, and the subsystem as it stands at this moment."""

    req: func.HttpRequest
    caller: Caller
    core: Subsystem

    def __getitem__(self, name: str) -> str:
        """A part of the route."""
        return str(self.req.route_params[name])


Door = Callable[[Call], Awaitable[func.HttpResponse]]
Function = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def door(blueprint: func.Blueprint) -> Callable[[Door], Function]:
    """Makes of a door the function that the worker calls: where and for whom, the table of operations says under the
    door's name."""

    def opened(answer: Door) -> Function:
        operation = OPERATIONS[answer.__name__]
        register = blueprint.route(operation.route, methods=[operation.method], auth_level=operation.auth_level)
        registered: Function = register(answered(answer))
        return registered

    return opened


def answered(answer: Door) -> Function:
    """What the door raises becomes a problem, and every response has its X-Request-Id."""

    async def function(req: func.HttpRequest) -> func.HttpResponse:
        request_id = uuid.uuid4().hex
        try:
            response = await answer(Call(req, LOCAL, await subsystem()))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the worker answers a bare 500, or never
            response = problem_of(error, request_id)
        response.headers["X-Request-Id"] = request_id
        response.headers["Cache-Control"] = "no-store"
        return response

    return shown_as(answer, function)
