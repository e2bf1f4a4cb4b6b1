"""Text that stands in a header: one line, nothing that could end it or hide in it."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from email.policy import SMTPUTF8

LONGEST_ENCODED = 20_000  # characters; 998 emoji are 16,000. The standard library takes seconds for much more
LONGEST_NAME = 100  # characters: what is longer was no name, and takes long to compare
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators


def has_control_character(text: str) -> bool:
    """True for anything that some program takes for a line end, and for every other control character."""
    return not (text.isascii() and text.isprintable()) and any(map(_is_unfit, text))


def without_control_characters(text: str) -> str:
    """Each becomes a space; spaces at the ends go."""
    return "".join(" " if _is_unfit(character) else character for character in text).strip()


def decoded(text: str) -> str:
    """Its encoded words (RFC 2047) as what they stand for; those that cannot be read stay as they are."""
    if "=?" not in text or len(text) > LONGEST_ENCODED:
        return text
    try:
        return str(SMTPUTF8.header_factory("Subject", text))
    except ValueError:  # from codecs that are none for text, as in `=?idna?q?...?=`
        return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant by one that is none; in which case it is written, matters not."""
    if len(name) > LONGEST_NAME:
        return None
    by_lower = {one.lower(): one for one in known}
    return next((by_lower[found] for found in get_close_matches(name.lower(), list(by_lower), n=1)), None)


def _is_unfit(character: str) -> bool:
    return unicodedata.category(character) in _UNFIT
