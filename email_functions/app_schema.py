"""What an administrator may say of an app's senders."""

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from email_core.addresses import parse_address
from email_core.app_senders import AppSendersRow
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import address_key
from email_core.text import has_control_character
from email_functions.field_types import Given, OrNull
from email_functions.validation import Body, from_json

MOST_SENDERS = 500
_LONGEST_SENDERS = 20_000  # characters; a property of a table holds 32,767

_CLIENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _sender(text: str) -> str:
    """`ann@contoso.com`, or `@contoso.com` for all of a domain."""
    try:
        whole = address_key(parse_address(f"anybody{text}" if text.startswith("@") else text).address)
    except ValueError:
        raise ValueError("is neither an address nor a domain: write ann@contoso.com or @contoso.com") from None
    return whole.removeprefix("anybody") if text.startswith("@") else whole


Sender = Annotated[str, AfterValidator(_sender)]


class AppBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Billing", "senders": ["invoices@contoso.com", "@news.contoso.com"]}]}
    )

    senders: Given[Annotated[list[Sender], Field(max_length=MOST_SENDERS)]]
    """Addresses, or whole domains as @contoso.com."""
    name: OrNull[Annotated[str, Field(max_length=128)]] = ""
    """What administrators call it."""

    @field_validator("senders")
    @classmethod
    def _fit_in_a_row(cls, senders: list[str]) -> list[str]:
        found = sorted(set(senders))
        if sum(map(len, found)) > _LONGEST_SENDERS:
            raise ValueError("are too long together: name whole domains, as @contoso.com")
        return found

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        if has_control_character(name):
            raise ValueError("has a control character (a line break, a tab, ...): remove it")
        return name


def app_senders(app: str, body: bytes) -> AppSendersRow:
    """Raises NotJson or InvalidEmail."""
    wanted = from_json(AppBody, body)
    return AppSendersRow(client_id=app, senders=tuple(wanted.senders), name=wanted.name)


def client_id(text: str) -> str:
    """Raises InvalidEmail for what is none."""
    if not _CLIENT_ID.fullmatch(text.lower()):
        detail = "is no client id: give the application (client) id of its app registration, 32 digits with hyphens"
        raise InvalidEmail(FieldProblem("/id", detail))
    return text.lower()
