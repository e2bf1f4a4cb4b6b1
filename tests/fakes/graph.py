"""A stand-in for Microsoft Graph and its login server, which behaves as facts/graph.md says, faults included.

One HTTPS server is all of them: `/{tenant}/oauth2/v2.0/token` gives tokens, `/v1.0/users/...` is Graph, and
`/upload/...` is where upload sessions lead. `python -m dev.graph` starts it by hand.
"""

import asyncio
import base64
import binascii
import email
import email.policy
import json
import re
import ssl
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.https import DROP, HttpsServer, Request, Response

TENANT = "contoso.onmicrosoft.com"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "right"
SCOPE = "https://graph.microsoft.com/.default"
TOKEN_LIVES = 3599  # seconds
MOST_OCTETS = 4 * 1024 * 1024  # of a request, but not of a range
MOST_IN_SESSION = 150 * 1024 * 1024
CONCURRENCY = 4

BEFORE = "before"  # the connection breaks off when the request's head is there
AFTER = "after"  # it does what it was asked for, and its answer is lost
HANG = "hang"  # no answer, until the test lets go

SEND, READ_WRITE, READ = "Mail.Send", "Mail.ReadWrite", "Mail.Read"


@dataclass
class Sent:
    """What a mailbox sent: MIME, or JSON; and whether it is kept in Sent Items."""

    mailbox: str
    mime: bytes | None = None
    message: dict[str, Any] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    attached: list[dict[str, Any]] = field(default_factory=list)  # what was said of each of a draft's files
    kept: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def item(self) -> dict[str, Any]:
        """As it is in Sent Items."""
        to = [{"emailAddress": {"address": address}} for address in sorted(self.recipients)]
        return {"id": "1", "sentDateTime": self.at.isoformat().replace("+00:00", "Z"), "toRecipients": to}

    @property
    def parsed(self) -> email.message.EmailMessage:
        return email.message_from_bytes(self.mime, policy=email.policy.default)

    @property
    def recipients(self) -> set[str]:
        if self.message is not None:
            lists = ("toRecipients", "ccRecipients", "bccRecipients")
            return {one["emailAddress"]["address"] for name in lists for one in self.message.get(name, [])}
        headers = [str(self.parsed[name]) for name in ("To", "Cc", "Bcc") if self.parsed[name]]
        return {address for _, address in email.utils.getaddresses(headers)}

    @property
    def message_id(self) -> str:
        return self.message.get("internetMessageId", "") if self.message else str(self.parsed["Message-ID"])


@dataclass
class Draft:
    id: str
    mailbox: str
    mime: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    attached: list[dict[str, Any]] = field(default_factory=list)
    is_draft: bool = True


@dataclass
class Session:
    draft: Draft
    item: dict[str, Any]
    octets: bytearray = field(default_factory=bytearray)
    received: int = 0
    is_over: bool = False


def fault(
    status: int, code: str = "", message: str = "", *, retry_after: str | None = None, body: Any = None
) -> Response:
    """An answer of Graph that is none that was wanted."""
    if body is None:
        body = {"error": {"code": code, "message": message, "innerError": {"date": "2026-03-02T12:00:00"}}}
    headers = {"content-type": "application/json"} | ({"retry-after": retry_after} if retry_after is not None else {})
    return Response(status, json.dumps(body).encode(), headers)


def throttled(limit: str, retry_after: str | None = None) -> Response:
    return fault(429, "ApplicationThrottled", f"Application is over its {limit} limit.", retry_after=retry_after)


def refused_token(number: str, words: str, error: str = "invalid_client", status: int = 401) -> Response:
    """As the token endpoint refuses: `number` is AADSTS's."""
    description = f"AADSTS{number}: {words} Trace ID: {uuid.uuid4()} Correlation ID: {uuid.uuid4()}"
    body = {"error": error, "error_description": description, "error_codes": [int(number)], "trace_id": "t1"}
    return Response(status, json.dumps(body).encode(), {"content-type": "application/json"})


