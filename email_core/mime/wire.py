"""Octets as they go over the wire, a large message's without a copy more than there must be."""

from collections.abc import Iterable
from io import BytesIO


def crlf(octets: bytes) -> bytes:
    """With every line end whole. Where they are already, which counting tells, these are the same octets."""
    if octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r"):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def joined(pieces: Iterable[bytes | memoryview]) -> bytes:
    """Unlike `bytes.join`, it needs each piece only until the next one."""
    whole = BytesIO()
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()


def head_and_body(message: bytes) -> tuple[bytes, memoryview]:
    """What is before the first empty line, and what is after it: that is not copied."""
    end = message.find(b"\r\n\r\n")
    return (message, memoryview(b"")) if end < 0 else (message[:end], memoryview(message)[end + 4 :])
