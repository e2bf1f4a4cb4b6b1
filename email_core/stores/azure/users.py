"""Users in a table: one row each, all in one partition, in the order of their ids.

So a list is one range of rows, 1,000 a request, and an import goes 100 rows a transaction. What one partition serves
(2,000 rows a second) is far above what is asked of it: an instance reads a user once in some seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from email_core.errors import LostRace
from email_core.stores.azure.names import USERS_TABLE, translated
from email_core.stores.azure.rows import write_as_read
from email_core.users import KnownUser, User, UserOptions, UserPage, UserQuery, UserRow, user_key

EXAMINED_A_PAGE = 10_000  # rows: a rare match is looked for in steps of so many
_PARTITION = "user"
_USER = ("id", "name", "email", "external", "company", "enabled")
_OPTIONS = ("provider", "last_choice", "ask_again", "sender", "workflow_notifications")


class AzureUserStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(USERS_TABLE)

    async def get(self, user_id: str) -> KnownUser | None:
        with translated("read a user"):
            try:
                entity = await self._table.get_entity(_PARTITION, user_key(user_id))
            except ResourceNotFoundError:
                return None
        return KnownUser(_user(entity), UserOptions(**_given(entity, _OPTIONS)), str(entity.metadata["etag"]))

    async def write(self, known: KnownUser) -> KnownUser:
        entity = _entity(known.user.id, asdict(known.user) | asdict(known.options))
        etag = await write_as_read(self._table, entity, known.etag, what="a user")
        return KnownUser(known.user, known.options, etag)

    async def delete(self, known: KnownUser) -> None:
        with translated("delete a user"):
            try:
                await self._table.delete_entity(  # quiet about one that is gone already
                    _PARTITION,
                    user_key(known.user.id),
                    etag=known.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except ResourceModifiedError:
                raise LostRace("a user") from None

    async def page(self, query: UserQuery) -> UserPage:
        conditions, values = "PartitionKey eq @partition", {"partition": _PARTITION}
        if query.after is not None:
            conditions, values = f"{conditions} and RowKey gt @after", values | {"after": user_key(query.after)}
        filtered = query.text is not None or query.enabled is not None
        found: list[User] = []
        examined = 0
        with translated("list users"):
            async for entity in self._table.query_entities(
                conditions,
                parameters=values,
                results_per_page=1000 if filtered else min(query.limit + 1, 1000),
                select=["RowKey", *_USER],
            ):
                user = _user(entity)
                if query.matches(user):
                    if len(found) == query.limit:
                        return UserPage(tuple(found), found[-1].id)
                    found.append(user)
                examined += 1
                if examined == EXAMINED_A_PAGE:
                    return UserPage(tuple(found), user.id)
        return UserPage(tuple(found), None)

    async def merge(self, rows: Sequence[UserRow]) -> None:
        with translated("import users"):
            await self._table.submit_transaction([("upsert", _merged(row), {"mode": UpdateMode.MERGE}) for row in rows])


def _merged(row: UserRow) -> dict[str, Any]:
    """A merge cannot take a property away: an address that is gone is an empty one."""
    gone = {name: "" for name, value in row.values.items() if value is None}
    return _entity(row.id, {**row.values, **gone})


def _entity(user_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A table keeps no nulls: what is None is left out."""
    given = {name: value for name, value in values.items() if value is not None}
    return {"PartitionKey": _PARTITION, "RowKey": user_key(user_id), "id": user_id} | given


def _user(entity: Mapping[str, Any]) -> User:
    values = _given(entity, _USER)
    return User(**values | {"email": values.get("email") or None})


def _given(entity: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A row that an import made has only what the import said: the defaults stand for the rest."""
    return {name: entity[name] for name in names if name in entity and entity[name] is not None}
