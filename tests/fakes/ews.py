"""A stand-in for Exchange Server's Web Services (facts/ews-and-pop3.md): CreateItem, GetFolder and FindItem, over real
TLS, with sign-in by Basic, NTLM or a token, and what goes wrong with them."""

import asyncio
import base64
import email
import email.policy
import ssl
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import spnego
from lxml import etree

from tests.fakes.https import DROP, HttpsServer, Request, Response

USER, PASSWORD = "CONTOSO\\service", "right"
TOKEN = "token-of-entra"

BEFORE, AFTER = "before", "after"  # the connection breaks off before or after the server did what it was asked
HANG = "hang"  # no answer, until the test is over

M = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = "http://schemas.microsoft.com/exchange/services/2006/types"
_NAMES = {"m": M, "t": T, "s": "http://schemas.xmlsoap.org/soap/envelope/"}
_BUILDS = {  # what a server of a version says of itself
    "Exchange2010_SP2": ("14", "2"),
    "Exchange2013": ("15", "0"),
    "Exchange2013_SP1": ("15", "0"),
    "Exchange2016": ("15", "1"),
}


@dataclass(frozen=True)
class Sent:
    mailbox: str
    mime: bytes
    bcc: tuple[str, ...]
    message_id: str
    kept: bool
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def parsed(self) -> email.message.EmailMessage:
        return email.message_from_bytes(self.mime, policy=email.policy.default)


def refusal(code: str, text: str = "It did not work.") -> str:
    """A response of CreateItem that refuses the one item."""
    return f"refusal {code} {text}"


def busy(milliseconds: int) -> Response:
    """Throttled, as a SOAP fault says it."""
    detail = (
        f'<e:ResponseCode xmlns:e="{T.replace("types", "errors")}">ErrorServerBusy</e:ResponseCode>'
        f'<e:Message xmlns:e="{T.replace("types", "errors")}">The server cannot service this request.</e:Message>'
        f'<t:MessageXml xmlns:t="{T}"><t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value></t:MessageXml>'
    )
    fault = (
        "<s:Fault><faultcode>a:ErrorServerBusy</faultcode><faultstring>The server cannot service this request right "
        f"now. Try again later.</faultstring><detail>{detail}</detail></s:Fault>"
    )
    return _answer(fault.replace("a:Error", "s:Error"), status=500)


