"""Signs requests with a storage account's key ("Authorize with Shared Key" of the REST reference)."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

Signed = Callable[[HttpRequest, str], tuple[str, str]]  # the scheme, and the text that is signed


class SharedKeyPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Behind the retry policy of a pipeline, so that each try has its own time and signature."""

    def __init__(self, account: str, key: str, signed: Signed) -> None:
        """`key` is base64. Raises ValueError for one that is not."""
        self._account = account
        self._key = base64.b64decode(key, validate=True)
        self._signed = signed

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        headers = request.http_request.headers
        headers["x-ms-date"] = formatdate(usegmt=True)
        scheme, text = self._signed(request.http_request, self._account)
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        headers["Authorization"] = f"{scheme} {self._account}:{base64.b64encode(digest).decode()}"


def signed_of_tables(request: HttpRequest, account: str) -> tuple[str, str]:
    """Of a table request, the time and the path."""
    return "SharedKeyLite", f"{request.headers['x-ms-date']}\n/{account}{urlsplit(request.url).path}"


def signed_of_queues(request: HttpRequest, account: str) -> tuple[str, str]:
    """Of a queue request, also its length, type, own headers and query."""
    headers, url = request.headers, urlsplit(request.url)
    own = "".join(f"{name}:{headers[name]}\n" for name in ("x-ms-date", "x-ms-version"))
    query = "".join(f"\n{name}:{value}" for name, value in sorted(parse_qsl(url.query)))
    length = headers.get("Content-Length", "").removeprefix("0")  # no length of a body that is not there
    standard = f"\n\n{length}\n\n{headers.get('Content-Type', '')}" + "\n" * 7
    return "SharedKey", f"{request.method}\n{standard}{own}/{account}{url.path}{query}"
