"""Emails in a table, their large content in blobs.

An unsent email's row key is `u-<id>`; the transaction that ends it deletes that row and inserts `h-<id>`, so each view
reads only its own rows.
"""

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from email_core.content import Content, InlineContent
from email_core.email_id import end_of_day_id, inverted_time, partition_of
from email_core.errors import ContentDeleted, LostRace, StorageUnavailable
from email_core.logs import where
from email_core.record import EmailRecord
from email_core.stores.azure import transaction
from email_core.stores.azure.content import BlobContent
from email_core.stores.azure.names import CONTENT_CONTAINER, EMAILS_TABLE, PARTITIONS_TABLE, translated
from email_core.stores.azure.partitions import Partitions
from email_core.stores.azure.rest import StorageService
from email_core.stores.azure.transaction import Operation
from email_core.stores.azure.writer import MOST_OPERATIONS, EntityWrite, PartitionWriter, Refusal, WriteRefused, submit
from email_core.stores.base import INLINE_CONTENT_LIMIT, EmailQuery, Page, StoredEmail, View
from email_core.stores.entities import (
    CONTENT_PROPERTY,
    RECORD_PROPERTIES,
    changed_properties,
    entity_properties,
    record_of,
)

DAYS_A_PAGE = 31  # a page with a rare filter stops here and says where to go on
PURGED_AT_ONCE = 1_000  # emails; the most that one query returns
MOST_BLOBS = 256  # of one batch request
RECORD_OCTETS = 4_000  # what a row weighs in a transaction, apart from its content
_UNSENT, _HISTORY = "u-", "h-"

logger = logging.getLogger(__name__)


