"""An inbox for tests: an SMTP server in a thread of its own, which keeps what it is given.

`refused@example.com` is refused, `later@example.com` is deferred, everybody else is accepted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.azurite import free_port

REPLIES = {"refused@example.com": "550 5.1.1 no such mailbox", "later@example.com": "450 4.2.0 greylisted"}


@dataclass(frozen=True)
class Arrived:
    sender: str
    recipients: list[str]
    content: bytes
    reply: str


@dataclass
class Inbox:
    port: int
    emails: list[Arrived] = field(default_factory=list)

    def one_to(self, recipient: str) -> Arrived:
        """The only email that arrived for `recipient`."""
        (arrived,) = [one for one in self.emails if recipient in one.recipients]
        return arrived

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = REPLIES.get(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = f"250 2.0.0 queued as {len(self.emails)}"
        self.emails.append(Arrived(envelope.mail_from, list(envelope.rcpt_tos), envelope.content, reply))
        return reply


@contextmanager
def running_inbox() -> Iterator[Inbox]:
    inbox = Inbox(free_port())
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port, data_size_limit=200_000_000)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()
