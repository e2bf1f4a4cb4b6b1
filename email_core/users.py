"""Users: on whose behalf mail is sent, and what each of them has chosen (facts/dynamics, "User options").

A user and their options are one row: one read tells all that the rules of choice need.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from unicodedata import normalize

LONGEST_ID = 128  # characters
LONGEST_COMPANY = 128  # characters
ME = "me"  # stands for the caller's own id, so it is nobody's
MOST_AT_ONCE = 100  # users that a store merges in one transaction

_ID = re.compile(rf"\w[\w.@+'-]{{0,{LONGEST_ID - 1}}}")  # nothing that a path or a table's key would read as its own


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class User:
    """`email` is valid, or None: then mail on their behalf needs a `from`. An `external` user has no mailbox in the
    organisation."""

    id: str
    name: str = ""
    email: str | None = None
    external: bool = False
    company: str = ""
    enabled: bool = True

    def __repr__(self) -> str:
        return f"User({self.id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOptions:
    """`provider` None: ask which to use ("Prompt for which email provider to use"). `sender` is an administrator's
    override of From. `ask_again` False is the tick *Do not ask again*: the next choice becomes `provider`. Unticked,
    it becomes `last_choice`, which is used without asking until the user resets it."""

    provider: str | None = None
    last_choice: str | None = None
    ask_again: bool = True
    sender: str | None = field(default=None, repr=False)
    workflow_notifications: bool = False

    @property
    def chosen(self) -> str | None:
        """What interactive mail goes by without asking."""
        return self.provider or self.last_choice

    def after_choice(self, provider: str) -> "UserOptions":
        """What is remembered when the user was asked, and chose. A choice made for good stands: another for one email
        alone changes nothing."""
        if self.provider is not None:
            return self
        if self.ask_again:
            return replace(self, last_choice=provider)
        return replace(self, provider=provider, last_choice=None)

    def changed(self, changes: Mapping[str, Any]) -> "UserOptions":
        """With an edit of some of them. A new provider ends what was remembered, and None resets both; the tick makes
        of the last choice one for good."""
        new = replace(self, **changes)
        if "provider" in changes:
            return replace(new, last_choice=None)
        if changes.get("ask_again") is False and new.provider is None:
            return replace(new, provider=new.last_choice, last_choice=None)
        return new


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A version of a user and their options as it was read or written. `etag` is None for one that is not stored."""

    user: User
    options: UserOptions
    etag: str | None = None

    def is_called(self, user_id: str) -> bool:
        return user_key(self.user.id) == user_key(user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery:
    """A page of users in the order of their ids. `text` is a part of the id, the name or the address, in any case."""

    text: str | None = None
    enabled: bool | None = None
    limit: int = 50
    after: str | None = None

    def matches(self, user: User) -> bool:
        if self.enabled is not None and user.enabled != self.enabled:
            return False
        texts = (user.id, user.name, user.email or "")
        return self.text is None or any(self.text.casefold() in text.casefold() for text in texts)


@dataclass(frozen=True, slots=True)
class UserPage:
    """`next` continues after this page, or is None where nothing is left. A page may be short, even empty, and have a
    next one: a rare match is looked for in bounded steps."""

    items: tuple[User, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class UserRow:
    """What an import says of one user: `values` are fields of User, and those that it lacks stay as they are."""

    id: str
    values: Mapping[str, Any] = field(repr=False)


class UserStore(Protocol):
    """Ids are compared by `user_key`. All methods raise StorageUnavailable."""

    async def get(self, user_id: str) -> KnownUser | None:
        """A point read."""

    async def write(self, known: KnownUser) -> KnownUser:
        """A new user where `known.etag` is None, else the next version. Raises LostRace, and writes nothing, if that
        is not the last, or the user is there already."""

    async def delete(self, known: KnownUser) -> None:
        """Raises LostRace if another version stands. One that is gone stays gone."""

    async def page(self, query: UserQuery) -> UserPage: ...

    async def merge(self, rows: Sequence[UserRow]) -> None:
        """Adds and changes at most `MOST_AT_ONCE` users, all or none, whatever their versions. Options stay."""


def user_key(user_id: str) -> str:
    """Ids that look the same are the same: without case, in one Unicode form."""
    return normalize("NFC", normalize("NFC", user_id).casefold())


def is_user_id(text: str) -> bool:
    return _ID.fullmatch(normalize("NFC", text)) is not None and user_key(text) != ME


def checked_user_id(text: str) -> str:
    """Raises ValueError, with words that say what an id is."""
    if user_key(text) == ME:
        raise ValueError("is kept for the caller's own user: choose another id")
    if not is_user_id(text):
        raise ValueError(
            f"is no user id: 1 to {LONGEST_ID} letters, digits and . _ - @ + ', the first one a letter or a digit"
        )
    return normalize("NFC", text)
