"""What an answer of Graph, or none, means for an email. Pure; the catalogue decides first, by the error code."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from email_core.diagnosis import Diagnosis, diagnose
from email_core.providers.base import BEFORE_MAIL, Outcome, OutcomeKind
from email_core.providers.entra import NoToken

PROVIDER = "graph"
LATER = timedelta(hours=1)  # a quota or a full mailbox: sooner would only count as one more try
SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER = timedelta(seconds=1), timedelta(days=1)
LONGEST_WORDS = 300  # characters of an answer that is no error of Graph's
GATEWAY_LOST_IT = frozenset({502, 504})  # whoever answers did not hear from the one who may have sent it


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """None where the body is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def member(self, name: str) -> Any:
        body = self.json()
        return body.get(name) if isinstance(body, dict) else None

    @property
    def error_code(self) -> str:
        error = self.member("error")
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    @property
    def words(self) -> str:
        """`403 ErrorAccessDenied: Access is denied.`, or what else was answered, on one line."""
        error = self.member("error")
        if isinstance(error, dict):
            text = f"{error.get('code', '')}: {error.get('message', '')}"
        else:
            text = self.body[:LONGEST_WORDS].decode("utf-8", "replace")
        return " ".join(f"{self.status} {text}".split())


class Refused(Exception):
    """A request came to nothing. `outcome` says what that means for the email; `answer` is None where none came."""

    def __init__(self, outcome: Outcome, answer: Answer | None = None) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome
        self.answer = answer


def outcome_of_answer(answer: Answer, now: datetime, *, sends: bool = False) -> Outcome:
    """Of an answer that is not the one that was wanted. `sends`: the email may have been sent all the same, where a
    gateway answered in Graph's place."""
    stage = "auth" if answer.status == 401 else "request"
    found = diagnose(provider=PROVIDER, stage=stage, code=answer.status, reply=answer.words)
    if sends and answer.status in GATEWAY_LOST_IT and not answer.error_code:
        kind = OutcomeKind.UNCONFIRMED
    else:
        kind = _kind(found, stage, for_good=400 <= answer.status < 500)
    asked = retry_after(answer.headers.get("retry-after"), now)
    wait = asked if asked is not None else LATER if found.retry == "later" else None
    return Outcome(kind=kind, reply=answer.words, retry_after=wait, stage=stage, code=answer.status)


def outcome_of_no_token(failure: NoToken) -> Outcome:
    outcome = _outcome_of_words("auth", failure.words, mends_itself=failure.mends_itself)
    return Outcome(
        kind=outcome.kind, reply=outcome.reply, retry_after=outcome.retry_after, stage="auth", trace=failure.trace
    )


def outcome_of_network(error: BaseException, *, stage: str = "request") -> Outcome:
    """Of a request that cannot have been answered. TLS that fails is a matter of configuration, but where it broke
    off."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLError):
            broke_off = isinstance(link, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError))
            return _outcome_of_words("tls", f"no TLS with the server: {link}", mends_itself=broke_off)
    return _outcome_of_words(stage, f"no connection to the server: {_words_of(error)}", mends_itself=True)


def lost(error: BaseException) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNCONFIRMED, reply=f"the answer to the content was lost: {_words_of(error)}", stage="request"
    )


def asks_for_less(outcome: Outcome) -> bool:
    """Whether other mail of the mailbox would fare the same: the rate is over its limit, not one request too many at
    once."""
    return outcome.code == 429 and "mailboxconcurrency" not in outcome.reply.replace(" ", "").lower()


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Whole seconds, fractions of them, or a date (RFC 9110, 10.2.3). None where it is missing or means nothing."""
    if not text:
        return None
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(wait, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)


def _outcome_of_words(stage: str, words: str, *, mends_itself: bool) -> Outcome:
    found = diagnose(provider=PROVIDER, stage=stage, code=None, reply=words)
    wait = LATER if found.retry == "later" else None
    return Outcome(kind=_kind(found, stage, for_good=not mends_itself), reply=words, retry_after=wait, stage=stage)


def _kind(found: Diagnosis, stage: str, *, for_good: bool) -> OutcomeKind:
    """By the catalogue, and for what it does not know by the status: 4xx refuses."""
    if found.category == "credentials" and found.retry == "soon":
        return OutcomeKind.TRANSIENT  # a token that was too old
    if found.category in ("configuration", "credentials"):
        return OutcomeKind.CONFIGURATION
    ends = for_good if found.category == "unknown" else found.retry == "no"
    if not ends:
        return OutcomeKind.TRANSIENT
    return OutcomeKind.CONFIGURATION if stage in BEFORE_MAIL else OutcomeKind.PERMANENT


def _words_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
