"""The Idempotency-Key header: the same request sent twice is one email."""

from collections.abc import Mapping

from email_core.caller import Caller
from email_core.errors import FieldProblem, InvalidEmail
from email_core.idempotency import LONGEST_KEY
from email_core.text import has_control_character

HEADER = "Idempotency-Key"


def idempotency_key(headers: Mapping[str, str], caller: Caller) -> str | None:
    """The caller's own: nobody meets the key of another. Raises InvalidEmail for one that is none."""
    key = headers.get(HEADER.lower())
    if key is None:
        return None
    if problem := _problem_of(key):
        raise InvalidEmail(FieldProblem(HEADER, f"{problem}: use a UUID"))
    return f"{caller.id}\n{key}"


def _problem_of(key: str) -> str | None:
    if not key.strip():
        return "is empty"
    if len(key) > LONGEST_KEY:
        return f"is longer than {LONGEST_KEY} characters"
    return "has a control character (a line break, a tab, ...)" if has_control_character(key) else None


def refuse_key(headers: Mapping[str, str]) -> None:
    """For a door that takes none: nobody shall believe to be safe from sending twice there."""
    if headers.get(HEADER.lower()) is not None:
        raise InvalidEmail(FieldProblem(HEADER, "is not taken here: it belongs to one email, POST /api/emails"))
