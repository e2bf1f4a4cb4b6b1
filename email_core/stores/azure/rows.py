"""Rows that are changed only by who knows how they stand."""

from collections.abc import Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from email_core.errors import LostRace
from email_core.stores.azure.names import translated


async def write_as_read(table: TableClient, entity: Mapping[str, Any], etag: str | None, *, what: str) -> str:
    """Writes the whole row, which had this ETag when it was read, or was not there, where it is None. Returns the new
    ETag. Raises LostRace where it has changed since."""
    with translated(f"write {what}"):
        try:
            if etag is None:
                written = await table.create_entity(entity)
            else:
                written = await table.update_entity(
                    entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                )
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            raise LostRace(what) from None
    return str(written["etag"])
