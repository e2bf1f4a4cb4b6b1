"""What an administrator may enter as a secret."""

from typing import Annotated

from pydantic import Field, field_validator

from email_core.secret_store.base import LONGEST_VALUE, SecretName
from email_core.text import has_control_character
from email_functions.field_types import Given
from email_functions.validation import Body, from_json


class _SecretBody(Body):
    value: Given[Annotated[str, Field(repr=False)]]
    """No call ever gives it back."""

    @field_validator("value")
    @classmethod
    def _is_there(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        if len(value.encode()) > LONGEST_VALUE:
            raise ValueError(f"is too long: at most {LONGEST_VALUE} octets")
        return value


class SecretBody(_SecretBody):
    @field_validator("value")
    @classmethod
    def _can_be_meant(cls, value: str) -> str:
        if value.endswith(("\n", "\r")):
            raise ValueError("ends with a line break, which was pasted with it: leave it out")
        if value != value.strip():
            raise ValueError("begins or ends with a blank, which was pasted with it: leave it out")
        if has_control_character(value):
            raise ValueError("has a control character (a line break, a tab, ...): remove it")
        return value


class CertificateBody(_SecretBody):
    @field_validator("value")
    @classmethod
    def _is_text(cls, value: str) -> str:
        """Its lines stay; what stands around them was pasted with it, and means nothing in PEM or base64."""
        if any(map(has_control_character, value.split())):
            raise ValueError("has a control character: give PEM, or PKCS #12 in base64")
        return value.strip()


def secret_value(name: SecretName, body: bytes) -> str:
    """Raises NotJson or InvalidEmail, without the value."""
    return from_json(CertificateBody if name.has_lines else SecretBody, body).value
