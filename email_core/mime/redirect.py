"""The header of a message that goes to another address than its recipients'."""

from collections.abc import Sequence

from email_core.mime.adopt import header_lines
from email_core.mime.headers import field, text

NAMED_IN_SUBJECT = 3
LONGEST_LINE = 998  # octets (RFC 5322, 2.1.1)
_RECIPIENTS = frozenset({b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc"})
_SIGNATURE = b"dkim-signature"  # of the header as it was: it would be wrong


def redirected_head(head: bytes, address: str, *, recipients: Sequence[str], bcc: Sequence[str]) -> bytes:
    """`head` and what is returned end with CRLF. Its lists of recipients become `X-Original-To` and the like, as some
    services send to whom the header names; `bcc` are those that it does not name. The subject begins with for whom it
    was. All else stays."""
    kept = [_renamed(name, line) for name, line in header_lines(head.removesuffix(b"\r\n")) if name != _SIGNATURE]
    subjects = [number for number, line in enumerate(kept) if line[:8].lower() == b"subject:"]
    for_whom = field("Subject", text(_for_whom(recipients))).encode().removesuffix(b"\r\n")
    if subjects:
        kept[subjects[0]] = _continued(for_whom, kept[subjects[0]][8:])
    else:
        kept.append(for_whom)
    own = field("To", address) + (field("X-Original-Bcc", ", ".join(bcc)) if bcc else "")
    return own.encode() + b"".join(line + b"\r\n" for line in kept)


def _renamed(name: bytes, line: bytes) -> bytes:
    if name not in _RECIPIENTS:
        return line
    renamed = b"X-Original-" + line
    first, value = renamed.partition(b"\r\n")[0], line.partition(b":")[2].lstrip()
    return renamed if len(first) <= LONGEST_LINE else _continued(b"X-Original-" + line.partition(b":")[0] + b":", value)


def _continued(begun: bytes, value: bytes) -> bytes:
    value = value.strip(b" \t\r\n")
    return begun + b"\r\n " + value if value else begun


def _for_whom(recipients: Sequence[str]) -> str:
    more = len(recipients) - NAMED_IN_SUBJECT
    named = ", ".join(recipients[:NAMED_IN_SUBJECT])
    return f"[to {named} and {more} more]" if more > 0 else f"[to {named}]"
