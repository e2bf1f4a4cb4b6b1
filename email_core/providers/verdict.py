"""What a diagnosis means for an email: the same rule for every provider that goes by the catalogue. Pure."""

import re
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from email_core.diagnosis import Diagnosis, diagnose
from email_core.providers.base import BEFORE_MAIL, OutcomeKind
from email_core.text import without_control_characters

LATER = timedelta(hours=1)  # a quota or a full mailbox: sooner would only count as one more try
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # what clients make of octets that are no UTF-8, and no storage takes


def kind_of(found: Diagnosis, stage: str, *, for_good: bool) -> OutcomeKind:
    """By the catalogue; for what it does not know, by what the answer's code says."""
    if found.category in ("configuration", "credentials"):
        return OutcomeKind.CONFIGURATION
    ends = for_good if found.category == "unknown" else found.retry == "no"
    if not ends:
        return OutcomeKind.TRANSIENT
    if stage not in BEFORE_MAIL:
        return OutcomeKind.PERMANENT
    return OutcomeKind.CONFIGURATION if stage in ("tls", "credential", "auth") else OutcomeKind.TRANSIENT


def wait_of(found: Diagnosis) -> timedelta | None:
    """None where the usual wait will do."""
    return LATER if found.retry == "later" else None


def words_of(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


_IN_PLAIN_WORDS = {  # by the diagnosis of what the network said; `server` and `port` are whom it was to reach
    "network-name-unknown": "the name {server} cannot be found",
    "network-name-lookup-failed": "no name server says where {server} is",
    "network-refused": "nobody listens on {server}:{port}",
    "network-unreachable": "there is no way through the network to {server}:{port}",
    "network-timeout": "{server}:{port} does not answer",
}


def no_connection(
    error: BaseException, words: Callable[[BaseException], str], *, provider: str, stage: str, server: str, port: int
) -> str:
    """What became of a connection, in plain words, and then in the network's own: those of the first error behind it
    that the catalogue knows. `server` is empty where it is not known which one it was."""
    for link in chain(error) if server else ():
        own = words(link)
        plain = _IN_PLAIN_WORDS.get(diagnose(provider=provider, stage=stage, reply=own).id)
        if plain is not None:
            return f"{plain.format(server=server, port=port)}: {own}"
    return f"no connection to the server: {words(error)}"


def place_of(url: str) -> tuple[str, int]:
    """The host and the port of an https address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


def clean(text: str) -> str:
    """Of a server's words, which may be octets of any kind: text on one line that can be stored."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return without_control_characters(_LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised for."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def tls_failure(error: BaseException) -> tuple[ssl.SSLError, bool] | None:
    """What TLS failed for, and whether it only broke off: that may pass, a certificate that is not trusted does not."""
    for link in chain(error):
        if isinstance(link, ssl.SSLError):
            return link, isinstance(link, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError))
    return None
