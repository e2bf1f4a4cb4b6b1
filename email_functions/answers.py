"""What callers get to see, as types: `representations` makes values of them, the OpenAPI document their schemas.

A time is RFC 3339 in UTC, to the millisecond, ending in Z.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic wants this one below Python 3.12

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]

StatusName = Literal["Unsent", "Sending", "Sent", "Failed", "Expired", "Canceled"]
ModeName = Literal["batch", "interactive"]


class ProblemError(TypedDict):
    """One thing that is wrong: where (a JSON pointer into the body, `?name` of the query string, a header's name), and
    what to do about it."""

    pointer: str
    detail: str


@with_config(ConfigDict(extra="allow"))
class Problem(TypedDict):
    """RFC 9457. Some kinds have further members, like `size` and `limit` of an email that is too large."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[ProblemError]]


class Links(TypedDict):
    """Relative to the host. `cancel` is there while it may still work."""

    self: str
    eml: str
    cancel: NotRequired[str]


class AcceptedEmail(TypedDict):
    id: str
    status: StatusName
    links: Links


class NamedAddress(TypedDict):
    address: str
    name: str


class Diagnosis(TypedDict):
    """What an answer of a provider means, and what to do about it."""

    id: str
    title: str
    explanation: str
    fix: str


class EmailDiagnosis(Diagnosis):
    """`next`: what happens by itself."""

    next: str


DryRun = TypedDict(
    "DryRun",
    {
        "dry_run": Literal[True],
        "mode": ModeName,
        "user": str | None,
        "provider": str,
        "from": NamedAddress,
        "rules": list[str],
        "recipients": list[str],
        "size": int,
        "send_at": Time | None,
        "expires_at": Time | None,
    },
)


class EmailAttempt(TypedDict):
    """One try to send. `reply` is the provider's own words, `trace` names the calls for the provider's support."""

    at: Time
    provider: str
    outcome: str
    reply: str
    seconds: float
    trace: str | None


class EmailRecipient(TypedDict):
    address: str
    status: StatusName
    reply: str | None
    diagnosis: Diagnosis | None


Email = TypedDict(
    "Email",
    {
        "id": str,
        "status": StatusName,
        "mode": ModeName,
        "provider": str,
        "user": Annotated[str | None, Field(description="On whose behalf it is sent.")],
        "from": NamedAddress,
        "to": list[NamedAddress],
        "cc": list[NamedAddress],
        "bcc": list[NamedAddress],
        "subject": str,
        "size": Annotated[int, Field(description="Of the whole message, in octets.")],
        "created_at": Annotated[Time, Field(description="When it was accepted.")],
        "updated_at": Time,
        "ended_at": Annotated[
            Time | None, Field(description="Null while it is Unsent or Sending: it may yet be sent, or canceled.")
        ],
        "send_at": Annotated[Time | None, Field(description="Not before this time.")],
        "expires_at": Annotated[Time | None, Field(description="When it becomes Expired, if it is unsent by then.")],
        "next_attempt_at": Time | None,
        "held": Annotated[
            bool,
            Field(description="Nobody knows whether it was sent: an administrator resends it, or marks it as sent."),
        ],
        "content_deleted": Annotated[
            bool, Field(description="Its message was deleted before its record: it cannot be read, or sent once more.")
        ],
        "deferrals": Annotated[int, Field(description="How often a limit of any kind made it wait.")],
        "deferred": Annotated[str | None, Field(description="Which limit that was, in words.")],
        "attempts": Annotated[list[EmailAttempt], Field(description="The newest 20, the last one last.")],
        "recipients": Annotated[
            list[EmailRecipient], Field(description="Each with its own fate: one may be refused and the others served.")
        ],
        "message_id": Annotated[
            str, Field(description="The header Message-ID, by which a mail server's log names it.")
        ],
        "metadata": Annotated[dict[str, str], Field(description="The app's own references.")],
        "diagnosis": Annotated[
            EmailDiagnosis | None,
            Field(description="What stands in the way, and what mends it; null where nothing does."),
        ],
        "links": Links,
    },
)


class User(TypedDict):
    """`email` null: mail on their behalf needs a `from`. An `external` one has no mailbox in the organisation."""

    id: str
    name: str
    email: str | None
    external: bool
    company: str
    enabled: bool


class UserPage(TypedDict):
    """`next` is the `cursor` of the page after this one, null where nothing is left. A page may be short, even empty,
    and have a next one."""

    items: list[User]
    next: str | None


class UserOptions(TypedDict):
    """`provider` null: ask. `last_choice`: what was chosen when last asked, which is used meanwhile. `choices`: what
    may be chosen now."""

    provider: str | None
    last_choice: str | None
    ask_again: bool
    sender: str | None
    workflow_notifications: bool
    choices: list[str]


class Imported(TypedDict):
    imported: int


class Pause(TypedDict):
    """Why nothing goes through a provider, and until when; null where only an administrator ends it. `refusals` counts
    those since it last worked."""

    until: Time | None
    refusals: int
    reply: str
    diagnosis: Diagnosis | None


class EmailsPause(Pause):
    provider: str


class EmailInFull(Email):
    """`waits_for`: the pause of its provider or of the distributor, where that is what keeps it waiting."""

    waits_for: EmailsPause | None


class EmailPage(TypedDict):
    """`next` is the `cursor` of the page after this one, null where nothing is left. A page may be short, even empty,
    and have a next one."""

    items: list[Email]
    next: str | None


class AcceptedItem(TypedDict):
    status: Literal[202]
    id: str
    links: Links


class RefusedItem(TypedDict):
    status: int
    problem: Problem


class BatchResult(TypedDict):
    """One item for each email, in their order."""

    items: list[AcceptedItem | RefusedItem]


class Recurrence(TypedDict):
    every_minutes: int
    end_after_runs: int | None
    end_date: str | None


class Distributor(TypedDict):
    """`on` is false where the recurrence has come to its end. `rate`: emails sent in the last minute."""

    enabled: bool
    recurrence: Recurrence
    on: bool
    runs: int
    last_run: Time | None
    next_run: Time | None
    backlog: int
    backlog_is_more: bool
    oldest: Time | None
    sending: int
    rate: int


class AuditBy(TypedDict):
    id: str
    name: str


class AuditEvent(TypedDict):
    id: str
    at: Time
    by: AuditBy
    action: str
    subject: str
    before: str | None
    after: str | None


class AuditPage(TypedDict):
    items: list[AuditEvent]
    next: str | None


class App(TypedDict):
    """As whom an app may send: addresses, and whole domains like `@contoso.com`."""

    client_id: str
    name: str
    senders: list[str]


class Apps(TypedDict):
    items: list[App]


class ParameterProblem(TypedDict):
    """`name` is the parameter's, or an app setting's that is none."""

    name: str
    problem: str
    fix: str


class Parameter(TypedDict):
    """`value` is what was written, also where it is wrong: then it is not used. `limits` are the least and the most."""

    name: str
    group: str
    value: str | int | bool | None
    source: Literal["stored", "app setting", "default"]
    default: str | int | bool | None
    description: str
    unit: str | None
    choices: list[str] | None
    limits: list[int] | None


class Parameters(TypedDict):
    """`warnings`: what is allowed and may yet be a mistake."""

    items: list[Parameter]
    problems: list[ParameterProblem]
    warnings: list[str]


class Secret(TypedDict):
    """Never the value."""

    set: bool
    updated_at: Time | None


class Limit(TypedDict):
    """`per_minute`: 0 means none. `in_force` is less while the provider says that it is too much. `in_line`: emails
    that wait behind what is reserved."""

    per_minute: int
    in_force: int
    used_last_minute: int
    reserved_ahead: int
    in_line: int
    next_at: Time | None


class DayLimit(TypedDict):
    """Of the mailbox that all batch mail goes through. `recipients_per_day`: 0 means none. The others are null where
    there is no limit, or where each mailbox that mail is from has its own."""

    recipients_per_day: int
    used_last_day: int | None
    reserved_ahead: int | None
    next_at: Time | None


class Provider(TypedDict):
    name: str
    configured: bool
    enabled: bool
    batch: bool
    interactive: bool
    paused: Pause | None
    limit: Limit
    day_limit: DayLimit
    warnings: list[str]
    features: dict[str, Any]


class Providers(TypedDict):
    items: list[Provider]


class RehearsalStep(TypedDict):
    name: str
    outcome: Literal["succeeded", "failed"]
    detail: str
    seconds: float


class Rehearsal(TypedDict):
    """What became of a test email, step by step."""

    outcome: str
    reply: str
    seconds: float
    steps: list[RehearsalStep]
    diagnosis: Diagnosis | None


class Health(TypedDict):
    status: Literal["ok"]


class Finding(TypedDict):
    """`fix` is empty where there is nothing to mend. `skipped` was not looked at: `detail` says why."""

    verdict: Literal["ok", "warning", "failed", "skipped"]
    what: str
    detail: str
    fix: str


class FindingSection(TypedDict):
    title: str
    findings: list[Finding]


class FindingCounts(TypedDict):
    ok: int
    warning: int
    failed: int
    skipped: int


class Examination(TypedDict):
    """What the doctor found. Nothing was sent; no secret and no whole address is among it."""

    counts: FindingCounts
    sections: list[FindingSection]


class HealthDetails(TypedDict):
    """`closed`: no mail is accepted or sent until the problems are mended. `incomplete`: some is not."""

    status: Literal["ok", "incomplete", "closed"]
    problems: list[ParameterProblem]
    warnings: list[str]
