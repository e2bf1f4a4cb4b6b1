"""What a check returns: values that can be shown anywhere, without secrets and without whole addresses."""

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from email_core.errors import ConfigurationError, SecretUnreadable, StorageUnavailable
from email_core.logs import where
from email_core.message import masked

LONGEST_DETAIL = 2_000  # characters: longer is nothing of ours
# Anything that may be one (RFC 5321, 4.1.2), also as it stands in a URL. A local part begins where a word does, so that
# a long text is read once.
_ADDRESS = re.compile(
    r"""
    (?: "(?P<quoted> (?:[^"\\] | \\.)* )" | (?<! [^\s<>()\[\]",;:] ) '*+ (?P<local> [^\s<>()\[\]",;:]+ ) )
    (?: @ | %40 )
    (?P<domain> \[ [^\]\s]+ \] | [^\s<>()\[\]'",;:@]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # mail is sent all the same, or some of it
    FAILED = "failed"
    SKIPPED = "skipped"  # not looked at: the detail says why


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is for an administrator, and empty where there is nothing to mend."""

    verdict: Verdict
    what: str
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    findings: tuple[Finding, ...]


Found = TypeVar("Found", Finding, list[Finding])


def ok(what: str, detail: str) -> Finding:
    return Finding(Verdict.OK, what, shown(detail))


def warning(what: str, detail: str, fix: str) -> Finding:
    return Finding(Verdict.WARNING, what, shown(detail), shown(fix))


def failed(what: str, detail: str, fix: str = "") -> Finding:
    return Finding(Verdict.FAILED, what, shown(detail), shown(fix))


def skipped(what: str, why: str, fix: str = "") -> Finding:
    return Finding(Verdict.SKIPPED, what, shown(why), shown(fix))


def shown(text: str) -> str:
    """On one line, of a length that can be read, without control characters, and with addresses masked."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    line = _ADDRESS.sub(lambda found: masked(f"{found['quoted'] or found['local']}@{found['domain']}"), line)
    return line if len(line) <= LONGEST_DETAIL else line[: LONGEST_DETAIL - 1] + "…"


async def told(finding: Finding) -> Finding:
    """Of what is known without a check."""
    return finding


async def bounded(what: str, check: Awaitable[Found], seconds: float) -> Found | Finding:
    """What a check found, or what kept it from finding anything. Never raises, and takes no longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await check
    except TimeoutError:
        return failed(
            what, f"no answer within {seconds:g} seconds", "See that it can be reached from here, then again."
        )
    except ConfigurationError as error:
        return failed(what, f"{error.setting} {error.problem}", error.fix)
    except SecretUnreadable as error:
        return failed(what, str(error.reason), error.fix)
    except StorageUnavailable:
        return skipped(what, "the storage does not answer: see what is said of it")
    except Exception as error:  # noqa: BLE001 - one check that is wrong takes nothing from the others
        return failed(what, f"internal error: {where(error)}", "Report it, with this line.")
