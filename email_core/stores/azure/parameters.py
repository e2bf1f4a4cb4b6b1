"""What administrators stored of the parameters: one row, with a property for each, so that each may be a whole
certificate. It is written as a whole, under the ETag that it was read with."""

from collections.abc import Mapping

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from email_core.parameters import Value
from email_core.stores.azure.names import PARAMETERS_TABLE, translated
from email_core.stores.azure.rows import write_as_read

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
        return await write_as_read(self._table, {**values, **_KEYS}, etag, what="the parameters")
