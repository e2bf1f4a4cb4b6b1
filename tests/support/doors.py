"""The HTTP doors without a host: a request goes to the function that the host would choose, on memory stores."""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from email_core.assembly import connect, install, live, utc_now
from email_core.parameters import Parameters
from email_core.provider_set import ProviderSet
from email_core.providers.base import Envelope, Outcome, OutcomeKind, Provider, Submission
from email_core.providers.smtp import SmtpProvider
from email_core.record import EmailRecord
from email_core.secret_store.base import SecretStore
from email_core.secret_store.memory import MemorySecrets
from email_core.sign_in.base import OpenSignIn, SignIn
from email_core.stores.base import Stores
from email_core.stores.memory import (
    MemoryAppSendersStore,
    MemoryAuditStore,
    MemoryDistributorStore,
    MemoryDoorbells,
    MemoryEmailStore,
    MemoryIdempotencyStore,
    MemoryParameterStore,
    MemoryProviderStates,
    MemoryTimerRuns,
    MemoryUserStore,
    MemoryWindowStore,
    memory_stores,
)
from email_core.users import KnownUser, User, UserOptions
from tests.support.azurite import ROOT

PREFIX = "/api/"


@cache
def functions() -> tuple[func.decorators.function_app.Function, ...]:
    """All of function_app.py, in the order in which the host tries their routes.

    The file is loaded anew: an app hands out its functions once, and another test may have asked for them.
    """
    spec = importlib.util.spec_from_file_location("function_app_of_the_tests", ROOT / "function_app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(sorted(module.app.get_functions(), key=lambda function: function.get_function_name().lower()))


def trigger_of(function) -> dict[str, Any]:
    return function.get_trigger().get_dict_repr()


def route_pattern(route: str) -> re.Pattern[str]:
    one_segment = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route)
    return re.compile(re.sub(r"\{\*(\w+)\}", r"(?P<\1>.*)", one_segment), re.IGNORECASE)


@cache
def routes() -> tuple[tuple[re.Pattern[str], frozenset[str], Any], ...]:
    found = []
    for function in functions():
        trigger = trigger_of(function)
        if trigger["type"] == "httpTrigger":
            pattern = route_pattern(trigger["route"])
            found.append((pattern, frozenset(map(str, trigger["methods"])), function.get_user_function()))
    return tuple(found)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    media_type: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.json.get("errors", [])]


class IdleProvider(Provider):
    """Stands for one that is configured: only a test email ever goes through it, and ends with `outcome`."""

    name = "smtp"
    features = SmtpProvider.features
    configuration = "one"
    account = "account@contoso.com"

    def __init__(self, name: str = "smtp", configuration: str = "one") -> None:
        self.name = name
        self.configuration = configuration
        self.closed = 0
        self.outcome = Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK")
        self.submissions: list[Submission] = []
        self.discarded: list[str | None] = []

    async def submit(self, submission: Submission) -> Outcome:
        self.submissions.append(submission)
        return self.outcome

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        self.discarded.append(envelope.handle)

    def close(self) -> None:
        self.closed += 1