@dataclass
class GraphServer:
    """`faults` maps a step (token, sendMail, draft, attach, session, range, status, send, proof, delete) to what
    happens there instead: a Response, BEFORE, AFTER or HANG; one a time, and then all is well again."""

    permissions: set[str] = field(default_factory=lambda: {SEND, READ_WRITE, READ})
    mailboxes: set[str] = field(default_factory=lambda: {"ann@contoso.com", "batch@contoso.com"})
    send_as: set[tuple[str, str]] = field(default_factory=set)  # mailbox, From
    faults: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    secret: str = SECRET
    keeps_content: bool = True
    answers_after: float = 0.0  # seconds
    requests: list[Request] = field(default_factory=list)
    answers: list[tuple[Request, Response]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    drafts: dict[str, Draft] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    assertions: list[str] = field(default_factory=list)
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    on_sent: Callable[[Sent], None] = lambda sent: None
    fault_of: Callable[[str, str], Any] = lambda step, mailbox: None  # like `faults`, where none of these is left
    tls: ssl.SSLContext | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self._http = HttpsServer(self._answer, self.tls, self._before, self.port)
        self._ids = 0

    @property
    def address(self) -> str:
        return f"https://localhost:{self._http.port}"

    @property
    def connections(self) -> int:
        return self._http.connections

    async def start(self) -> None:
        await self._http.start()
        self.port = self._http.port

    async def stop(self) -> None:
        self.let_go.set()
        await self._http.stop()

    def revoke_tokens(self) -> None:
        self.tokens.clear()

    def calls(self, step: str) -> int:
        return self.steps.count(step)

    # ---- from the wire to a step and back

    def _before(self, request: Request) -> bool:
        waiting = self.faults[_step(request)]
        if waiting and waiting[0] == BEFORE:
            waiting.pop(0)
            self.steps.append(_step(request))
            return False
        return True

    async def _answer(self, request: Request) -> Response | str:
        step = _step(request)
        self.steps.append(step)
        self.requests.append(
            request if self.keeps_content else Request(request.method, request.target, request.headers, b"")
        )
        waiting = self.faults[step]
        planned = waiting.pop(0) if waiting else self._fault_of_mailbox(step, request)
        if isinstance(planned, Response):
            return self._marked(request, planned)
        if planned == HANG:
            self.hanging.set()
            await self.let_go.wait()
            return DROP
        answer = self._marked(request, await self._within_limits(step, request))
        self.answers.append((request, answer))
        return DROP if planned == AFTER else answer

    def _marked(self, request: Request, response: Response) -> Response:
        ids = {"request-id": f"r{len(self.requests)}"}
        if "client-request-id" in request.headers:
            ids["client-request-id"] = request.headers["client-request-id"]
        return Response(response.status, response.body, ids | response.headers)

    def _fault_of_mailbox(self, step: str, request: Request) -> Any:
        return None if step in _OF_NO_MAILBOX else self.fault_of(step, _mailbox(request))

    async def _within_limits(self, step: str, request: Request) -> Response:
        if step in _OF_NO_MAILBOX:
            return self._do(step, request)
        mailbox = _mailbox(request)
        if self.at_once[mailbox] >= CONCURRENCY:
            return throttled("MailboxConcurrency", "1")
        self.at_once[mailbox] += 1
        self.most_at_once = max(self.most_at_once, self.at_once[mailbox])
        try:
            await asyncio.sleep(self.answers_after)
            return self._do(step, request)
        finally:
            self.at_once[mailbox] -= 1

    def _do(self, step: str, request: Request) -> Response:
        if step not in _OF_NO_MAILBOX:
            refusal = self._refusal(step, request)
            if refusal is not None:
                return refusal
        return getattr(self, f"_{step}")(request)

    def _refusal(self, step: str, request: Request) -> Response | None:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return fault(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        mailbox = _mailbox(request)
        if mailbox not in self.mailboxes:
            return fault(404, "ErrorInvalidUser", f"The requested user '{mailbox}' is invalid.")
        needed = {"sendMail": {SEND}, "send": {SEND}, "proof": {READ, READ_WRITE}}.get(step, {READ_WRITE})
        if not needed & self.permissions:
            return fault(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        if len(request.body) > MOST_OCTETS:
            return fault(413, "ErrorMessageSizeExceeded", "The maximum request length supported is 4MB.")
        return None

    # ---- the login server

    def _discovery(self, request: Request) -> Response:
        tenant = request.path.split("/")[1]
        if tenant != TENANT:
            return refused_token("90002", f"Tenant '{tenant}' not found.", "invalid_tenant", 400)
        base = f"{self.address}/{tenant}"
        return _json(
            200,
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            },
        )

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form["client_id"] != CLIENT:
            return refused_token(
                "700016",
                f"Application with identifier '{form['client_id']}' was not found.",
                "unauthorized_client",
                400,
            )
        if form["scope"] != SCOPE:
            return refused_token("500011", "The resource principal was not found.", "invalid_resource", 400)
        if "client_assertion" in form:
            self.assertions.append(form["client_assertion"])
        elif form.get("client_secret") != self.secret:
            return refused_token("7000215", "Invalid client secret provided.")
        token = f"token-{uuid.uuid4()}"
        self.tokens.add(token)
        return _json(200, {"token_type": "Bearer", "expires_in": TOKEN_LIVES, "access_token": token})

    # ---- Graph

    def _sendMail(self, request: Request) -> Response:
        mailbox = _mailbox(request)
        if request.headers["content-type"].startswith("text/plain"):
            return self._sent(Sent(mailbox, mime=_mime(request.body))) if _mime(request.body) else _BAD_BASE64
        body = json.loads(request.body)
        attached = body["message"].get("attachments", [])
        files = {one["name"]: base64.b64decode(one["contentBytes"]) for one in attached}
        kept = body.get("saveToSentItems", True)
        return self._sent(Sent(mailbox, message=body["message"], files=files, attached=attached, kept=kept))

    def _sent(self, sent: Sent) -> Response:
        sender = (
            sent.message["from"]["emailAddress"]["address"]
            if sent.message
            else email.utils.parseaddr(str(sent.parsed["From"]))[1]
        )
        if sender != sent.mailbox and (sent.mailbox, sender) not in self.send_as:
            return fault(
                403,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the right to send mail on "
                "behalf of the specified sending account.",
            )
        if not sent.recipients:
            return fault(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
        self.sent.append(sent)
        self.on_sent(sent)
        return Response(202)

    def _draft(self, request: Request) -> Response:
        mime = _mime(request.body)
        if mime is None:
            return _BAD_BASE64
        self._ids += 1
        immutable = request.headers.get("prefer") == 'IdType="ImmutableId"'
        draft = Draft(f"AAkALg{'' if immutable else 'Changing'}{self._ids}_-=", _mailbox(request), mime)
        self.drafts[draft.id] = draft
        return _json(201, {"id": draft.id, "isDraft": True})

    def _attach(self, request: Request) -> Response:
        draft = self._found(request)
        if draft is None:
            return _NOT_FOUND
        attachment = json.loads(request.body)
        octets = base64.b64decode(attachment.pop("contentBytes"))
        if len(octets) >= 3_000_000:
            return fault(413, "ErrorMessageSizeExceeded", "The attachment is too large for one request.")
        draft.files[attachment["name"]] = octets
        draft.attached.append(attachment)
        return _json(201, {"@odata.type": "#microsoft.graph.fileAttachment", "id": "1", "name": attachment["name"]})

    def _session(self, request: Request) -> Response:
        draft = self._found(request)
        if draft is None:
            return _NOT_FOUND
        item = json.loads(request.body)["AttachmentItem"]
        if not 3_000_000 <= item["size"] <= MOST_IN_SESSION:
            return fault(400, "ErrorInvalidSize", "The size is out of range.")
        key = uuid.uuid4().hex
        self.sessions[key] = Session(draft, item)
        return _json(
            201,
            {
                "uploadUrl": f"{self.address}/upload/{key}?authtoken=secret",
                "expirationDateTime": "2026-03-03T12:00:00Z",
                "nextExpectedRanges": ["0-"],
            },
        )

    def _range(self, request: Request) -> Response:
        session = self.sessions.get(request.path.rpartition("/")[2])
        if session is None or session.is_over:
            return fault(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if "authorization" in request.headers:
            return fault(401, "InvalidAudience", "No token is wanted here.")
        first, last, total = map(
            int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers["content-range"]).groups()
        )
        if len(request.body) >= MOST_OCTETS or len(request.body) != last - first + 1 or total != session.item["size"]:
            return fault(400, "ErrorInvalidRange", "The range does not fit.")
        if first != session.received:
            return fault(416, "invalidRange", "The range was not expected.")
        if self.keeps_content:
            session.octets += request.body
        session.received += len(request.body)
        if session.received < total:
            return _json(200, {"nextExpectedRanges": [f"{session.received}-"]})
        session.is_over = True
        session.draft.files[session.item["name"]] = bytes(session.octets)
        session.draft.attached.append(session.item)
        return Response(201, headers={"location": f"{self.address}/v1.0/attachments/1"})

    def _status(self, request: Request) -> Response:
        session = self.sessions.get(request.path.rpartition("/")[2])
        if session is None:
            return fault(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        return _json(200, {"nextExpectedRanges": [] if session.is_over else [f"{session.received}-"]})

    def _send(self, request: Request) -> Response:
        draft = self._found(request)
        if draft is None or not draft.is_draft:
            return _NOT_FOUND
        answer = self._sent(Sent(draft.mailbox, mime=draft.mime, files=draft.files, attached=draft.attached))
        draft.is_draft = answer.status != 202
        return answer

    def _proof(self, request: Request) -> Response:
        if "/mailFolders/" in request.path:
            condition = parse_qs(urlsplit(request.target).query)["$filter"][0]
            wanted = re.fullmatch(r"internetMessageId eq '(.*)'", condition)[1].replace("''", "'")
            found = [one.item for one in self.sent if one.kept and one.message_id == wanted]
            return _json(200, {"value": found})
        draft = self._found(request)
        return _json(200, {"id": draft.id, "isDraft": draft.is_draft}) if draft else _NOT_FOUND

    def _delete(self, request: Request) -> Response:
        draft = self._found(request)
        if draft is None:
            return _NOT_FOUND
        del self.drafts[draft.id]
        return Response(204)

    def _found(self, request: Request) -> Draft | None:
        return self.drafts.get(unquote(re.search(r"/messages/([^/]+)", request.path)[1]))


_BAD_BASE64 = fault(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
_NOT_FOUND = fault(404, "ErrorItemNotFound", "The specified object was not found in the store.")
_OF_NO_MAILBOX = ("token", "discovery", "range", "status")
_STEPS = [
    ("discovery", "GET", r"/[^/]+/v2\.0/\.well-known/openid-configuration"),
    ("token", "POST", r"/[^/]+/oauth2/v2\.0/token"),
    ("range", "PUT", r"/upload/\w+"),
    ("status", "GET", r"/upload/\w+"),
    ("sendMail", "POST", r"/v1\.0/users/[^/]+/sendMail"),
    ("draft", "POST", r"/v1\.0/users/[^/]+/messages"),
    ("attach", "POST", r"/v1\.0/users/[^/]+/messages/[^/]+/attachments"),
    ("session", "POST", r"/v1\.0/users/[^/]+/messages/[^/]+/attachments/createUploadSession"),
    ("send", "POST", r"/v1\.0/users/[^/]+/messages/[^/]+/send"),
    ("delete", "DELETE", r"/v1\.0/users/[^/]+/messages/[^/]+"),
    ("proof", "GET", r"/v1\.0/users/[^/]+/(messages/[^/]+|mailFolders/sentitems/messages)"),
]


def _step(request: Request) -> str:
    for step, method, path in _STEPS:
        if request.method == method and re.fullmatch(path, request.path):
            return step
    raise AssertionError(f"Graph has no {request.method} {request.path}")


def _mailbox(request: Request) -> str:
    return unquote(request.path.split("/")[3])


def _mime(body: bytes) -> bytes | None:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return None


def _json(status: int, body: Any) -> Response:
    return Response(status, json.dumps(body).encode(), {"content-type": "application/json"})
