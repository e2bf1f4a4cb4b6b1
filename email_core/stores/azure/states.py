"""States of the subsystem: one row each. A distributor's and a provider's are changed by conditional writes."""

import json
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from email_core.distributor import DistributorState
from email_core.errors import LostRace
from email_core.provider_pause import ProviderState
from email_core.stores.azure.names import STATES_TABLE, translated


class _StateRows:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(STATES_TABLE)

    async def read(self, row: str) -> tuple[dict[str, Any] | None, str | None]:
        with translated(f"read the state of {row}"):
            try:
                entity = await self._table.get_entity("state", row)
            except ResourceNotFoundError:
                return None, None
        return json.loads(entity["value"]), str(entity.metadata["etag"])

    async def write(self, row: str, values: dict[str, Any], etag: str | None) -> None:
        entity = _entity(row, values)
        with translated(f"write the state of {row}"):
            try:
                if etag is None:
                    await self._table.create_entity(entity)
                else:
                    await self._table.update_entity(
                        entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                    )
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                raise LostRace(f"the state of {row}") from None

    async def overwrite(self, row: str, values: dict[str, Any]) -> None:
        with translated(f"write the state of {row}"):
            await self._table.upsert_entity(_entity(row, values), mode=UpdateMode.REPLACE)


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

    async def read(self, provider: str) -> tuple[ProviderState, str | None]:
        values, etag = await self._rows.read(f"provider-{provider}")
        return _provider_state(values) if values else ProviderState(), etag

    async def write(self, provider: str, state: ProviderState, etag: str | None) -> None:
        await self._rows.write(f"provider-{provider}", asdict(state), etag)


class AzureTimerRuns:
    def __init__(self, tables: TableServiceClient) -> None:
        self._rows = _StateRows(tables)

    async def read(self, timer: str) -> datetime | None:
        values, _ = await self._rows.read(f"timer-{timer}")
        return _moment(values["last_run_at"]) if values else None

    async def write(self, timer: str, at: datetime) -> None:
        await self._rows.overwrite(f"timer-{timer}", {"last_run_at": at})


def _entity(row: str, values: dict[str, Any]) -> dict[str, str]:
    return {"PartitionKey": "state", "RowKey": row, "value": json.dumps(values, default=_text)}


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
