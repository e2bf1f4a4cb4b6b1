"""The audit's events: a partition a day (inverted), newest first, so that old days go as a whole."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError
from azure.data.tables.aio import TableServiceClient

from email_core.audit import Action, AuditEvent, AuditPage, Change
from email_core.email_id import created_at, inverted_day
from email_core.stores.azure.names import AUDIT_TABLE, translated

_MOST_A_TRANSACTION = 100


class AzureAuditStore:
    def __init__(self, tables: TableServiceClient) -> None:
        self._table = tables.get_table_client(AUDIT_TABLE)

    async def insert(self, events: Sequence[AuditEvent]) -> None:
        with translated("write the audit"):
            await self._table.submit_transaction([("create", _entity(event)) for event in events])

    async def withdraw(self, events: Sequence[AuditEvent]) -> None:
        with translated("write the audit"):
            await asyncio.gather(*(self._table.delete_entity(*_keys(event)) for event in events))

    async def page(self, limit: int, after: str | None) -> AuditPage:
        conditions, values = "", {}
        if after is not None:
            day = inverted_day(created_at(after))
            conditions = "PartitionKey ge @day and RowKey gt @after"
            values = {"day": day, "after": after}
        found: list[AuditEvent] = []
        with translated("read the audit"):
            rows = self._table.query_entities(conditions, parameters=values, results_per_page=min(limit + 1, 1000))
            async for row in rows:
                if len(found) == limit:
                    return AuditPage(tuple(found), found[-1].id)
                found.append(_event(row))
        return AuditPage(tuple(found), None)

    async def purge(self, before: datetime, until: datetime) -> int:
        purged = 0
        with translated("purge the audit"):
            rows = self._table.query_entities(
                "PartitionKey gt @day",
                parameters={"day": inverted_day(before)},
                select=["PartitionKey", "RowKey"],
            )
            together: list[Any] = []
            async for row in rows:
                if together and (
                    len(together) == _MOST_A_TRANSACTION or together[0]["PartitionKey"] != row["PartitionKey"]
                ):
                    purged += await self._delete(together)
                    together = []
                    if datetime.now(UTC) >= until:
                        return purged
                together.append(row)
            return purged + (await self._delete(together) if together else 0)

    async def _delete(self, rows: list[Any]) -> int:
        try:
            await self._table.submit_transaction([("delete", row) for row in rows])
        except (ResourceNotFoundError, TableTransactionError):
            return 0  # another purge was here
        return len(rows)


def _keys(event: AuditEvent) -> tuple[str, str]:
    return inverted_day(event.at), event.id


def _entity(event: AuditEvent) -> dict[str, Any]:
    partition, row = _keys(event)
    change = event.change
    values = {
        "PartitionKey": partition,
        "RowKey": row,
        "at": event.at,
        "by": event.by,
        "name": event.name,
        "action": change.action.value,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
    }
    return {name: value for name, value in values.items() if value is not None}


def _event(row: Any) -> AuditEvent:
    change = Change(Action(row["action"]), row["subject"], row.get("before"), row.get("after"))
    at = row["at"]
    return AuditEvent(row["RowKey"], datetime.fromtimestamp(at.timestamp(), UTC), row["by"], row["name"], change)
