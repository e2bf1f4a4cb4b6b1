"""A part's octets as they were before they were encoded for their way (RFC 2045, 6), whatever pieces they come in."""

import binascii
from typing import Protocol

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64))


class Decoder(Protocol):
    def feed(self, octets: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class AsItIs:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def end(self) -> bytes:
        return b""


class Base64:
    """What is none of its characters is passed over (RFC 2045, 6.8), and so is all after its padding."""

    def __init__(self) -> None:
        self._left = b""
        self._is_over = False

    def feed(self, octets: bytes) -> bytes:
        if self._is_over:
            return b""
        characters = self._left + octets.translate(None, _NO_BASE64)
        padding = characters.find(b"=")
        if padding >= 0:
            self._left, self._is_over = characters[:padding], True
            return self._rest()
        whole = len(characters) // 4 * 4
        self._left = characters[whole:]
        return binascii.a2b_base64(characters[:whole])

    def end(self) -> bytes:
        return b"" if self._is_over else self._rest()

    def _rest(self) -> bytes:
        left, self._left = self._left, b""
        if len(left) % 4 == 1:
            left = left[:-1]
        return binascii.a2b_base64(left + b"=" * (-len(left) % 4))


class QuotedPrintable:
    def __init__(self) -> None:
        self._line = b""

    def feed(self, octets: bytes) -> bytes:
        lines = self._line + octets
        end = lines.rfind(b"\n") + 1
        self._line = lines[end:]
        return binascii.a2b_qp(lines[:end])

    def end(self) -> bytes:
        return binascii.a2b_qp(self._line)
