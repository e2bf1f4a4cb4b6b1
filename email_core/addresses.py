"""Checks an address once, for every door: syntax by `email-validator`, domains in ASCII form.

No look-up in the DNS, and names that only an internal relay knows (`.local`, a single label) are left to the
provider to judge.
"""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from email_core.message import Address
from email_core.text import has_control_character

MAX_NAME_LENGTH = 320


def parse_address(address: str, name: str = "") -> Address:
    """Raises ValueError, saying what is wrong in words that never repeat the address."""
    if has_control_character(name):
        raise ValueError("the name has a control character: remove it")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"the name is longer than {MAX_NAME_LENGTH} characters")
    return Address(_checked(address), name)


@lru_cache(maxsize=4096)  # the same senders and recipients come again and again; a check costs 0.05 ms
def _checked(address: str) -> str:
    try:
        valid = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as problem:
        raise ValueError(f"is not an email address like ann@contoso.com: {problem}") from None
    return f"{valid.local_part}@{valid.ascii_domain}"
