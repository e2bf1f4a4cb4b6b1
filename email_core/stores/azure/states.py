"""States of the subsystem: one row each. A distributor's and a provider's are changed by conditional writes."""

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from email_core.app_senders import AppSendersRow
from email_core.distributor import DistributorState
from email_core.mailbox_slots import Holding, MailboxState
from email_core.provider_pause import ProviderState
from email_core.stores.azure.names import STATES_TABLE, translated
from email_core.stores.azure.rows import write_as_read


class _StateRows:
    def __init__(self, tables: TableServiceClient, partition: str = "state") -> None:
        self._table = tables.get_table_client(STATES_TABLE)
        self._partition = partition

    async def read(self, row: str) -> tuple[dict[str, Any] | None, str | None]:
        with translated(f"read the state of {row}"):
            try:
                entity = await self._table.get_entity(self._partition, row)
            except ResourceNotFoundError:
                return None, None
        return json.loads(entity["value"]), str(entity.metadata["etag"])

    async def write(self, row: str, values: dict[str, Any], etag: str | None) -> str:
        """The new ETag."""
        return await write_as_read(self._table, self._entity(row, values), etag, what=f"the state of {row}")

    async def purge(self, beginning: str, before: datetime) -> int:
        """Deletes rows whose name begins so and that nobody has written since; returns how many."""
        return await purge_rows(self._table, self._partition, before, beginning)

    async def overwrite(self, row: str, values: dict[str, Any]) -> None:
        with translated(f"write the state of {row}"):
            await self._table.upsert_entity(self._entity(row, values), mode=UpdateMode.REPLACE)

    async def delete(self, row: str) -> None:
        with translated(f"delete the state of {row}"):
            await self._table.delete_entity(self._partition, row)  # harmless where there is none

    async def all(self) -> list[tuple[str, dict[str, Any]]]:
        """In the order of the rows."""
        with translated(f"read the states of {self._partition}"):
            rows = self._table.query_entities("PartitionKey eq @partition", parameters={"partition": self._partition})
            return [(row["RowKey"], json.loads(row["value"])) async for row in rows]

    def _entity(self, row: str, values: dict[str, Any]) -> dict[str, str]:
        return {"PartitionKey": self._partition, "RowKey": row, "value": json.dumps(values, default=_text)}


class AzureDistributorStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables)

    async def read(self) -> tuple[DistributorState, str | None]:
        values, etag = await self._rows.read("distributor")
        return _distributor_state(values) if values else DistributorState(), etag

    async def write(self, state: DistributorState, etag: str | None) -> None:
        await self._rows.write("distributor", asdict(state), etag)


class AzureProviderStates:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables)

    async def read(self, row: str) -> tuple[ProviderState, str | None]:
        values, etag = await self._rows.read(f"provider-{row}")
        return _provider_state(values) if values else ProviderState(), etag

    async def write(self, row: str, state: ProviderState, etag: str | None) -> None:
        await self._rows.write(f"provider-{row}", asdict(state), etag)

    async def purge(self, before: datetime) -> int:
        return await self._rows.purge("provider-", before)


class AzureTimerRuns:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables)

    async def read(self, timer: str) -> datetime | None:
        values, _ = await self._rows.read(f"timer-{timer}")
        return _moment(values["last_run_at"]) if values else None

    async def write(self, timer: str, at: datetime) -> None:
        await self._rows.overwrite(f"timer-{timer}", {"last_run_at": at})


class AzureMailboxStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables, "mailbox")

    async def read(self, mailbox: str) -> tuple[MailboxState, str | None]:
        values, etag = await self._rows.read(mailbox)
        return _mailbox_state(values) if values else MailboxState(), etag

    async def write(self, mailbox: str, state: MailboxState, etag: str | None) -> str:
        return await self._rows.write(mailbox, asdict(state), etag)


class AzureAppSendersStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables, "app")

    async def get(self, client_id: str) -> AppSendersRow | None:
        values, _ = await self._rows.read(client_id)
        return _app_senders(client_id, values) if values else None

    async def put(self, row: AppSendersRow) -> None:
        await self._rows.overwrite(row.client_id, {"senders": row.senders, "name": row.name})

    async def delete(self, client_id: str) -> None:
        await self._rows.delete(client_id)

    async def all(self) -> list[AppSendersRow]:
        return [_app_senders(client_id, values) for client_id, values in await self._rows.all()]


def _app_senders(client_id: str, values: dict[str, Any]) -> AppSendersRow:
    return AppSendersRow(client_id=client_id, senders=tuple(values["senders"]), name=values["name"])


async def purge_rows(table: TableClient, partition: str, before: datetime, beginning: str = "") -> int:
    """Deletes a partition's rows whose name begins so and that nobody has written since; returns how many."""
    count = 0
    with translated(f"purge old rows of {partition}"):
        old = table.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and Timestamp lt @before",
            parameters={"partition": partition, "first": beginning, "last": beginning + "~", "before": before},
            select=["PartitionKey", "RowKey"],
        )
        async for row in old:
            with suppress(ResourceModifiedError, ResourceNotFoundError):  # somebody has just written it
                await table.delete_entity(row, etag=row.metadata["etag"], match_condition=MatchConditions.IfNotModified)
                count += 1
    return count


def _text(value: date | datetime) -> str:
    return value.isoformat()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _distributor_state(values: dict[str, Any]) -> DistributorState:
    end_date, last_run_at = values.pop("end_date"), values.pop("last_run_at")
    return DistributorState(
        **values, end_date=date.fromisoformat(end_date) if end_date else None, last_run_at=_moment(last_run_at)
    )


def _provider_state(values: dict[str, Any]) -> ProviderState:
    return ProviderState(**values | {"paused_until": _moment(values["paused_until"])})


def _mailbox_state(values: dict[str, Any]) -> MailboxState:
    holdings = {
        holder: Holding(one["slots"], one["wanted"], datetime.fromisoformat(one["until"]))
        for holder, one in values["holdings"].items()
    }
    return MailboxState(holdings, _moment(values["quiet_until"]))
