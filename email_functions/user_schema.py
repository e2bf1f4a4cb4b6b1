"""What may be said of a user and of their options, and asked of the list."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from email_core.addresses import MAX_NAME_LENGTH, parse_address
from email_core.errors import FieldProblem, InvalidEmail
from email_core.users import LONGEST_COMPANY, User, UserQuery, checked_user_id, is_user_id, user_key
from email_functions.field_types import Line, OrNull, cursor_that
from email_functions.validation import Body, from_json, from_query


def _address(text: str) -> str:
    return parse_address(text).address


def _name(text: str) -> str:
    if len(text.encode()) > MAX_NAME_LENGTH:
        raise ValueError(f"is longer than {MAX_NAME_LENGTH} octets")
    return text


EmailAddress = Annotated[str, AfterValidator(_address)]


class UserBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ann Miller", "email": "ann@contoso.com", "company": "USMF"}]}
    )

    id: Annotated[str, AfterValidator(checked_user_id)] | None = None
    """May be left out where the path has it."""
    name: OrNull[Annotated[Line, AfterValidator(_name)]] = ""
    email: EmailAddress | None = None
    """What their mail is from."""
    external: OrNull[bool] = False
    """Without a mailbox in the organisation."""
    company: OrNull[Annotated[Line, Field(max_length=LONGEST_COMPANY)]] = ""
    enabled: OrNull[bool] = True
    """Nothing is sent for one who is not."""


class OptionsBody(Body):
    """What is left out stays as it is; null is a value: no provider, no override."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "smtp"}]})

    provider: Annotated[Line, Field(max_length=64)] | None = None
    """One of `choices`. null: ask."""
    sender: EmailAddress | None = None
    """What their mail is from instead of their own address: an administrator's to set."""
    workflow_notifications: bool = False
    """Send notifications of workflows in email."""
    ask_again: bool = True
    """false: the next choice is kept as `provider`."""


class UsersQuery(Body):
    model_config = ConfigDict(strict=False)

    q: Line | None = None
    """A part of the id, the name or the address."""
    enabled: bool | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, cursor_that(is_user_id)] | None = None
    """The `next` of the page before."""


def user_body(user_id: str, body: bytes) -> User:
    """Raises NotJson or InvalidEmail."""
    wanted = from_json(UserBody, body)
    try:
        checked = checked_user_id(user_id)
    except ValueError as problem:
        raise InvalidEmail(FieldProblem("/id", str(problem))) from None
    if wanted.id is not None and user_key(wanted.id) != user_key(checked):
        raise InvalidEmail(FieldProblem("/id", "is not the id in the path: leave it out"))
    return User(**wanted.model_dump() | {"id": checked})


def option_changes(body: bytes) -> dict[str, Any]:
    """The fields that were given. Raises NotJson or InvalidEmail."""
    return from_json(OptionsBody, body).model_dump(exclude_unset=True)


def users_query(params: Mapping[str, str]) -> UserQuery:
    """Raises InvalidEmail with pointers like `?limit`."""
    wanted = from_query(UsersQuery, params)
    return UserQuery(text=wanted.q, enabled=wanted.enabled, limit=wanted.limit, after=wanted.cursor)
