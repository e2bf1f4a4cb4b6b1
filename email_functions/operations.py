"""Every call of the HTTP API in one table: its function, where it is found, who may make it, what goes in, and what
comes out. The doors are made by it, the OpenAPI document shows it, and a test compares it with the routes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import azure.functions as func

from email_core.assembly import host_checks_keys
from email_core.caller import Role
from email_functions import answers
from email_functions.app_schema import AppBody
from email_functions.audit_schema import AuditQuery
from email_functions.distributor_schema import DistributorBody
from email_functions.email_schema import BatchBody, EmailBody, OrderBody
from email_functions.parameter_schema import ParametersBody
from email_functions.query_schema import EmlQuery, ExportQuery, ListQuery
from email_functions.rehearsal_schema import RehearsalBody
from email_functions.secret_schema import SecretBody
from email_functions.user_schema import OptionsBody, UserBody, UsersQuery
from email_functions.validation import Body

JSON = "application/json"
MIME = "message/rfc822"
CSV = "text/csv"
SMALL = 256 * 1024  # octets, of a body that is no mail
HOST_LIMIT = 100 * 1024 * 1024  # octets: a larger body the host refuses by itself


class Access(StrEnum):
    """Who may call. `SIGNED_IN`: any person or app that is known. Whose own an email is, the core decides. A function
    key does not say who holds it, so what an email says, and what is a user's own, is for the admin key."""

    OPEN = "open"
    SIGNED_IN = "signed in"
    READ_OWN = "Email.Read; a person needs none for their own mail"
    SEND_OWN = "Email.Send; a person needs none for their own mail"
    CONTENT = "Email.Admin; nobody needs it for their own mail"
    SEND = Role.SEND.value
    READ = Role.READ.value
    ADMIN = Role.ADMIN.value

    @property
    def role_of_person(self) -> Role | None:
        """Without which no person gets in; None where there is something for everybody."""
        return Role(self.value) if self in (Access.SEND, Access.READ, Access.ADMIN) else None

    @property
    def role_of_app(self) -> Role | None:
        """The same of an app, which has no mail of its own before it may send."""
        return Role.SEND if self is Access.SEND_OWN else self.role_of_person


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` is the model of a JSON body, and `takes` the media types that a body may have; `query` is the model of the
    query string. `answers` are those that are no problem: the type of a JSON body, a media type, or None for no body;
    `meanings` says what one of them is, where its status does not.
    `problems` are the statuses that this call has beside those that any may have. `headers`: of the request, by name,
    with what they are for. `mends`: it is open while a parameter is wrong, as an administrator mends that with it.
    `without_body` is what is said of a body that comes with a POST which takes none."""

    method: str
    route: str
    access: Access
    summary: str
    body: type[Body] | None = None
    takes: tuple[str, ...] = (JSON,)
    largest_body: int = SMALL
    query: type[Body] | None = None
    answers: Mapping[int, type | str | None] = field(default_factory=dict)
    meanings: Mapping[int, str] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    mends: bool = False
    without_body: str = "this call has no body, leave it out"

    @property
    def key(self) -> func.AuthLevel:
        """Which key opens it, where keys do."""
        match self.access:
            case Access.OPEN:
                return func.AuthLevel.ANONYMOUS
            case Access.ADMIN | Access.CONTENT | Access.SIGNED_IN:
                return func.AuthLevel.ADMIN
        return func.AuthLevel.FUNCTION

    @property
    def auth_level(self) -> func.AuthLevel:
        """Which key the host asks for: none where tokens are checked in code."""
        return self.key if host_checks_keys() else func.AuthLevel.ANONYMOUS

    def matches(self, path: str) -> bool:
        """Whether a path below the route prefix is this call's, whatever its method."""
        return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.route)), path, re.IGNORECASE) is not None

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be read can be asked about without its body."""
        return (self.method, "HEAD") if self.method == "GET" else (self.method,)


_IDEMPOTENCY_KEY = {
    "Idempotency-Key": "The same key with the same body again is the same email: answered as the first time, with "
    "`Idempotency-Replayed: true`. A UUID is a good key."
}

_IF_MATCH = {"If-Match": "The ETag of the version that the change was made from; `*` for any. It is required."}

OPERATIONS: dict[str, Operation] = {
    "accept_email": Operation(
        "POST",
        "emails",
        Access.SEND_OWN,
        "Send an email",
        body=EmailBody,
        takes=(JSON, MIME),
        largest_body=HOST_LIMIT,
        query=OrderBody,
        answers={202: answers.AcceptedEmail, 200: answers.DryRun},
        meanings={202: "The email is kept, and will be sent", 200: "`dry_run`: what would happen; nothing is kept"},
        problems=(409, 429),
        headers=_IDEMPOTENCY_KEY,
    ),
    "list_emails": Operation(
        "GET",
        "emails",
        Access.READ_OWN,
        "List unsent mail or the history",
        query=ListQuery,
        answers={200: answers.EmailPage},
    ),
    "export_emails": Operation(
        "GET",
        "emails.csv",
        Access.READ_OWN,
        "The list as a file",
        query=ExportQuery,
        answers={200: CSV},
    ),
    "read_email": Operation(
        "GET", "emails/{id}", Access.READ_OWN, "Read what became of an email", answers={200: answers.EmailInFull}
    ),
    "read_email_content": Operation(
        "GET",
        "emails/{id}/eml",
        Access.CONTENT,
        "Read an email's message",
        query=EmlQuery,
        answers={200: MIME},
        problems=(410,),
    ),
    "cancel_email": Operation(
        "POST",
        "emails/{id}/cancel",
        Access.SEND_OWN,
        "Take an unsent email back",
        answers={200: answers.Email},
        problems=(409,),
        without_body="leave the body out; the email was not canceled",
    ),
    "resend_email": Operation(
        "POST",
        "emails/{id}/resend",
        Access.SEND_OWN,
        "Send an email once more",
        answers={202: answers.AcceptedEmail},
        problems=(409, 410),
        without_body="this call has no body, and nothing was sent. Send another email: POST /api/emails",
    ),
    "mark_email_sent": Operation(
        "POST",
        "emails/{id}/mark-sent",
        Access.SEND,
        "Say that a held email was sent",
        answers={200: answers.Email},
        problems=(409,),
        without_body="leave the body out; the email was not marked as sent",
    ),
    "accept_email_batch": Operation(
        "POST",
        "email-batches",
        Access.SEND,
        "Send up to 100 emails",
        body=BatchBody,
        largest_body=HOST_LIMIT,
        answers={207: answers.BatchResult},
        problems=(429,),
    ),
    "make_draft_file": Operation(
        "POST",
        "eml",
        Access.SEND_OWN,
        "Make a draft for the user's own mail app",
        body=EmailBody,
        largest_body=HOST_LIMIT,
        answers={200: MIME},
    ),
    "read_distributor": Operation(
        "GET", "distributor", Access.ADMIN, "Read how batch mail is sent", answers={200: answers.Distributor}
    ),
    "change_distributor": Operation(
        "PATCH",
        "distributor",
        Access.ADMIN,
        "Change how batch mail is sent",
        body=DistributorBody,
        answers={200: answers.Distributor},
        problems=(409,),
    ),
    "list_users": Operation(
        "GET", "users", Access.ADMIN, "List the users", query=UsersQuery, answers={200: answers.UserPage}
    ),
    "read_user": Operation(
        "GET", "users/{id}", Access.SIGNED_IN, "Read a user, or yourself as me", answers={200: answers.User}
    ),
    "write_user": Operation(
        "PUT",
        "users/{id}",
        Access.ADMIN,
        "Add or change a user",
        body=UserBody,
        answers={200: answers.User, 201: answers.User},
        problems=(409,),
    ),
    "delete_user": Operation(
        "DELETE",
        "users/{id}",
        Access.ADMIN,
        "Delete a user; their emails stay",
        answers={204: None},
        problems=(409,),
    ),
    "import_users": Operation(
        "POST",
        "users/import",
        Access.ADMIN,
        "Add and change many users: each line of a file is one",
        body=UserBody,
        takes=(CSV,),
        largest_body=HOST_LIMIT,
        answers={200: answers.Imported},
    ),
    "read_user_options": Operation(
        "GET",
        "users/{id}/options",
        Access.SIGNED_IN,
        "Read what a user has chosen",
        answers={200: answers.UserOptions},
    ),
    "change_user_options": Operation(
        "PATCH",
        "users/{id}/options",
        Access.SIGNED_IN,
        "Change what a user has chosen",
        body=OptionsBody,
        answers={200: answers.UserOptions},
        problems=(409,),
    ),
    "list_apps": Operation(
        "GET", "apps", Access.ADMIN, "List the apps that are limited to some senders", answers={200: answers.Apps}
    ),
    "read_app": Operation("GET", "apps/{id}", Access.ADMIN, "Read as whom an app may send", answers={200: answers.App}),
    "write_app": Operation(
        "PUT", "apps/{id}", Access.ADMIN, "Limit an app to some senders", body=AppBody, answers={200: answers.App}
    ),
    "delete_app": Operation("DELETE", "apps/{id}", Access.ADMIN, "Let an app send as anybody", answers={204: None}),
    "list_providers": Operation(
        "GET",
        "providers",
        Access.ADMIN,
        "List the providers and how each stands",
        answers={200: answers.Providers},
    ),
    "read_parameters": Operation(
        "GET",
        "parameters",
        Access.ADMIN,
        "Read all parameters",
        answers={200: answers.Parameters},
        mends=True,
    ),
    "export_parameters": Operation(
        "GET",
        "parameters/export",
        Access.ADMIN,
        "Read what is stored of them, as the change that stores it elsewhere",
        answers={200: ParametersBody},
        mends=True,
    ),
    "change_parameters": Operation(
        "PATCH",
        "parameters",
        Access.ADMIN,
        "Change parameters",
        body=ParametersBody,
        answers={200: answers.Parameters},
        problems=(412, 428),
        headers=_IF_MATCH,
        mends=True,
    ),
    "read_secret_state": Operation(
        "GET", "secrets/{name}", Access.ADMIN, "Read whether a secret is set", answers={200: answers.Secret}, mends=True
    ),
    "write_secret": Operation(
        "PUT", "secrets/{name}", Access.ADMIN, "Set a secret", body=SecretBody, answers={204: None}, mends=True
    ),
    "send_test_email": Operation(
        "POST",
        "test-email",
        Access.ADMIN,
        "Try a provider, step by step",
        body=RehearsalBody,
        answers={200: answers.Rehearsal},
    ),
    "list_audit": Operation(
        "GET",
        "audit",
        Access.ADMIN,
        "List who changed what",
        query=AuditQuery,
        answers={200: answers.AuditPage},
        mends=True,
    ),
    "health": Operation(
        "GET", "health", Access.OPEN, "Whether this instance could do its work", answers={200: answers.Health}
    ),
    "examine_app": Operation(
        "GET",
        "doctor",
        Access.ADMIN,
        "Look at all that sending depends on",
        answers={200: answers.Examination},
        mends=True,
    ),
    "health_details": Operation(
        "GET",
        "health/details",
        Access.ADMIN,
        "What is wrong with the parameters",
        answers={200: answers.HealthDetails},
        mends=True,
    ),
    "read_openapi": Operation("GET", "openapi.json", Access.OPEN, "This document", answers={200: JSON}, mends=True),
    "show_docs": Operation(
        "GET", "docs", Access.OPEN, "This document as a page", answers={200: "text/html"}, mends=True
    ),
    "show_docs_part": Operation(
        "GET",
        "docs/{name}",
        Access.OPEN,
        "What that page is made of",
        answers={200: "application/octet-stream"},
        mends=True,
    ),
}


def allowed_methods(path: str) -> list[str]:
    """What may be done with a path, OPTIONS included; nothing where there is no such path."""
    found = {method for one in OPERATIONS.values() if one.matches(path) for method in one.methods}
    return sorted(found | {"OPTIONS"}) if found else []
