"""What an error of Exchange Web Services, or none, means for an email. Pure; the catalogue decides first, by the name.

Errors come as exchangelib names them, which is as Exchange does (facts/ews-and-pop3.md); nothing of it is imported.
"""

import re
from datetime import timedelta

from email_core.diagnosis import diagnose
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.verdict import chain, clean, kind_of, no_connection, place_of, tls_failure, wait_of

PROVIDER = "exchange"
LONGEST_WORDS = 300  # characters: some errors repeat the whole answer
GATEWAY_LOST_IT = frozenset({502, 504})  # whoever answers did not hear from the one who may have sent it
NO_ANSWER = "ErrorTimeoutExpired"  # exchangelib's name for every connection that broke
SHORTEST_BACK_OFF, LONGEST_BACK_OFF = 1.0, 86_400.0  # seconds

_STATUS = re.compile(r"\bCode: (\d{3})\b|\bHTTP (\d{3})\b")
_UNREADABLE = re.compile(
    r"MalformedResponseError: No |SOAPError: (?:Bad|Unknown) SOAP response|TransportError: Empty ResponseCode"
)
_ANSWER = re.compile(r" headers: .*", re.DOTALL)
_NOT_CONNECTED = frozenset({"ConnectTimeout", "NewConnectionError", "ProxyError", "NameResolutionError"})


def outcome_of_error(error: BaseException, address: str) -> Outcome:
    """Of a message that was to be sent. `address` is that of the server's web services."""
    tls = tls_failure(error)
    if tls is not None:
        return _outcome("tls", f"no TLS with the server: {tls[0]}", for_good=not tls[1])
    name = type(error).__name__
    if name == NO_ANSWER:
        return _outcome_of_broken_connection(error, address)
    words = _words(error)
    code = _code(words)
    if code in GATEWAY_LOST_IT or _UNREADABLE.match(words):  # the server took the request, and what it says is lost
        return Outcome(kind=OutcomeKind.UNCONFIRMED, reply=words, stage="request", code=code)
    stage = "auth" if name == "UnauthorizedError" else "request"
    code = 401 if name == "UnauthorizedError" else code
    outcome = _outcome(stage, words, for_good=False, code=code)  # a status alone says nothing of the email
    back_off = getattr(error, "back_off", None)  # seconds, of ErrorServerBusy
    return outcome if not back_off else _waiting(outcome, back_off)


def outcome_of_words(stage: str, words: str, *, mends_itself: bool) -> Outcome:
    return _outcome(stage, words, for_good=not mends_itself)


def _outcome_of_broken_connection(error: BaseException, address: str) -> Outcome:
    kinds = {type(link).__name__ for link in chain(error)} | {type(one).__name__ for one in _reasons(error)}
    if kinds & _NOT_CONNECTED:
        server, port = place_of(address)
        words = no_connection(error, _words, provider=PROVIDER, stage="connect", server=server, port=port)
        return _outcome("connect", words, for_good=False)
    words = f"the answer to the content was lost: {_words(error)}"
    return Outcome(kind=OutcomeKind.UNCONFIRMED, reply=words, stage="request")


def _reasons(error: BaseException) -> list[object]:
    """urllib3 keeps what happened in what it raises, not behind it."""
    arguments = [argument for link in chain(error) for argument in link.args]
    return [reason for argument in arguments if (reason := getattr(argument, "reason", argument)) is not None]


def _outcome(stage: str, words: str, *, for_good: bool, code: int | None = None) -> Outcome:
    found = diagnose(provider=PROVIDER, stage=stage, code=code, reply=words)
    kind = kind_of(found, stage, for_good=for_good)
    return Outcome(kind=kind, reply=words, retry_after=wait_of(found), stage=stage, code=code)


def _waiting(outcome: Outcome, seconds: float) -> Outcome:
    wait = timedelta(seconds=min(max(seconds, SHORTEST_BACK_OFF), LONGEST_BACK_OFF))
    return Outcome(kind=outcome.kind, reply=outcome.reply, retry_after=wait, stage=outcome.stage, code=outcome.code)


def _code(words: str) -> int | None:
    found = _STATUS.search(words)
    return int(found[1] or found[2]) if found else None


def _words(error: BaseException) -> str:
    """`ErrorSendAsDenied: ...`, without the headers and the body that some errors have in their text."""
    text = " ".join(_ANSWER.sub("", str(error)).split())
    return clean(f"{type(error).__name__}: {text}"[:LONGEST_WORDS] if text else type(error).__name__)
