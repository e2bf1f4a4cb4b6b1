"""One request to Graph: with a token, with ids that Microsoft's support asks for, and without any repetition but the
one that a token which was too old needs."""

import asyncio
import importlib
import logging
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from email_core.providers.entra import NoToken, Tokens
from email_core.providers.graph.outcome import (
    Answer,
    Refused,
    lost,
    outcome_of_answer,
    outcome_of_network,
    outcome_of_no_token,
)
from email_core.providers.verdict import clean

if TYPE_CHECKING:
    from httpx import AsyncClient, Response

CALL_SECONDS = 70.0  # both together are shorter than a mailbox's slot may be in use without a word
REST_SECONDS = 10.0  # for an answer's body, when its status is there
MOST_ANSWER = 65_536  # octets of an answer: what Graph says is never longer
TIMEOUTS = {"connect": 10.0, "read": 60.0, "write": 30.0, "pool": 30.0}  # seconds
LIMITS = {"max_connections": 64, "max_keepalive_connections": 16}
KEPT_SECONDS = 60.0  # of an idle connection
PIECE = 65_536  # octets
CALLS_TRACED = 10  # the newest ones of an attempt
LONGEST_ID = 64  # characters of Graph's request-id that are kept


async def _keep_nothing_in_use() -> None:
    """For an attempt without a slot."""


class Trace:
    """The calls of one attempt: what each did, its client-request-id and Graph's request-id. `still_in_use` says before
    each of them that the attempt goes on: its mailbox's slot is then kept for it."""

    def __init__(self, still_in_use: Callable[[], Awaitable[None]] = _keep_nothing_in_use) -> None:
        self._calls: list[str] = []
        self.may_have_sent = False  # the last call sends, and has no answer
        self.still_in_use = still_in_use

    def calling(self, *, sends: bool) -> None:
        self.may_have_sent = sends

    def called(self, step: str, client_id: str, answer: Answer | None) -> None:
        self.may_have_sent = self.may_have_sent and answer is None
        request_id = answer.headers.get("request-id", "") if answer else ""
        self._calls.append(f"{step} {client_id}/{clean(request_id)[:LONGEST_ID]}")

    def __str__(self) -> str:
        return "; ".join(self._calls[-CALLS_TRACED:])


