"""What an answer of Graph, or none, means for an email. Pure; the catalogue decides first, by the error code."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from email_core.diagnosis import diagnose
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.entra import NoToken
from email_core.providers.verdict import clean, kind_of, no_connection, place_of, tls_failure, wait_of, words_of

PROVIDER = "graph"
SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER = timedelta(seconds=1), timedelta(days=1)
LONGEST_WORDS = 300  # characters of an answer that is no error of Graph's
GATEWAY_LOST_IT = frozenset({502, 504})  # whoever answers did not hear from the one who may have sent it
OF_EXCHANGE = "Error"  # so begin the codes of the mailbox's own server; a gateway, Graph's too, has others


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
        except (ValueError, RecursionError):
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
        return clean(" ".join(f"{self.status} {text}".split()))


class Refused(Exception):
    """A request came to nothing. `outcome` says what that means for the email; `answer` is None where none came."""

    def __init__(self, outcome: Outcome, answer: Answer | None = None) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome
        self.answer = answer


def outcome_of_answer(answer: Answer, now: datetime, *, sends: bool = False) -> Outcome:
    """Of an answer that is not the one that was wanted. `sends`: the email may have been sent all the same, where a
    gateway answered in the mailbox's place. An answer without an error code is not Graph's, and ends no email."""
    stage = "auth" if answer.status == 401 else "request"
    found = diagnose(provider=PROVIDER, stage=stage, code=answer.status, reply=answer.words)
    if sends and answer.status in GATEWAY_LOST_IT and not answer.error_code.startswith(OF_EXCHANGE):
        kind = OutcomeKind.UNCONFIRMED
    else:
        kind = kind_of(found, stage, for_good=400 <= answer.status < 500 and bool(answer.error_code))
    asked = retry_after(answer.headers.get("retry-after"), now)
    wait = asked if asked is not None else wait_of(found)
    return Outcome(kind=kind, reply=answer.words, retry_after=wait, stage=stage, code=answer.status)


def outcome_of_no_token(failure: NoToken) -> Outcome:
    outcome = _outcome_of_words("credential", failure.words, mends_itself=failure.mends_itself)
    return replace(outcome, trace=failure.trace)


def outcome_of_network(error: BaseException, url: str = "", *, stage: str = "request") -> Outcome:
    """Of a request that cannot have been answered, to the server of `url` where it may be at fault. TLS that fails is a
    matter of configuration, but where it broke off."""
    tls = tls_failure(error)
    if tls is not None:
        return _outcome_of_words("tls", f"no TLS with the server: {tls[0]}", mends_itself=tls[1])
    server, port = place_of(url)
    words = no_connection(error, words_of, provider=PROVIDER, stage=stage, server=server, port=port)
    return _outcome_of_words(stage, words, mends_itself=True)


def lost(error: BaseException) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNCONFIRMED, reply=f"the answer to the content was lost: {words_of(error)}", stage="request"
    )


def asks_for_less(outcome: Outcome) -> bool:
    """Whether other mail of the mailbox would fare the same: the rate is over its limit, not one request too many at
    once."""
    return outcome.code == 429 and "mailboxconcurrency" not in outcome.reply.replace(" ", "").lower()


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Whole seconds, fractions of them, or a date (RFC 9110, 10.2.3). None where it is missing or means nothing."""
    seconds = _seconds(text, now) if text else math.nan
    if math.isnan(seconds):
        return None
    shortest, longest = SHORTEST_RETRY_AFTER.total_seconds(), LONGEST_RETRY_AFTER.total_seconds()
    return timedelta(seconds=min(max(seconds, shortest), longest))


def _seconds(text: str, now: datetime) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return math.nan
    return (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()


def _outcome_of_words(stage: str, words: str, *, mends_itself: bool) -> Outcome:
    found = diagnose(provider=PROVIDER, stage=stage, code=None, reply=words)
    kind = kind_of(found, stage, for_good=not mends_itself)
    return Outcome(kind=kind, reply=words, retry_after=wait_of(found), stage=stage)