class RecordingStore(MemoryEmailStore):
    """Remembers what was handed to it. `failure` is raised instead, where a test sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.inserted: list[tuple[EmailRecord, bytes]] = []
        self.failure: BaseException | None = None

    async def insert(self, record, mime):
        self._fail()
        self.inserted.append((record, mime))
        return await super().insert(record, mime)

    async def get(self, email_id):
        self._fail()
        return await super().get(email_id)

    async def page(self, query):
        self._fail()
        return await super().page(query)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class Doors:
    """What a caller sees of the app, and what stands behind it."""

    emails: RecordingStore = field(default_factory=RecordingStore)
    doorbells: MemoryDoorbells = field(default_factory=MemoryDoorbells)
    keys: MemoryIdempotencyStore = field(default_factory=MemoryIdempotencyStore)
    distributor: MemoryDistributorStore = field(default_factory=MemoryDistributorStore)
    windows: MemoryWindowStore = field(default_factory=MemoryWindowStore)
    secrets: SecretStore = field(default_factory=lambda: MemorySecrets(utc_now))
    states: MemoryProviderStates = field(default_factory=MemoryProviderStates)
    audit: MemoryAuditStore = field(default_factory=MemoryAuditStore)
    users: MemoryUserStore = field(default_factory=MemoryUserStore)
    app_senders: MemoryAppSendersStore = field(default_factory=MemoryAppSendersStore)
    timers: MemoryTimerRuns = field(default_factory=MemoryTimerRuns)
    parameters: MemoryParameterStore = field(default_factory=MemoryParameterStore)
    provider: IdleProvider = field(default_factory=IdleProvider)
    providers: list[IdleProvider] = field(default_factory=list)

    def built(self, name: str, configuration: str) -> IdleProvider:
        """One of those that the parameters configure; `provider` is the last."""
        self.provider = IdleProvider(name, configuration)
        self.providers.append(self.provider)
        return self.provider

    async def call(
        self, method: str, url: str, body: bytes = b"", content_type: str | None = None, **headers: str
    ) -> Answer:
        """A keyword like `idempotency_key` is the header of that name."""
        wanted = {name.replace("_", "-").title(): value for name, value in headers.items()}
        if content_type:
            wanted["Content-Type"] = content_type
        parts = urlsplit(url)
        for pattern, methods, function in routes():
            match = pattern.fullmatch(parts.path.removeprefix(PREFIX))
            if match and method in methods:
                response = await function(
                    func.HttpRequest(
                        method,
                        url,
                        headers=wanted,
                        params=dict(parse_qsl(parts.query, keep_blank_values=True)),
                        route_params=match.groupdict(),
                        body=body,
                    )
                )
                return Answer(
                    response.status_code, dict(response.headers), response.mimetype, bytes(response.get_body())
                )
        raise LookupError(f"no function for {method} {parts.path}")

    async def get(self, url: str) -> Answer:
        return await self.call("GET", url)

    async def post(self, url: str, body: Any = None, **headers: str) -> Answer:
        """`body` as JSON, or no body."""
        octets = b"" if body is None else json.dumps(body).encode()
        return await self.call("POST", url, octets, "application/json", **headers)

    async def patch(self, url: str, body: Any, **headers: str) -> Answer:
        return await self.call("PATCH", url, json.dumps(body).encode(), "application/json", **headers)

    async def put(self, url: str, body: Any) -> Answer:
        return await self.call("PUT", url, json.dumps(body).encode(), "application/json")

    async def post_mime(self, raw: bytes, query: str = "") -> Answer:
        return await self.call("POST", f"/api/emails{query}", raw, "message/rfc822")

    async def accepted(self, **fields: Any) -> dict[str, Any]:
        """A small valid email, with `fields` changed, that must be accepted."""
        answer = await self.post("/api/emails", small_email(**fields))
        assert answer.status == 202, answer.json
        return answer.json

    async def know(self, user_id: str, /, **fields: Any) -> None:
        """Makes a user known, with the fields of User and of UserOptions."""
        options = {name: fields.pop(name) for name in list(fields) if name in UserOptions.__dataclass_fields__}
        await self.users.write(KnownUser(User(id=user_id, **fields), UserOptions(**options)))

    @property
    def stores(self) -> Stores:
        return replace(
            memory_stores(),
            emails=self.emails,
            doorbells=self.doorbells,
            keys=self.keys,
            distributor=self.distributor,
            providers=self.states,
            timers=self.timers,
            windows=self.windows,
            audit=self.audit,
            users=self.users,
            app_senders=self.app_senders,
            parameters=self.parameters,
        )

    @property
    def nothing_happened(self) -> bool:
        return not self.emails.inserted and not self.doorbells.rung


def small_email(**fields: Any) -> dict[str, Any]:
    return {"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Statement", "text": "Hello"} | fields


@contextmanager
def open_doors(
    *,
    providers: bool = True,
    more_providers: Mapping[str, Provider] | None = None,
    secrets: SecretStore | None = None,
    sign_in: SignIn | None = None,
    **parameters: Any,
) -> Iterator[Doors]:
    """The real core over memory stores, in the process's place until the end."""
    doors = Doors(secrets=secrets) if secrets else Doors()
    core = connect(
        stores=doors.stores,
        providers={"smtp": doors.provider} | dict(more_providers or {}) if providers else {},
        parameters=replace(Parameters(), **parameters),
        secrets=doors.secrets,
        sign_in=sign_in or OpenSignIn(),
    )
    install(core)
    try:
        yield doors
    finally:
        install(None)


SMTP_SETTINGS = {"EmailParameters__smtp_server": "mail.contoso.com"}


@contextmanager
def open_live_doors(settings: Mapping[str, str] = SMTP_SETTINGS, **stored: Any) -> Iterator[Doors]:
    """The same, as the app settings and what is `stored` have it, and as it is changed through its own doors."""
    doors = Doors(parameters=MemoryParameterStore(**stored))
    builders = {
        name: lambda settings, name=name: doors.built(name, settings.fingerprint)
        for name in ("smtp", "graph", "exchange")
    }
    install(live(settings, doors.stores, doors.secrets, ProviderSet(builders), sign_in=OpenSignIn()))
    try:
        yield doors
    finally:
        install(None)
