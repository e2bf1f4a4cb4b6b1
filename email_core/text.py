"""Text that stands in a header: one line, nothing that could end it or hide in it."""

import unicodedata

_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators


def has_control_character(text: str) -> bool:
    """True for anything that some program takes for a line end, and for every other control character."""
    return not (text.isascii() and text.isprintable()) and any(map(_is_unfit, text))


def without_control_characters(text: str) -> str:
    """Each becomes a space; spaces at the ends go."""
    return "".join(" " if _is_unfit(character) else character for character in text).strip()


def _is_unfit(character: str) -> bool:
    return unicodedata.category(character) in _UNFIT
