"""Every call of the HTTP API in one table: its function, where it is found, and who may make it."""

from dataclasses import dataclass
from enum import StrEnum

import azure.functions as func

from email_core.caller import Role


class Access(StrEnum):
    """Who may call. `SIGNED_IN`: any person or app that is known; what of it they see, the core decides."""

    OPEN = "open"
    SIGNED_IN = "signed in"
    SEND = Role.SEND.value
    READ = Role.READ.value
    ADMIN = Role.ADMIN.value


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    route: str
    access: Access
    summary: str

    @property
    def auth_level(self) -> func.AuthLevel:
        """Which key the host asks for."""
        match self.access:
            case Access.OPEN:
                return func.AuthLevel.ANONYMOUS
            case Access.ADMIN:
                return func.AuthLevel.ADMIN
        return func.AuthLevel.FUNCTION


OPERATIONS: dict[str, Operation] = {
    "accept_email": Operation("POST", "emails", Access.SEND, "Send an email"),
    "list_emails": Operation("GET", "emails", Access.READ, "List unsent mail or the history"),
    "read_email": Operation("GET", "emails/{id}", Access.READ, "Read what became of an email"),
    "read_email_content": Operation("GET", "emails/{id}/eml", Access.READ, "Read an email's message"),
    "cancel_email": Operation("POST", "emails/{id}/cancel", Access.SEND, "Take an unsent email back"),
    "resend_email": Operation("POST", "emails/{id}/resend", Access.SEND, "Send an email once more"),
    "mark_email_sent": Operation("POST", "emails/{id}/mark-sent", Access.SEND, "Say that a held email was sent"),
    "accept_email_batch": Operation("POST", "email-batches", Access.SEND, "Send up to 100 emails"),
    "make_draft_file": Operation("POST", "eml", Access.SEND, "Make a draft for the user's own mail app"),
    "read_distributor": Operation("GET", "distributor", Access.ADMIN, "Read how batch mail is sent"),
    "change_distributor": Operation("PATCH", "distributor", Access.ADMIN, "Change how batch mail is sent"),
    "list_providers": Operation("GET", "providers", Access.ADMIN, "List the providers and how each stands"),
    "read_secret_state": Operation("GET", "secrets/{name}", Access.ADMIN, "Read whether a secret is set"),
    "write_secret": Operation("PUT", "secrets/{name}", Access.ADMIN, "Set a secret"),
    "send_test_email": Operation("POST", "test-email", Access.ADMIN, "Try a provider, step by step"),
    "list_audit": Operation("GET", "audit", Access.ADMIN, "List who changed what"),
    "health": Operation("GET", "health", Access.OPEN, "Whether this instance could do its work"),
}
