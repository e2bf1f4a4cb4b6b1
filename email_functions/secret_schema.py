"""What an administrator may enter as a secret."""

from typing import Annotated

from pydantic import Field, field_validator

from email_core.secret_store.base import LONGEST_VALUE
from email_core.text import has_control_character
from email_functions.validation import Body, from_json


class SecretBody(Body):
    value: Annotated[str, Field(repr=False)]

    @field_validator("value")
    @classmethod
    def _can_be_meant(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        if len(value.encode()) > LONGEST_VALUE:
            raise ValueError(f"is too long: at most {LONGEST_VALUE} octets")
        if value.endswith(("\n", "\r")):
            raise ValueError("ends with a line break, which was pasted with it: leave it out")
        if value != value.strip():
            raise ValueError("begins or ends with a blank, which was pasted with it: leave it out")
        if has_control_character(value):
            raise ValueError("has a control character (a line break, a tab, ...): remove it")
        return value


def secret_value(body: bytes) -> str:
    """Raises NotJson or InvalidEmail, without the value."""
    return from_json(SecretBody, body).value
