"""What an administrator says of a test email."""

from pydantic import ConfigDict

from email_core.message import Address
from email_functions.email_schema import AddressBody, ProviderName
from email_functions.field_types import Given
from email_functions.validation import Body, from_json


class RehearsalBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "smtp", "to": "you@example.com"}]})

    provider: Given[ProviderName]
    """smtp, graph or exchange, where it is configured."""
    to: Given[AddressBody]
    """Who gets the test email."""


def rehearsal_order(body: bytes) -> tuple[str, Address]:
    """The provider's name and the recipient. Raises NotJson or InvalidEmail."""
    wanted = from_json(RehearsalBody, body)
    return wanted.provider, wanted.to.to_core()
