"""Reads a reply as received (SMTP lines, JSON, an exception's text) into what the catalogue is matched with. Pure.

Whatever differs between two answers of one meaning goes: upper case, line breaks, addresses, host names.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LOOKED_AT = 4_000  # characters; an answer says what it has to say in the first few hundred
LONGEST_WORD = 100  # characters; so no pattern takes long, whatever is sent
HTTP_PROVIDERS = frozenset({"graph", "exchange"})

_ENHANCED = r"[45]\.\d\.\d{1,3}(?!\.?\d)"  # RFC 3463; no part of an IP address, a version or a queue id
_OPENING = r"[\s#<\[(b'\"]{0,4}"  # what stands between the codes: `550 #5.1.1`, `550-<5.1.1`, `(550, b'5.1.1`
_BOTH_CODES = re.compile(rf"(?<![\w.:/])([45]\d\d)[ ,;:-]{_OPENING}({_ENHANCED})")
_ENHANCED_ALONE = re.compile(rf"(?<![\w.=/@-])(?<!::)(?<!version )({_ENHANCED})(?![\w/@-])")
_STATUS_FIRST = re.compile(r"[\s\"'(<\[]*(?:smtp[;:]\s*)?([45]\d\d)(?![\w.:])")
_STATUS_ANYWHERE = re.compile(  # only those that servers use: a text may have any number
    r"(?<![\w.:/#-])(?<!port )"
    r"(421|432|45[0-5]|458|471|50[0-4]|510|511|512|521|523|530|534|535|538|541|55[0-6]|571)"
    r"(?=[\s,:;)\]'\"-]|$)(?! (?:octets|bytes|kb|mb|seconds|minutes|hours|days|messages|recipients))"
)
_HTTP_STATUS = re.compile(
    r"(?:\A|http(?:/[\d.]+)?|status(?:[ _-]?code)?|error|code|<title>|<h1>|')[\s\"':=(]{0,4}([1-5]\d\d)(?![\w.])"
)

_CODES = re.compile(
    rf"(?:(?<![\w.:/])[2-5]\d\d[ ,;:-]{_OPENING})?(?<![\d.])#?{_ENHANCED}|^[ \t]*[2-5]\d\d(?:[ -]|$)", re.M
)
_ADDRESS = re.compile(r"<(?!lf>|cr)[^<>\s]{0,320}>|[^\s<>()\[\]'\",;:]{1,64}@[^\s<>()\[\]'\",;]{1,255}")
_TOP_LEVEL = (
    "com|net|org|edu|gov|mil|info|biz|io|co|cloud|eu|uk|de|fr|nl|ch|se|dk|pl|cz|ru|jp|cn|br|ca|au|us|"
    "example|test|invalid|local|localdomain|localhost|internal|lan|corp"
)
_HOST = re.compile(
    rf"(?<![\w.-])(?:https?://)?(?:[\w-]{{1,63}}\.){{1,10}}(?:{_TOP_LEVEL})\b(?![.-]\w)(?:[:/][^\s\"'<>)]*)?"
)
_TELLING_HOST = re.compile(  # names of block lists, and of what is not a mail server
    r"spamhaus|spamcop|sorbs|barracudacentral|uceprotect|abuseat|abusix|senderscore|dnsbl|\brbl|vault\.azure|"
    r"exception|storedrv|resolver|smtpsend"
)
_ESCAPE = re.compile(r"\\(?:[rnt]|u00[0-9a-f]{2})")  # of JSON and of Python's bytes
_TOKEN = re.compile(r"[a-z][a-z0-9_]{4,63}")
_ENTRA_CODES = re.compile(r"error_codes\W{1,6}(\d{5,8})")
_QUOTES = str.maketrans("’‘“”", "''\"\"")


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is SMTP's or HTTP's; `enhanced` as in 5.1.1; `name` the first error code that the catalogue knows."""

    provider: str
    stage: str
    status: int | None
    enhanced: str
    name: str
    words: str

    @property
    def family(self) -> int | None:
        """SMTP's class: 4 asks to try again, 5 refuses for good. The status decides where the two codes disagree."""
        if self.provider in HTTP_PROVIDERS:
            return None
        if self.status is not None:
            return self.status // 100
        return int(self.enhanced[0]) if self.enhanced else None


def read(provider: str, stage: str | None, code: int | None, reply: str, known_names: frozenset[str]) -> Answer:
    provider, start = provider.strip().lower(), reply[:LOOKED_AT]
    text = _ESCAPE.sub("\n", start.lower().translate(_QUOTES))
    status = code if code is not None and 200 <= code < 600 else _status_of(text, provider)
    return Answer(
        provider=provider,
        stage=(stage or "").strip().lower(),
        status=status,
        enhanced=_enhanced_of(text, status),
        name=next((name for name in _names(start, text) if name in known_names), ""),
        words=words_of(text),
    )


def words_of(text: str) -> str:
    """Of a text in lower case: what it says, without codes, addresses and host names."""
    text = _CODES.sub(" ", _ADDRESS.sub(" ", text))
    return " ".join(word[:LONGEST_WORD] for word in _HOST.sub(_unless_telling, text).split())


def _unless_telling(host: re.Match[str]) -> str:
    return host[0] if _TELLING_HOST.search(host[0]) else " "


def _status_of(text: str, provider: str) -> int | None:
    if provider in HTTP_PROVIDERS:
        found = _HTTP_STATUS.search(text)
    else:
        found = _STATUS_FIRST.match(text) or _BOTH_CODES.search(text) or _STATUS_ANYWHERE.search(text)
    return int(found[1]) if found else None


def _enhanced_of(text: str, status: int | None) -> str:
    """The one beside a status, wherever these two stand; else one of the status's class."""
    if both := _BOTH_CODES.search(text):
        return both[2]
    alone = (found[1] for found in _ENHANCED_ALONE.finditer(text))
    return next((code for code in alone if status is None or int(code[0]) == status // 100), "")


def _names(reply: str, text: str) -> Iterator[str]:
    """What may be an error code, the likeliest first: `error.code` of a JSON body, then any word."""
    yield _outer_code(reply).lower()
    yield from ("aadsts" + number for number in _ENTRA_CODES.findall(text))
    yield from _TOKEN.findall(text)


def _outer_code(reply: str) -> str:
    try:
        body: Any = json.loads(reply)
        code = body["error"]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) else ""
