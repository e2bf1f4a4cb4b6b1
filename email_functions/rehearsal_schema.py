"""What an administrator says of a test email."""

from typing import Annotated

from pydantic import ConfigDict, Field

from email_core.message import Address
from email_functions.email_schema import AddressBody
from email_functions.field_types import Line
from email_functions.validation import Body, from_json


class RehearsalBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "smtp", "to": "you@example.com"}]})

    provider: Annotated[Line, Field(min_length=1, max_length=64)]
    """smtp, graph or exchange, where it is configured."""
    to: AddressBody
    """Who gets the test email."""


def rehearsal_order(body: bytes) -> tuple[str, Address]:
    """The provider's name and the recipient. Raises NotJson or InvalidEmail."""
    wanted = from_json(RehearsalBody, body)
    return wanted.provider, wanted.to.to_core()