class AzureEmailStore:
    def __init__(self, tables: TableServiceClient, blobs: BlobServiceClient, plain_tables: StorageService) -> None:
        self._emails: TableClient = tables.get_table_client(EMAILS_TABLE)
        self._plain = plain_tables
        self._writer = PartitionWriter(plain_tables)
        self._partitions = Partitions(tables.get_table_client(PARTITIONS_TABLE))
        self._content: ContainerClient = blobs.get_container_client(CONTENT_CONTAINER)
        self._forgets = False

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        inline = mime if len(mime) <= INLINE_CONTENT_LIMIT else None
        with translated("keep a new email"):
            await self._partitions.ensure(partition_of(record.id))
            if inline is None:
                await self._upload(record.id, mime)
            etag = await self._write(record, inline, transaction.insert(EMAILS_TABLE, _entity(_UNSENT, record, inline)))
        return StoredEmail(record, etag, inline)

    async def _upload(self, email_id: str, mime: bytes) -> None:
        await self._content.upload_blob(
            _blob_name(email_id),
            BytesIO(mime),
            length=len(mime),
            overwrite=True,  # a repeated try of the same upload
            content_settings=ContentSettings(content_type="message/rfc822"),
        )

    async def get(self, email_id: str) -> StoredEmail | None:
        """One request for an unsent email, two for an ended one. That order sees an email that ends meanwhile."""
        for prefix in (_UNSENT, _HISTORY):
            with translated("read an email"):
                try:
                    entity = await self._emails.get_entity(partition_of(email_id), prefix + email_id)
                except ResourceNotFoundError:
                    continue
            return StoredEmail(record_of(entity), _etag(entity), entity.get(CONTENT_PROPERTY))
        return None

    async def content(self, stored: StoredEmail) -> Content:
        if stored.record.content_deleted:
            raise ContentDeleted(stored.record.id)
        if stored.inline is not None:
            return InlineContent(stored.inline)
        with translated("read an email's content"):
            blob = self._content.get_blob_client(_blob_name(stored.record.id))
            return await BlobContent.opened(blob, stored.record.id)

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        changes = _keys(_UNSENT, record.id) | changed_properties(stored.record, record)
        with translated("write an email's next version"):
            etag = await self._write(record, None, transaction.merge(EMAILS_TABLE, changes, stored.etag))
        return StoredEmail(record, etag, stored.inline)

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        if not stored.is_whole:
            raise ValueError(f"{record.id} was read without its content, which would be lost")
        inline = stored.inline
        if self._forgets and inline is not None:
            record, inline = replace(record, content_deleted=True), None
        with translated("move an email to the history"):
            await self._write(
                record,
                inline,
                transaction.delete(EMAILS_TABLE, _keys(_UNSENT, record.id), stored.etag),
                transaction.insert(EMAILS_TABLE, _entity(_HISTORY, record, inline)),
            )
        if self._forgets and not record.content_deleted:
            await self._forget_blob(record.id)

    async def _forget_blob(self, email_id: str) -> None:
        """It has ended: where this fails, `purge_content` does it later."""
        try:
            await self._delete_content([_keys(_HISTORY, email_id) | {"size": INLINE_CONTENT_LIMIT + 1}])
        except (AzureError, StorageUnavailable) as error:
            logger.warning("the content of email %s is not deleted yet: %s", email_id, where(error))

    def forgetting_content(self) -> "AzureEmailStore":
        forgetting = copy(self)
        forgetting._forgets = True
        return forgetting

    async def _write(self, record: EmailRecord, inline: bytes | None, *operations: Operation) -> str:
        """The new ETag. A refusal may come from our own write, repeated after its answer was lost, and without any
        answer nobody knows: what stands in the table now tells. `record` is unlike any other's, by its claim."""
        octets = RECORD_OCTETS + len(inline or b"") * 3 // 2  # base64, and some more
        try:
            return await self._writer.write(partition_of(record.id), EntityWrite(record.id, operations, octets))
        except (WriteRefused, AzureError) as error:
            standing = await self.get(record.id)
            if standing is not None and standing.record == record:
                return standing.etag
            if isinstance(error, WriteRefused):
                raise LostRace(record.id) from None
            raise StorageUnavailable("write an email") from error

    async def page(self, query: EmailQuery) -> Page:
        """One request for the partitions, and one for each partition of each day that the page touches."""
        items: list[EmailRecord] = []
        with translated("list emails"):
            days_ended: list[str] = []
            async for day, partitions in self._partitions.days(query):
                if len(days_ended) == DAYS_A_PAGE:
                    return Page(tuple(items), end_of_day_id(days_ended[-1]))
                async for record in _merged([self._rows(partition, query) for partition in partitions]):
                    if not query.matches(record):
                        continue
                    if len(items) == query.limit:
                        return Page(tuple(items), items[-1].id)
                    items.append(record)
                days_ended.append(day)
        return Page(tuple(items), None)

    async def unsettled_partitions(self) -> list[str]:
        with translated("read the partitions"):
            return await self._partitions.unsettled()

    async def waiting(self, partition: str, whole: int = 0) -> AsyncIterator[StoredEmail]:
        """The page with content has one row more: where those without begin."""
        first, last = _UNSENT, _UNSENT[0] + "."
        if whole:
            count = 0
            async for row in self._between(partition, first, last, results_per_page=whole + 1):
                if count == whole:
                    first = row["RowKey"]
                    break
                count += 1
                if stored := _stored(row):
                    yield stored
            else:
                return
        async for row in self._between(partition, first, last, select=list(RECORD_PROPERTIES)):
            if stored := _stored(row):
                yield stored

    async def unsent(self, first_id: str, last_id: str) -> list[StoredEmail]:
        rows = self._between(partition_of(first_id), _UNSENT + first_id, _UNSENT + last_id)
        return [stored async for row in rows if (stored := _stored(row))]

    async def _between(self, partition: str, first: str, last: str, **page: Any) -> AsyncIterator[TableEntity]:
        """The rows with these keys and those between."""
        conditions = "PartitionKey eq @partition and RowKey ge @first and RowKey le @last"
        values = {"partition": partition, "first": first, "last": last}
        with translated("read unsent emails"):
            async for row in self._emails.query_entities(conditions, parameters=values, **page):
                yield row

    async def settle(self, partition: str) -> None:
        with translated("settle a partition"):
            if not await self._has_rows(partition, _UNSENT):  # one that cannot be read is unsent all the same
                await self._partitions.settle(partition)

    async def partitions_until(self, moment: datetime) -> AsyncIterator[str]:
        with translated("read the partitions"):
            async for partition in self._partitions.until(moment):
                yield partition

    async def partitions_with_content(self, until: datetime) -> AsyncIterator[str]:
        with translated("read the partitions"):
            async for partition in self._partitions.with_content(until):
                yield partition

    async def purge_content(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        """One request reads up to 1,000 rows, one changes 100, one deletes 256 blobs."""
        with translated("purge content"):
            rows = [row async for row in self._ended(partition, ended_before, " and content_deleted eq false")]
            for start in range(0, len(rows), MOST_OPERATIONS):
                await self._delete_content(rows[start : start + MOST_OPERATIONS])
        return len(rows), len(rows) == PURGED_AT_ONCE

    async def _delete_content(self, rows: list[dict[str, Any]]) -> None:
        """Blobs first: a row says that its content is deleted when all of it is."""
        await self._delete_blobs([_blob_name(row["RowKey"][2:]) for row in rows if _is_large(row)])
        deleted = {"content_deleted": True, CONTENT_PROPERTY: b""}  # a merge cannot take a property away
        keys = ({name: row[name] for name in ("PartitionKey", "RowKey")} for row in rows)
        try:
            await submit(self._plain, [transaction.merge(EMAILS_TABLE, key | deleted, transaction.ANY) for key in keys])
        except Refusal:
            raise StorageUnavailable("purge content: another purge is at work") from None

    async def settle_content(self, partition: str) -> None:
        with translated("settle a partition's content"):
            if await self._has_rows(partition, _UNSENT) or await self._has_content(partition):
                return
            await self._partitions.settle_content(partition)

    async def _has_content(self, partition: str) -> bool:
        rows = self._emails.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and content_deleted eq false",
            parameters={"partition": partition, "first": _HISTORY, "last": _HISTORY[0] + "."},
            results_per_page=1,
            select=["RowKey"],
        )
        async for _ in rows:
            return True
        return False

    async def purge(self, partition: str, ended_before: datetime) -> tuple[int, bool]:
        """One request reads up to 1,000 rows, one deletes 100, one deletes 256 blobs."""
        with translated("purge the history"):
            rows = [row async for row in self._ended(partition, ended_before)]
            await self._delete_blobs([_blob_name(row["RowKey"][2:]) for row in rows if _is_large(row)])
            for start in range(0, len(rows), MOST_OPERATIONS):
                await self._delete_rows(rows[start : start + MOST_OPERATIONS])
            if len(rows) < PURGED_AT_ONCE and not await self._has_rows(partition):
                await self._delete_blobs(
                    [name async for name in self._content.list_blob_names(name_starts_with=f"{partition}/")]
                )
                await self._partitions.forget(partition)
        return len(rows), len(rows) == PURGED_AT_ONCE

    async def _ended(self, partition: str, before: datetime, which: str = "") -> AsyncIterator[dict[str, Any]]:
        conditions = (
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and ended_at lt @before" + which
        )
        values = {"partition": partition, "first": _HISTORY, "last": _HISTORY[0] + ".", "before": before}
        rows = self._emails.query_entities(
            conditions, parameters=values, results_per_page=PURGED_AT_ONCE, select=["PartitionKey", "RowKey", "size"]
        )
        count = 0
        async for row in rows:  # a page may be empty and not the last one: the service looks through so many rows
            yield row
            count += 1
            if count == PURGED_AT_ONCE:
                return

    async def _delete_rows(self, rows: list[dict[str, Any]]) -> None:
        try:
            await submit(self._plain, [transaction.delete(EMAILS_TABLE, row) for row in rows])
        except Refusal:
            raise StorageUnavailable("purge the history: another purge is at work") from None

    async def _delete_blobs(self, names: list[str]) -> None:
        for start in range(0, len(names), MOST_BLOBS):
            answers = await self._content.delete_blobs(*names[start : start + MOST_BLOBS], raise_on_any_failure=False)
            async for answer in answers:
                if answer.status_code not in (202, 404):  # 404: an earlier run that was cut short deleted it
                    raise HttpResponseError(f"deleting a blob was answered {answer.status_code}")

    async def _has_rows(self, partition: str, prefix: str = "") -> bool:
        rows = self._emails.query_entities(
            "PartitionKey eq @partition and RowKey ge @prefix and RowKey lt @last",
            parameters={"partition": partition, "prefix": prefix, "last": prefix[:1] + "." if prefix else "~"},
            results_per_page=1,
            select=["RowKey"],
        )
        async for _ in rows:
            return True
        return False

    async def _rows(self, partition: str, query: EmailQuery) -> AsyncIterator[EmailRecord]:
        conditions, values = _conditions(partition, query)
        entities = self._emails.query_entities(
            conditions,
            parameters=values,
            results_per_page=min(query.limit + 1, 1000),
            select=list(RECORD_PROPERTIES),
        )
        async for entity in entities:
            record = _readable(entity)
            if record is not None:
                yield record