@dataclass
class EwsServer:
    """`faults` maps CreateItem, GetFolder or FindItem to what happens there instead: a `refusal`, a Response, BEFORE,
    AFTER or HANG; one a time."""

    tls: ssl.SSLContext | None = None
    authentication: str = "basic"
    password: str = PASSWORD
    faults: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)  # requests' and answers', for the schema
    operations: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    impersonated: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._http = HttpsServer(self._answer_to, self.tls)
        self._handshakes: dict[int, Any] = {}
        self._signed_in: set[int] = set()

    @property
    def address(self) -> str:
        return f"https://localhost:{self._http.port}/EWS/Exchange.asmx"

    async def start(self) -> None:
        await self._http.start()

    async def stop(self) -> None:
        self.let_go.set()
        await self._http.stop()

    async def _answer_to(self, request: Request) -> Response | str:
        challenge = self._challenge(request)
        if challenge is not None:
            return challenge
        self.requests.append(request)
        self.bodies.append(request.body)
        envelope = etree.fromstring(request.body)
        operation = etree.QName(envelope.find("s:Body/*", _NAMES)).localname
        self.operations.append(operation)
        self.versions.append(envelope.find("s:Header/t:RequestServerVersion", _NAMES).get("Version"))
        planned = self.faults[operation].pop(0) if self.faults[operation] else None
        if planned == HANG:
            await self.let_go.wait()
        if planned in (BEFORE, HANG):
            return DROP
        if isinstance(planned, Response):
            return planned
        answer = getattr(self, f"_{operation}")(envelope, planned if planned != AFTER else None)
        self.bodies.append(answer.body)
        return DROP if planned == AFTER else answer

    # ---- signing in

    def _challenge(self, request: Request) -> Response | None:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        match self.authentication, scheme.lower():
            case "basic", "basic" if base64.b64decode(text).decode() == f"{USER}:{self.password}":
                return None
            case "oauth", "bearer" if text == TOKEN:
                return None
            case "ntlm", _:
                return self._ntlm(request.connection, scheme, text)
        offered = {"basic": 'Basic realm="ews"', "oauth": "Bearer"}[self.authentication]
        return Response(401, headers={"www-authenticate": offered})

    def _ntlm(self, connection: int, scheme: str, text: str) -> Response | None:
        if connection in self._signed_in:
            return None
        if scheme.lower() != "ntlm":
            return Response(401, headers={"www-authenticate": "NTLM"})
        context = self._handshakes.setdefault(connection, spnego.server(protocol="ntlm"))
        try:
            answer = context.step(base64.b64decode(text))
        except spnego.exceptions.SpnegoError:
            del self._handshakes[connection]
            return Response(401, headers={"www-authenticate": "NTLM"})
        if context.complete:
            self._signed_in.add(connection)
            return None
        return Response(401, headers={"www-authenticate": f"NTLM {base64.b64encode(answer).decode()}"})

    # ---- operations

    def _CreateItem(self, envelope: Any, planned: str | None) -> Response:
        request = envelope.find("s:Body/m:CreateItem", _NAMES)
        item = request.find("m:Items/t:Message", _NAMES)
        if planned:
            _, code, text = planned.split(" ", 2)
            return _response("CreateItem", "<m:Items/>", code, text)
        impersonated = envelope.findtext(
            "s:Header/t:ExchangeImpersonation/t:ConnectingSID/t:PrimarySmtpAddress", None, _NAMES
        )
        mime = base64.b64decode(item.findtext("t:MimeContent", None, _NAMES))
        self.impersonated += [impersonated] if impersonated else []
        self.sent.append(
            Sent(
                mailbox=impersonated or "",
                mime=mime,
                bcc=tuple(one.text for one in item.iterfind("t:BccRecipients//t:EmailAddress", _NAMES)),
                message_id=item.findtext("t:InternetMessageId", "", _NAMES),
                kept=request.get("MessageDisposition") == "SendAndSaveCopy",
            )
        )
        return _response("CreateItem", "<m:Items/>")

    def _GetFolder(self, envelope: Any, planned: str | None) -> Response:
        wanted = envelope.find("s:Body//t:DistinguishedFolderId", _NAMES).get("Id")
        folder = (
            f'<t:Folder><t:FolderId Id="{wanted}" ChangeKey="1"/><t:ParentFolderId Id="parent" ChangeKey="1"/>'
            f"<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>{wanted}</t:DisplayName><t:TotalCount>0</t:TotalCount>"
            "<t:ChildFolderCount>0</t:ChildFolderCount><t:UnreadCount>0</t:UnreadCount></t:Folder>"
        )
        return _response("GetFolder", f"<m:Folders>{folder}</m:Folders>")

    def _FindItem(self, envelope: Any, planned: str | None) -> Response:
        if planned:
            _, code, text = planned.split(" ", 2)
            return _response("FindItem", "", code, text)
        wanted = envelope.find("s:Body//t:IsEqualTo//t:Constant", _NAMES).get("Value")
        since = envelope.find("s:Body//t:IsGreaterThanOrEqualTo//t:Constant", _NAMES)
        begin = datetime.min.replace(tzinfo=UTC) if since is None else datetime.fromisoformat(since.get("Value"))
        found = [one for one in self.sent if one.kept and one.message_id == wanted and one.at >= begin]
        items = "".join(
            f'<t:Message><t:ItemId Id="{number}" ChangeKey="1"/></t:Message>' for number, _ in enumerate(found)
        )
        folder = (
            f'<m:RootFolder IndexedPagingOffset="{len(found)}" TotalItemsInView="{len(found)}" '
            f'IncludesLastItemInRange="true"><t:Items>{items}</t:Items></m:RootFolder>'
        )
        return _response("FindItem", folder)


def _response(operation: str, content: str, code: str = "NoError", text: str = "") -> Response:
    words = f"<m:MessageText>{escape(text)}</m:MessageText>" if text else ""
    kind = "Success" if code == "NoError" else "Error"
    link = "<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>" if text else ""
    message = (
        f'<m:{operation}ResponseMessage ResponseClass="{kind}">{words}<m:ResponseCode>{code}</m:ResponseCode>{link}'
        f"{content}</m:{operation}ResponseMessage>"
    )
    return _answer(f"<m:{operation}Response><m:ResponseMessages>{message}</m:ResponseMessages></m:{operation}Response>")


def _answer(body: str, *, status: int = 200, version: str = "Exchange2016") -> Response:
    major, minor = _BUILDS[version]
    header = (
        f'<t:ServerVersionInfo MajorVersion="{major}" MinorVersion="{minor}" MajorBuildNumber="847" '
        f'MinorBuildNumber="1" Version="{version}"/>'
    )
    envelope = (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_NAMES["s"]}" xmlns:m="{M}" xmlns:t="{T}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    return Response(status, envelope.encode(), {"content-type": "text/xml; charset=utf-8"})
