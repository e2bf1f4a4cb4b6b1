"""The distributor's state: one row, changed by conditional writes."""

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
from email_core.stores.azure.names import STATES_TABLE, translated

_KEYS = {"PartitionKey": "state", "RowKey": "distributor"}


class AzureDistributorStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(STATES_TABLE)

    async def read(self) -> tuple[DistributorState, str | None]:
        with translated("read the distributor's state"):
            try:
                entity = await self._table.get_entity(_KEYS["PartitionKey"], _KEYS["RowKey"])
            except ResourceNotFoundError:
                return DistributorState(), None
        return _state(json.loads(entity["value"])), str(entity.metadata["etag"])

    async def write(self, state: DistributorState, etag: str | None) -> None:
        entity = {**_KEYS, "value": json.dumps(asdict(state), default=_text)}
        with translated("write the distributor's state"):
            try:
                if etag is None:
                    await self._table.create_entity(entity)
                else:
                    await self._table.update_entity(
                        entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                    )
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                raise LostRace("the distributor's state") from None


def _text(value: date | datetime) -> str:
    return value.isoformat()


def _state(values: dict[str, Any]) -> DistributorState:
    end_date, last_run_at = values.pop("end_date"), values.pop("last_run_at")
    return DistributorState(
        **values,
        end_date=date.fromisoformat(end_date) if end_date else None,
        last_run_at=datetime.fromisoformat(last_run_at) if last_run_at else None,
    )
