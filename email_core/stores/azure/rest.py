"""Plain requests to one storage service, for the hot path: what Microsoft's clients add to each one costs several times
the request itself (docs/decisions/0012). Connections, retries and tokens are azure-core's.

Signatures follow "Authorize with Shared Key"; paths and headers, the REST reference of each service.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import AsyncPipeline, PipelineRequest
from azure.core.pipeline.policies import AsyncRetryPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

VERSION = "2019-12-12"  # of the REST interface: all that these requests need, and the emulator has it
RETRIES: dict[str, Any] = {
    "retry_total": 2,
    "retry_read": 0,  # a service that says nothing has had its 15 seconds
    "retry_backoff_factor": 0.5,
    # Repeated whatever the verb: a write is conditional, and a doorbell may ring twice.
    "retry_on_methods": frozenset({"POST", "PATCH"}),
}

Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are found by their names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class StorageService:
    """One service (tables or queues) of one account. Raises azure.core's AzureError where it does not answer."""

    def __init__(self, address: str, authorization: Any, **transport: Any) -> None:
        """`authorization` is a policy of azure-core, `transport` are options of its AioHttpTransport."""
        self.endpoint = address.rstrip("/")
        self._pipeline: Pipeline = AsyncPipeline(AioHttpTransport(**transport), [AsyncRetryPolicy(), authorization])

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, query: str = "") -> Answer:
        url = f"{self.endpoint}/{path}?{query}" if query else f"{self.endpoint}/{path}"
        request = HttpRequest(method, url, headers={"x-ms-version": VERSION, **headers}, content=body)
        ran = await self._pipeline.run(request, **RETRIES)
        response = ran.http_response
        return Answer(response.status_code, response.headers, response.content)

    async def __aenter__(self) -> Self:
        await self._pipeline.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._pipeline.__aexit__(*error)


def refused(answer: Answer) -> HttpResponseError:
    """What an answer that nobody expected is raised as. Its body is not repeated: it may repeat the request."""
    error = HttpResponseError(f"the storage answered {answer.status}")
    error.status_code = answer.status
    return error


# ---- signatures


class SharedKeyPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Signs with the account's key, anew for each try."""

    def __init__(self, account: str, key: str, signature: Callable[[HttpRequest, str], tuple[str, str]]) -> None:
        self._account = account
        self._key = base64.b64decode(key)
        self._signature = signature

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        headers = request.http_request.headers
        headers["x-ms-date"] = formatdate(usegmt=True)
        scheme, text = self._signature(request.http_request, self._account)
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        headers["Authorization"] = f"{scheme} {self._account}:{base64.b64encode(digest).decode()}"


def table_signature(request: HttpRequest, account: str) -> tuple[str, str]:
    """The scheme, and the text that is signed: of a table's request only the time and the path are."""
    return "SharedKeyLite", f"{request.headers['x-ms-date']}\n/{account}{urlsplit(request.url).path}"


def queue_signature(request: HttpRequest, account: str) -> tuple[str, str]:
    """The same for a queue's: its length, type, own headers, path and query."""
    headers, url = request.headers, urlsplit(request.url)
    own = "".join(f"{name}:{headers[name]}\n" for name in ("x-ms-date", "x-ms-version"))
    query = "".join(f"\n{name}:{value}" for name, value in sorted(parse_qsl(url.query)))
    text = (
        f"{request.method}\n\n\n{headers['Content-Length']}\n\n{headers['Content-Type']}\n\n\n\n\n\n\n"
        f"{own}/{account}{url.path}{query}"
    )
    return "SharedKey", text