class GraphClient:
    """`http` is made when it is first needed, in the loop that needs it, and kept: its connections are used again."""

    def __init__(
        self, address: str, tokens: Tokens, clock: Callable[[], datetime], tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._address = address
        self._tokens = tokens
        self._clock = clock
        self._tls_context = tls_context
        self._http: AsyncClient | None = None
        self._background: set[asyncio.Task[None]] = set()
        # At INFO it writes each address: the mailbox's is in it, or what opens an upload session.
        logging.getLogger("httpx").setLevel(logging.WARNING)

    async def call(
        self,
        step: str,
        method: str,
        path: str,
        *,
        trace: Trace,
        wanted: Collection[int],
        content: bytes | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        sends: bool = False,
    ) -> Answer:
        """The answer, where its status is one that is `wanted`. Raises Refused. `sends`: a lost answer leaves the
        email in doubt."""
        token = await self._token(None)
        answer = await self._ask(step, method, path, trace, token, content, json, headers or {}, sends)
        if answer.status == 401:
            await trace.still_in_use()
            token = await self._token(token)
            answer = await self._ask(step, method, path, trace, token, content, json, headers or {}, sends)
        if answer.status not in wanted:
            raise Refused(outcome_of_answer(answer, self._clock(), sends=sends), answer)
        return answer

    async def sign_in(self) -> None:
        """Raises Refused."""
        await self._token(None)

    async def put_range(self, trace: Trace, url: str, octets: bytes, first: int, total: int) -> Answer:
        """A part of a file to the address of an upload session, which is a secret of its own and takes no token. Raises
        Refused where there is no answer."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(octets)),
            "Content-Range": f"bytes {first}-{first + len(octets) - 1}/{total}",
        }
        return await self._of_session(trace, "PUT", url, content=_in_pieces(octets), headers=headers)

    async def get_session(self, trace: Trace, url: str) -> Answer:
        """What an upload session has so far. Raises Refused where there is no answer."""
        return await self._of_session(trace, "GET", url)

    def refused_by_session(self, answer: Answer) -> Refused:
        return _of_one_request(Refused(outcome_of_answer(answer, self._clock()), answer))

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """For what nobody has the time to wait for."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def aclose(self) -> None:
        await asyncio.gather(*self._background, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _token(self, refused: str | None) -> str:
        try:
            return await self._tokens.token(instead_of=refused)
        except NoToken as failure:
            raise Refused(outcome_of_no_token(failure)) from failure

    async def _ask(
        self,
        step: str,
        method: str,
        path: str,
        trace: Trace,
        token: str,
        content: bytes | None,
        json: Any,
        headers: Mapping[str, str],
        sends: bool,
    ) -> Answer:
        client_id, answer = str(uuid.uuid4()), None
        own = {"Authorization": f"Bearer {token}", "client-request-id": client_id, "return-client-request-id": "true"}
        await trace.still_in_use()
        trace.calling(sends=sends)
        try:
            answer = await self._request(
                method,
                f"{self._address}/v1.0{path}",
                sends=sends,
                content=content,
                json=json,
                headers=own | dict(headers),
            )
        finally:
            trace.called(step, client_id, answer)
        return answer

    async def _of_session(self, trace: Trace, method: str, url: str, **parts: Any) -> Answer:
        await trace.still_in_use()
        try:
            return await self._request(method, url, sends=False, **parts)
        except Refused as refused:
            raise _of_one_request(refused) from refused

    async def _request(self, method: str, url: str, *, sends: bool, **parts: Any) -> Answer:
        import httpx  # 0.06 s: only who uses Graph waits for it

        http = self._client()
        request = http.build_request(method, url, **parts)
        try:
            with _untraced():
                async with asyncio.timeout(CALL_SECONDS):
                    response = await http.send(request, stream=True)
        except httpx.PoolTimeout as error:  # all connections of this process are in use: no fault of the server
            raise Refused(outcome_of_network(error, stage="connect")) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise Refused(outcome_of_network(error, url, stage="connect")) from error
        except (httpx.WriteError, httpx.WriteTimeout) as error:  # nobody acts on a part of a request
            raise Refused(outcome_of_network(error, url)) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise Refused(lost(error) if sends else outcome_of_network(error, url)) from error
        return Answer(response.status_code, response.headers, await _begin_of(response))

    def _client(self) -> "AsyncClient":
        import httpx

        if self._http is None:
            verify = self._tls_context or ssl.create_default_context()  # 28 ms: once a provider, never once an email
            limits = httpx.Limits(**LIMITS, keepalive_expiry=KEPT_SECONDS)
            self._http = httpx.AsyncClient(
                verify=verify,
                timeout=httpx.Timeout(**TIMEOUTS),
                limits=limits,
                headers={"Accept-Encoding": "identity"},  # a small answer must not become a large one
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # all mailboxes share it
            )
        return self._http


async def _begin_of(response: "Response") -> bytes:
    """As much of the body as is looked at. The status is there: what breaks off after it takes nothing from it."""
    import httpx

    octets = bytearray()
    try:
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                async for piece in response.aiter_raw():
                    octets += piece[: MOST_ANSWER - len(octets)]
                    if len(octets) == MOST_ANSWER:
                        break
    finally:
        await response.aclose()
    return bytes(octets)


def _untraced() -> AbstractContextManager[Any]:
    """Without a span of OpenTelemetry, which would have the whole address in it."""
    try:
        utils = importlib.import_module("opentelemetry.instrumentation.utils")
    except ImportError:
        return nullcontext()
    return cast(AbstractContextManager[Any], utils.suppress_http_instrumentation())


def _of_one_request(refused: Refused) -> Refused:
    """Where files are uploaded to is another server: that it refuses, or cannot be reached, says nothing of Graph, and
    is no reason to pause the provider."""
    return Refused(replace(refused.outcome, stage="request"), refused.answer)


async def _in_pieces(octets: bytes) -> AsyncIterator[bytes]:
    """So that not all of a range is encrypted, and copied, at once."""
    for start in range(0, len(octets), PIECE):
        yield octets[start : start + PIECE]


def mailbox_path(mailbox: str) -> str:
    return f"/users/{quote(mailbox, safe='@')}"


def message_path(mailbox: str, message_id: str) -> str:
    return f"{mailbox_path(mailbox)}/messages/{quote(message_id, safe='')}"
