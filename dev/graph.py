"""`GRAPH=fake make run`: a stand-in of Microsoft Graph and its login server, and the functions send through it.

What it is sent goes on to the local inbox. It takes any mailbox and any sender, but for the mailboxes whose name asks
for a trouble, and speaks real TLS with a certificate authority of its own, which the functions are told to trust.
`python -m dev.graph` is the stand-in alone.
"""

import argparse
import asyncio
import os
import smtplib
import ssl
from collections import Counter
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import trustme

from dev.ports import HOST, Ports
from email_core.mime.adopt import header_lines
from email_core.mime.wire import head_and_body, joined
from tests.fakes.graph import AFTER, CLIENT, TENANT, GraphServer, Sent, fault, throttled
from tests.fakes.https import Response

SECRET = "of-the-stand-in"
PREFIX = "EmailParameters__graph_"
SENDS = ("sendMail", "send")
_DENIED = fault(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
PASSING: dict[str, Response | str] = {  # the first time; then all is well, until the next email
    "throttled": throttled("RequestRate", "20"),
    "busy": fault(503, "ErrorServerBusy", "The server is busy. Try again later.", retry_after="10"),
    "lost": AFTER,
}
LASTING = {
    "no-consent": _DENIED,
    "not-allowed": fault(
        403,
        "ErrorAccessDenied",
        "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
    ),
    "not-as": fault(
        403,
        "ErrorSendAsDenied",
        "The user account which was used to submit this request does not have the right to send mail on behalf of the "
        "specified sending account.",
    ),
    "unknown": fault(404, "ErrorInvalidUser", "The requested user is invalid."),
    "on-premises": fault(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    ),
    "full": fault(507, "ErrorQuotaExceeded", "The mailbox has exceeded its maximum mailbox size."),
    "used-up": fault(403, "ErrorExceededMessageLimit", "The message limit of the mailbox is exceeded."),
    "blocked": fault(403, "ErrorAccountSuspend", "The account is suspended."),
}


class Anything(set):
    """Whatever is asked for is in it."""

    def __contains__(self, one: Any) -> bool:
        return True


class Troubles:
    """What Graph makes of a mailbox whose name asks for it, as docs/how-to/register-graph-app.md lists them."""

    def __init__(self) -> None:
        self._sendings: Counter[str] = Counter()

    def __call__(self, step: str, mailbox: str) -> Response | str | None:
        name = mailbox.partition("@")[0].lower()
        if name == "no-large-mail":
            return _DENIED if step == "draft" else None
        if name in PASSING and step in SENDS:
            self._sendings[name] += 1
            return PASSING[name] if self._sendings[name] % 2 else None
        return LASTING.get(name)


def folder_in(local: Path) -> Path:
    return local / "graph"


def bundle_in(local: Path) -> Path:
    return folder_in(local) / "authorities.pem"


def graph_settings(ports: Ports, local: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What the functions need to know of the stand-in. Of what the developer has set, only the addresses give way."""
    address = f"https://localhost:{ports.graph}"
    usual = {
        f"{PREFIX}credential": "secret",
        f"{PREFIX}tenant_id": TENANT,
        f"{PREFIX}client_id": CLIENT,
        "EmailParameters__batch_provider": "graph",
    }
    addresses = {f"{PREFIX}address": address, f"{PREFIX}login_address": address}
    return {name: value for name, value in usual.items() if not given.get(name)} | addresses | trust_in(local)


def trust_in(local: Path) -> dict[str, str]:
    return dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(bundle_in(local)))


def keep_secret(local: Path) -> str:
    """The client secret, where the functions look for it; one that is there already stays, and is the right one."""
    file = local / "secrets" / "graph-client-secret"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as secret:
            secret.write(SECRET)
    return file.read_text().strip()


def tls_context(local: Path) -> ssl.SSLContext:
    """A new authority each time; the bundle has the system's as well, as other connections go on to need these."""
    authority = trustme.CA()
    folder_in(local).mkdir(parents=True, exist_ok=True)
    system = ssl.get_default_verify_paths().cafile
    known = Path(system).read_bytes() if system and Path(system).exists() else b""
    bundle_in(local).write_bytes(known + b"\n" + authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def as_mime(sent: Sent) -> bytes:
    """As its recipients get it: with its files and without its Bcc; JSON as the message that Exchange would make of it,
    roughly."""
    if sent.mime is not None and not sent.files:
        return _without_bcc(sent.mime)
    message = sent.parsed if sent.mime is not None else _from_json(sent.message)
    del message["Bcc"]
    if sent.files and message.get_content_type() != "multipart/mixed":
        message.make_mixed()
    told = {one["name"]: one for one in sent.attached}
    for name, octets in sent.files.items():
        _attach(message, name, octets, told.get(name, {}))
    return message.as_bytes(policy=SMTP)


def _without_bcc(mime: bytes) -> bytes:
    head, rest = head_and_body(mime)
    kept = [line + b"\r\n" for name, line in header_lines(head) if name != b"bcc"]
    return joined([*kept, b"\r\n", rest])


def _attach(message: EmailMessage, name: str, octets: bytes, told: Mapping[str, Any]) -> None:
    main, _, sub = (told.get("contentType") or "application/octet-stream").partition("/")
    message.add_attachment(
        octets,
        maintype=main,
        subtype=sub,
        filename=name,
        disposition="inline" if told.get("isInline") else "attachment",
        cid=f"<{told['contentId']}>" if told.get("contentId") else None,
    )


def _from_json(said: dict[str, Any]) -> EmailMessage:
    message = EmailMessage()
    message["From"] = said["from"]["emailAddress"]["address"]
    for name, recipients in (("To", "toRecipients"), ("Cc", "ccRecipients")):
        if said.get(recipients):
            message[name] = ", ".join(one["emailAddress"]["address"] for one in said[recipients])
    message["Subject"] = said["subject"]
    message.set_content(said["body"]["content"], subtype="html" if said["body"]["contentType"] == "html" else "plain")
    return message


def hand_on(sent: Sent, inbox: int) -> None:
    with smtplib.SMTP(HOST, inbox) as smtp:
        smtp.sendmail(sent.mailbox, sorted(sent.recipients), as_mime(sent))


async def serve(port: int, inbox: int, local: Path) -> None:
    server = GraphServer(
        tls=tls_context(local),
        port=port,
        mailboxes=Anything(),
        send_as=Anything(),
        secret=keep_secret(local),
        on_sent=lambda sent: hand_on(sent, inbox),
        fault_of=Troubles(),
    )
    await server.start()
    print(f"The stand-in of Graph: {server.address}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m dev.graph", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--inbox", type=int, default=1025, help="the SMTP port that mail goes on to")
    parser.add_argument("--local", type=Path, default=Path(".local"), help="the folder of local data")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.inbox, options.local))


if __name__ == "__main__":
    main()
