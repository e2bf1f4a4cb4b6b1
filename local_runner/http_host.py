"""HTTP triggers: from an ASGI request to azure.functions.HttpRequest, and back from HttpResponse."""

from collections.abc import Iterable
from io import BytesIO
from urllib.parse import parse_qsl

import azure.functions as func
from azure.functions.http import HttpRequest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local_runner.invocation import Invoker
from local_runner.routing import Match, RoutingTable

BODY_LIMIT = 100 * 1024 * 1024
WITHOUT_BODY = (204, 304)
HOP_BY_HOP = ("content-length", "transfer-encoding", "connection")
REASON = "This function was programmatically called via the host APIs."


class FunctionsEndpoint:
    """The ASGI application behind all paths but /admin."""

    def __init__(self, routes: RoutingTable, invoker: Invoker) -> None:
        self._routes = routes
        self._invoker = invoker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return  # it left before its request was complete: nobody to answer, nothing to run
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        match = self._routes.find(request.method, request.scope["raw_path"].decode("latin-1"))
        if match is None:
            return Response(status_code=404)
        if _content_length(request) > BODY_LIMIT:
            return Response(status_code=413, headers={"connection": "close"})
        outcome = await self._invoker.invoke(match.function, await function_request(request, match), REASON)
        return function_response(outcome.returned) if outcome.succeeded else Response(status_code=500)


async def function_request(request: Request, match: Match) -> HttpRequest:
    """What the function receives: lower-cased header names; repeated names joined by commas."""
    return HttpRequest(
        method=request.method,
        url=str(request.url),
        headers=joined(request.headers.items()),
        # The host sends no empty values, and parse_qsl leaves them out.
        params=joined(parse_qsl(request.url.query)),
        route_params=match.parameters,
        body_type="bytes",
        # Without Content-Length (a chunked body) the worker is given none.
        body=await _body(request) if _content_length(request) > 0 else b"",
    )


async def _body(request: Request) -> bytes:
    """Without a second copy, unlike Starlette's own, which joins a list of what has come."""
    whole = BytesIO()
    async for piece in request.stream():
        whole.write(piece)
    return whole.getvalue()


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _content_length(request: Request) -> int:
    return int(request.headers.get("content-length", 0))


def function_response(returned: func.HttpResponse | str | None) -> Response:
    """What the caller receives. As in the worker, text is a body with status 200, and None is 204."""
    if returned is None:
        return Response(status_code=204)
    if isinstance(returned, str):
        returned = func.HttpResponse(returned)
    if not isinstance(returned, func.HttpResponse):
        return Response(status_code=500)
    body = b"" if returned.status_code in WITHOUT_BODY else returned.get_body()
    response = Response(body, returned.status_code)
    headers = [(name, value) for name, value in returned.headers.items() if name.lower() not in HOP_BY_HOP]
    if "content-type" not in returned.headers:
        headers.append(("content-type", content_type(returned)))
    response.raw_headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return response


def content_type(response: func.HttpResponse) -> str:
    """The charset is named for text only (azure.functions.http.HttpResponseConverter)."""
    if response.mimetype.startswith("text/"):
        return f"{response.mimetype}; charset={response.charset}"
    return str(response.mimetype)
