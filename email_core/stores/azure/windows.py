"""Windows of reservations: one row an account, changed by conditional writes."""

from datetime import datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from email_core.errors import LostRace
from email_core.stores.azure import transaction
from email_core.stores.azure.names import STATES_TABLE, translated
from email_core.stores.azure.rest import StorageService
from email_core.stores.azure.states import purge_rows
from email_core.stores.azure.writer import Refusal, submit
from email_core.stores.window_text import window_from_text, window_to_text
from email_core.throttling import Window

_PARTITION = "window"


class AzureWindowStore:
    def __init__(self, tables: TableServiceClient, plain_tables: StorageService) -> None:
        self._table = tables.get_table_client(STATES_TABLE)
        self._plain = plain_tables

    async def read(self, account: str) -> tuple[Window, str | None]:
        with translated("read a window of reservations"):
            try:
                entity = await self._table.get_entity(_PARTITION, account)
            except ResourceNotFoundError:
                return Window(), None
        return window_from_text(entity["value"]), str(entity.metadata["etag"])

    async def write(self, account: str, window: Window, etag: str | None) -> str:
        entity = {"PartitionKey": _PARTITION, "RowKey": account, "value": window_to_text(window)}
        written = (
            transaction.insert(STATES_TABLE, entity) if etag is None else transaction.merge(STATES_TABLE, entity, etag)
        )
        with translated("write a window of reservations"):
            try:
                (new_etag,) = await submit(self._plain, [written])
            except Refusal:
                raise LostRace(f"the window of {account}") from None
        return str(new_etag)

    async def purge(self, before: datetime) -> int:
        return await purge_rows(self._table, _PARTITION, before)