async def _merged(streams: list[AsyncIterator[EmailRecord]]) -> AsyncIterator[EmailRecord]:
    """All streams as one, in the order of ids. Each is ordered; their first pages are read side by side."""
    firsts = await asyncio.gather(*(anext(stream, None) for stream in streams))
    heap = [(record.id, number, record) for number, record in enumerate(firsts) if record is not None]
    heapq.heapify(heap)
    while heap:
        _, number, record = heapq.heappop(heap)
        yield record
        following = await anext(streams[number], None)
        if following is not None:
            heapq.heappush(heap, (following.id, number, following))


def _conditions(partition: str, query: EmailQuery) -> tuple[str, dict[str, str]]:
    """The OData filter for the rows of one partition that the query may want: the keys' range, and what is a
    property of its own. What is not (a recipient, a part of the subject) `EmailQuery.matches` decides."""
    prefix = _UNSENT if query.view is View.UNSENT else _HISTORY
    lowest, highest = prefix, prefix[0] + "."
    if query.until:
        lowest = prefix + inverted_time(query.until + timedelta(microseconds=999)) + "."
    if query.after:
        lowest = max(lowest, prefix + query.after)
    if query.since:
        highest = prefix + inverted_time(query.since) + "."
    conditions = ["PartitionKey eq @partition", "RowKey gt @lowest", "RowKey lt @highest"]
    values = {"partition": partition, "lowest": lowest, "highest": highest}
    equal = {
        "status": query.status and query.status.value,
        "sender": query.sender and query.sender.casefold(),
        "provider": query.provider,
        "mode": query.mode and query.mode.value,
        "user": query.user,
    }
    for name, value in equal.items():
        if value is not None:
            conditions.append(f"{name} eq @{name}")
            values[name] = value
    if query.owner is not None:
        conditions.append("( accepted_by eq @caller or user eq @own )")  # blanks: the client parts words by them
        values |= {"caller": query.owner.caller, "own": query.owner.user or query.owner.caller}
    return " and ".join(conditions), values


