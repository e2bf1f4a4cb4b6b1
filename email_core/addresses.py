"""Checks an address once, for every door: syntax by `email-validator`, domains in ASCII form.

No look-up in the DNS, and names that only an internal relay knows (`.local`, a single label) are left to the
provider to judge.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, validate_email

from email_core.message import Address
from email_core.text import decoded, has_control_character, without_control_characters

MAX_NAME_LENGTH = 320  # octets of UTF-8

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # its documented way to let `.local` and `.test` pass


LONGEST_ADDRESS = 320  # characters (RFC 3696): the checker takes seconds for very long ones


def parse_address(address: str, name: str = "") -> Address:
    """Raises ValueError, saying what is wrong in words that never repeat the address."""
    if has_control_character(name):
        raise ValueError("the name has a control character: remove it")
    if len(name.encode()) > MAX_NAME_LENGTH:
        raise ValueError(f"the name is longer than {MAX_NAME_LENGTH} octets")
    if len(address) > LONGEST_ADDRESS:
        raise ValueError(f"is longer than {LONGEST_ADDRESS} characters")
    return Address(_checked(address), name)


@lru_cache(maxsize=4096)  # the same senders and recipients come again and again; a check costs 0.04 ms
def _checked(address: str) -> str:
    if "=?" in address:  # programs that decode it would see another address than the server does (RFC 2047, 5)
        raise ValueError("is not an email address like ann@contoso.com: it has an encoded word")
    try:
        valid = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as problem:
        reason = str(problem).partition(" (")[0]  # some add the domain in brackets
        raise ValueError(f"is not an email address like ann@contoso.com: {reason}") from None
    return f"{valid.local_part}@{valid.ascii_domain}"


# ---- the lists of a message's headers

LONGEST_LIST = 100_000  # characters of one header: 500 recipients with a long name each
_TOKEN = re.compile(
    r"""\s+
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | <(?P<angle>[^<>]*)>
    | (?P<comment>\()
    | (?P<special>[,:;])
    | (?P<word>=\?[^?\s]+\?[bq]\?[^?\s]*\?=|[^\s"<>,:;()]+)  # many write a bare comma into an encoded word
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_COMMENT_PART = re.compile(r"(?:[^()\\]|\\.)*([()])", re.DOTALL)
_Token = tuple[str, str]


def parse_address_list(text: str) -> tuple[Address, ...]:
    """The addresses of a To, Cc, Bcc or From header: names, groups and comments as in RFC 5322, 3.4.

    The standard library's parser drops what it does not understand, so that a recipient would get no mail and nobody
    would know; and it takes a minute for 50,000 characters of garbage. Raises ValueError for whatever is not clear.
    """
    if len(text) > LONGEST_LIST:
        raise ValueError(f"is longer than {LONGEST_LIST} characters")
    found: list[Address] = []
    mailbox: list[_Token] = []
    in_group = False
    for kind, value in (*_tokens(text), ("special", ",")):
        if kind != "special":
            mailbox.append((kind, value))
        elif value == ":":
            if in_group or not mailbox or not all(map(_is_of_a_name, mailbox)):
                raise ValueError("has a colon that names no group")
            in_group, mailbox = True, []
        else:
            if value == ";" and not in_group:
                raise ValueError("has a semicolon that ends no group: separate addresses by commas")
            if mailbox:
                found.append(_mailbox(mailbox))
            in_group, mailbox = in_group and value == ",", []
    if in_group:
        raise ValueError("has a group without its semicolon")
    return tuple(found)


def _tokens(text: str) -> Iterator[_Token]:
    """Words, quoted strings, angle addresses and separators; spaces and comments only part them."""
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError("has a quotation mark or a bracket without its pair")
        position = token.end()
        match token.lastgroup:
            case "comment":
                position = _end_of_comment(text, position)
            case str(kind):
                yield kind, token[kind]


def _end_of_comment(text: str, position: int) -> int:
    depth = 1
    while depth:
        part = _COMMENT_PART.match(text, position)
        if part is None:
            raise ValueError("has a comment without its end")
        depth += 1 if part[1] == "(" else -1
        position = part.end()
    return position


def _is_of_a_name(token: _Token) -> bool:
    kind, value = token
    return kind == "quoted" or (kind == "word" and "@" not in value)


def _mailbox(tokens: list[_Token]) -> Address:
    *name, (kind, value) = tokens
    if kind == "angle" and all(map(_is_of_a_name, name)):
        return parse_address(value.strip(), _name(name))
    if len(tokens) > 1 or kind != "word":
        raise ValueError("has something that is neither `ann@contoso.com` nor `Ann <ann@contoso.com>`")
    return parse_address(value)


def _name(tokens: list[_Token]) -> str:
    words = [re.sub(r"\\(.)", r"\1", value) if kind == "quoted" else value for kind, value in tokens]
    return without_control_characters(decoded(" ".join(words)))
