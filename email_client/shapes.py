"""What goes in and what comes out, as the OpenAPI document has it. A time is text, RFC 3339 in UTC; an answer may have
more fields than these."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

Mode = Literal["batch", "interactive"]
Status = Literal["Unsent", "Sending", "Sent", "Failed", "Expired", "Canceled"]


class Address(TypedDict):
    address: str
    name: NotRequired[str]


class Attachment(TypedDict):
    """`content` is base64: `attachment` makes one. One that is `inline` is shown in the HTML by `cid:<content_id>`."""

    name: str
    content: str
    content_type: NotRequired[str | None]
    inline: NotRequired[bool]
    content_id: NotRequired[str | None]


NewEmail = TypedDict(
    "NewEmail",
    {
        "from": str | Address,
        "to": Sequence[str | Address],
        "cc": Sequence[str | Address],
        "bcc": Sequence[str | Address],
        "reply_to": Sequence[str | Address],
        "subject": str,
        "text": str,
        "html": str,
        "attachments": Sequence[Attachment],
        "headers": Mapping[str, str],
        "importance": Literal["low", "normal", "high"],
        "mode": Mode,
        "user": str,
        "provider": str,
        "send_at": str,
        "expires_at": str,
        "metadata": Mapping[str, str],
    },
    total=False,
)


class Filters(TypedDict, total=False):
    """What a list shows: accepted from `since` on and before `until`; `q` is a part of the subject."""

    view: Literal["history", "unsent"]
    status: Status
    sender: str
    recipient: str
    provider: str
    mode: Mode
    user: str
    since: datetime
    until: datetime
    q: str


class FieldProblem(TypedDict):
    pointer: str
    detail: str


class Problem(TypedDict):
    """RFC 9457. Some kinds have further members."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FieldProblem]]


class Links(TypedDict):
    self: str
    eml: str
    cancel: NotRequired[str]


class Accepted(TypedDict):
    id: str
    status: Status
    links: Links


class BatchItem(TypedDict):
    """202 with the `id`, or another status with the `problem`."""

    status: int
    id: NotRequired[str]
    links: NotRequired[Links]
    problem: NotRequired[Problem]


DryRun = TypedDict(
    "DryRun",
    {
        "dry_run": Literal[True],
        "mode": Mode,
        "provider": str,
        "from": Address,
        "recipients": list[str],
        "size": int,
        "send_at": str | None,
        "expires_at": str | None,
    },
)


class Diagnosis(TypedDict):
    """What stands in the way, and what mends it. An email's own has `next`: what happens by itself."""

    id: str
    title: str
    explanation: str
    fix: str
    next: NotRequired[str]


class Attempt(TypedDict):
    at: str
    provider: str
    outcome: str
    reply: str
    seconds: float
    trace: str | None


class Recipient(TypedDict):
    address: str
    status: Status
    reply: str | None
    diagnosis: Diagnosis | None


Email = TypedDict(
    "Email",
    {
        "id": str,
        "status": Status,
        "mode": Mode,
        "provider": str,
        "user": str | None,
        "from": Address,
        "to": list[Address],
        "cc": list[Address],
        "bcc": list[Address],
        "subject": str,
        "size": int,
        "created_at": str,
        "updated_at": str,
        "ended_at": str | None,
        "send_at": str | None,
        "expires_at": str | None,
        "next_attempt_at": str | None,
        "held": bool,
        "deferrals": int,
        "deferred": str | None,
        "attempts": list[Attempt],
        "recipients": list[Recipient],
        "message_id": str,
        "metadata": dict[str, str],
        "diagnosis": Diagnosis | None,
        "links": Links,
    },
)
