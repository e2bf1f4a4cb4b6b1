"""What administrators stored of the parameters: one row, with a property for each, so that each may be a whole
certificate. It is written as a whole, under the ETag that it was read with."""

from collections.abc import Mapping

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from email_core.errors import LostRace
from email_core.parameters import Value
from email_core.stores.azure.names import PARAMETERS_TABLE, translated

_KEYS = {"PartitionKey": "parameters", "RowKey": "stored"}


class AzureParameterStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(PARAMETERS_TABLE)

    async def read(self) -> tuple[Mapping[str, Value], str | None]:
        with translated("read the parameters"):
            try:
                entity = await self._table.get_entity(_KEYS["PartitionKey"], _KEYS["RowKey"])
            except ResourceNotFoundError:
                return {}, None
        return {name: value for name, value in entity.items() if name not in _KEYS}, str(entity.metadata["etag"])

    async def write(self, values: Mapping[str, Value], etag: str | None) -> str:
        entity = {**values, **_KEYS}
        with translated("write the parameters"):
            try:
                if etag is None:
                    written = await self._table.create_entity(entity)
                else:
                    written = await self._table.update_entity(
                        entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                    )
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                raise LostRace("the parameters") from None
        return str(written["etag"])