def _readable(entity: Mapping[str, Any]) -> EmailRecord | None:
    """One row that a later version wrote, or somebody by hand, must not hide all the others."""
    try:
        return record_of(entity)
    except (KeyError, ValueError, TypeError) as error:
        logger.error("row %s in %s cannot be read: %s", entity["RowKey"], entity["PartitionKey"], where(error))
        return None


def _stored(entity: TableEntity) -> StoredEmail | None:
    record = _readable(entity)
    return None if record is None else StoredEmail(record, _etag(entity), entity.get(CONTENT_PROPERTY))


def _etag(entity: TableEntity) -> str:
    return str(entity.metadata["etag"])


def _entity(prefix: str, record: EmailRecord, inline: bytes | None) -> dict[str, Any]:
    content = {} if inline is None else {CONTENT_PROPERTY: inline}
    return _keys(prefix, record.id) | entity_properties(record) | content


def _keys(prefix: str, email_id: str) -> dict[str, str]:
    return {"PartitionKey": partition_of(email_id), "RowKey": prefix + email_id}


def _blob_name(email_id: str) -> str:
    """By partition, so that what is left when its emails are purged belonged to none."""
    return f"{partition_of(email_id)}/{email_id}.eml"


def _is_large(row: dict[str, Any]) -> bool:
    return int(row["size"]) > INLINE_CONTENT_LIMIT
