"""What a diagnosis means for an email: the same rule for every provider that goes by the catalogue. Pure."""

import ssl
from collections.abc import Iterator
from datetime import timedelta

from email_core.diagnosis import Diagnosis
from email_core.providers.base import BEFORE_MAIL, OutcomeKind

LATER = timedelta(hours=1)  # a quota or a full mailbox: sooner would only count as one more try


def kind_of(found: Diagnosis, stage: str, *, for_good: bool) -> OutcomeKind:
    """By the catalogue; for what it does not know, by what the answer's code says."""
    if found.category == "credentials" and found.retry == "soon":
        return OutcomeKind.TRANSIENT  # a token that was too old
    if found.category in ("configuration", "credentials"):
        return OutcomeKind.CONFIGURATION
    ends = for_good if found.category == "unknown" else found.retry == "no"
    if not ends:
        return OutcomeKind.TRANSIENT
    return OutcomeKind.CONFIGURATION if stage in BEFORE_MAIL else OutcomeKind.PERMANENT


def wait_of(found: Diagnosis) -> timedelta | None:
    """None where the usual wait will do."""
    return LATER if found.retry == "later" else None


def words_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


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
