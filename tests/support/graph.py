"""The Graph provider, and the stand-in that it talks to over real TLS."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import requests
import trustme

from email_core.content import InlineContent
from email_core.mailbox_slots import MailboxSlots, MailboxStore
from email_core.parameters import Parameters
from email_core.providers.base import Submission
from email_core.providers.entra import Identity, Tokens
from email_core.providers.graph import GraphProvider, GraphSettings
from email_core.providers.login_session import LoginSession
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.memory import MemoryMailboxStore
from tests.fakes.graph import CLIENT, SECRET, TENANT, GraphServer
from tests.fakes.https import Request, Response
from tests.support.emails import Clock
from tests.support.shared_tools import checker

MIME = (
    b"From: Ann <ann@contoso.com>\r\nTo: bob@example.com\r\nSubject: Statement\r\nMessage-ID: <1@contoso.com>\r\n"
    b"Content-Type: text/plain\r\n\r\nHello\r\n"
)
SUBMISSION = Submission(
    sender="ann@contoso.com",
    recipients=("bob@example.com", "eve@example.com"),
    bcc=("eve@example.com",),
    message_id="<1@contoso.com>",
    content=InlineContent(MIME),
)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


@asynccontextmanager
async def graph_server(**properties: Any) -> AsyncIterator[GraphServer]:
    """Every request and answer is checked by Graph's own metadata when the test is over, where the checker is here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    server = GraphServer(tls=context, **properties)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
    if problems := problems_of(server):
        raise AssertionError("\n".join(problems))


@asynccontextmanager
async def graph_provider(
    server: GraphServer,
    *,
    store: MailboxStore | None = None,
    clock: Clock | None = None,
    identity: Identity | None = None,
    secrets: dict[SecretName, str] | None = None,
    **parameters: Any,
) -> AsyncIterator[GraphProvider]:
    clock = clock or Clock()
    settings = graph_settings(server, **parameters)
    kept = MemorySecrets(clock)
    for name, value in (secrets or {SecretName.GRAPH_CLIENT_SECRET: SECRET}).items():
        await kept.put(name, value)
    with login_client() as http:
        tokens = Tokens(settings.app, kept, identity, clock=moved(clock), http_client=http)
        slots = MailboxSlots(
            store or MemoryMailboxStore(),
            provider="graph",
            limit=settings.concurrency,
            clock=clock,
            pause=pause_of(clock),
        )
        provider = GraphProvider(settings, tokens, slots, clock, tls_context=client_context(), pause=at_once)
        try:
            yield provider
        finally:
            await provider.aclose()


def graph_settings(server: GraphServer, **parameters: Any) -> GraphSettings:
    usual = {"graph_credential": "secret", "graph_tenant_id": TENANT, "graph_client_id": CLIENT}
    addresses = {"graph_address": server.address, "graph_login_address": server.address}
    return GraphSettings.from_parameters(Parameters(**usual | addresses | parameters))


def login_client() -> requests.Session:
    """msal's own kind of client, which trusts the stand-in whatever the environment says."""
    session = LoginSession(5.0)
    session.trust_env = False
    session.mount("https://", _Adapter())
    return session


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=client_context(), **kwargs)

    def cert_verify(self, *args: Any) -> None:
        """The context says whom to trust."""


def moved(clock: Clock):
    """Seconds, of the clock that a test moves."""
    return lambda: clock.now.timestamp()


def pause_of(clock: Clock):
    """A pause that moves the clock, and lets others go on."""

    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)
        await asyncio.sleep(0)

    return pause


async def at_once(seconds: float) -> None:
    """A pause that costs a test no time."""


# ---- what Graph's own metadata says of all that went over the wire


def problems_of(server: GraphServer) -> list[str]:
    tool = checker("check_graph_json")
    if tool is None:
        return []
    calls = [(request, None) for request in server.requests] + server.answers
    return [problem for request, answer in calls for problem in _problems(tool, request, answer)]


def _problems(tool: Any, request: Request, answer: Response | None) -> list[str]:
    if not request.target.startswith("/v1.0/"):
        return []
    path = request.target.removeprefix("/v1.0")
    if answer is not None:
        is_wanted = answer.status in (200, 201) and answer.body
        return tool.check_answer(request.method, path, json.loads(answer.body)) if is_wanted else []
    if not request.headers.get("content-type", "").startswith("application/json"):
        return tool.check_path(path)
    return tool.check_request(request.method, path, json.loads(request.body)) if request.body else []
