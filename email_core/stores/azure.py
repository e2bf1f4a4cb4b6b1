"""Stores on one Azure Storage account: tables for records, blobs for large content, queues for doorbells.

An unsent email's row key is `u-<id>`; the transaction that ends it deletes that row and inserts `h-<id>`, so each
view reads only its own rows. The table `emailpartitions` lists the partitions that have mail, under `all`, and those
that may still have unsent mail, under `unsettled`: a view never looks into days without any.
"""

import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from email_core.email_id import created_at, end_of_day_id, inverted_day, inverted_time, partition_of
from email_core.errors import EmailNotFound, LostRace, StorageUnavailable
from email_core.record import EmailRecord, Mode
from email_core.stores.base import (
    INLINE_CONTENT_LIMIT,
    LONGEST_DELAY,
    QUEUE_NAMES,
    Doorbell,
    EmailQuery,
    Page,
    StoredEmail,
    View,
)
from email_core.stores.entities import (
    CONTENT_PROPERTY,
    RECORD_PROPERTIES,
    changed_properties,
    entity_properties,
    record_of,
)

EMAILS_TABLE = "emails"
PARTITIONS_TABLE = "emailpartitions"
CONTENT_CONTAINER = "email-content"

DAYS_A_PAGE = 31  # a page with a rare filter stops here and says where to go on
_UNSENT, _HISTORY = "u-", "h-"
_ALL, _UNSETTLED = "all", "unsettled"


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise StorageUnavailable(operation) from error


async def create_storage(tables: TableServiceClient, queues: QueueServiceClient, blobs: BlobServiceClient) -> None:
    """Makes the tables, queues and the container that are not there yet."""
    with _translated("create the tables, queues and the container"):
        await asyncio.gather(
            tables.create_table_if_not_exists(EMAILS_TABLE),
            tables.create_table_if_not_exists(PARTITIONS_TABLE),
            *(_create_once(queues.create_queue(name)) for name in QUEUE_NAMES.values()),
            _create_once(blobs.create_container(CONTENT_CONTAINER)),
        )


async def _create_once(creation: Any) -> None:
    with suppress(ResourceExistsError):  # an earlier start made it
        await creation


class AzureEmailStore:
    def __init__(self, tables: TableServiceClient, blobs: BlobServiceClient) -> None:
        self._emails: TableClient = tables.get_table_client(EMAILS_TABLE)
        self._partitions = _Partitions(tables.get_table_client(PARTITIONS_TABLE))
        self._content: ContainerClient = blobs.get_container_client(CONTENT_CONTAINER)

    async def insert(self, record: EmailRecord, mime: bytes) -> StoredEmail:
        inline = mime if len(mime) <= INLINE_CONTENT_LIMIT else None
        with _translated("keep a new email"):
            await self._partitions.ensure(partition_of(record.id))
            if inline is None:
                await self._content.upload_blob(
                    _blob_name(record.id),
                    BytesIO(mime),
                    length=len(mime),
                    overwrite=True,  # a repeated try of the same upload
                    content_settings=ContentSettings(content_type="message/rfc822"),
                )
            written = await self._emails.create_entity(_entity(_UNSENT, record, inline))
        return StoredEmail(record, written["etag"], inline)

    async def get(self, email_id: str) -> StoredEmail | None:
        """One request for an unsent email, two for an ended one. That order sees an email that ends meanwhile."""
        for prefix in (_UNSENT, _HISTORY):
            with _translated("read an email"):
                try:
                    entity = await self._emails.get_entity(partition_of(email_id), prefix + email_id)
                except ResourceNotFoundError:
                    continue
            return StoredEmail(record_of(entity), str(entity.metadata["etag"]), entity.get(CONTENT_PROPERTY))
        return None

    async def content(self, stored: StoredEmail) -> bytes:
        if stored.inline is not None:
            return stored.inline
        with _translated("read an email's content"):
            try:
                download = await self._content.download_blob(_blob_name(stored.record.id))
                return await download.readall()
            except ResourceNotFoundError:
                raise EmailNotFound(stored.record.id) from None

    async def update(self, stored: StoredEmail, record: EmailRecord) -> StoredEmail:
        changes = _keys(_UNSENT, record.id) | changed_properties(stored.record, record)
        with _translated("write an email's next version"):
            try:
                written = await self._emails.update_entity(
                    changes,
                    mode=UpdateMode.MERGE,
                    etag=stored.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                raise LostRace(record.id) from None
        return StoredEmail(record, written["etag"], stored.inline)

    async def end(self, stored: StoredEmail, record: EmailRecord) -> None:
        condition = {"etag": stored.etag, "match_condition": MatchConditions.IfNotModified}
        with _translated("move an email to the history"):
            try:
                await self._emails.submit_transaction(
                    [
                        ("delete", _keys(_UNSENT, record.id), condition),
                        ("create", _entity(_HISTORY, record, stored.inline)),
                    ]
                )
            except (ResourceModifiedError, ResourceNotFoundError, ResourceExistsError):
                raise LostRace(record.id) from None
            except TableTransactionError as error:
                if error.status_code in (404, 409, 412):
                    raise LostRace(record.id) from None
                raise

    async def page(self, query: EmailQuery) -> Page:
        """One request for the partitions, and one for each partition of each day that the page touches."""
        items: list[EmailRecord] = []
        with _translated("list emails"):
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

    async def _rows(self, partition: str, query: EmailQuery) -> AsyncIterator[EmailRecord]:
        conditions, values = _conditions(partition, query)
        entities = self._emails.query_entities(
            conditions,
            parameters=values,
            results_per_page=min(query.limit + 1, 1000),
            select=list(RECORD_PROPERTIES),
        )
        async for entity in entities:
            yield record_of(entity)


class AzureDoorbells:
    """A queue for each mode. The queues' encoding is host.json's `messageEncoding`: base64."""

    def __init__(self, queues: QueueServiceClient) -> None:
        self._queues: dict[Mode, QueueClient] = {
            mode: queues.get_queue_client(
                name,
                message_encode_policy=TextBase64EncodePolicy(),
                message_decode_policy=TextBase64DecodePolicy(),
            )
            for mode, name in QUEUE_NAMES.items()
        }

    async def ring(self, doorbell: Doorbell, delay: timedelta = timedelta(0)) -> None:
        seconds = max(0, math.ceil(min(delay, LONGEST_DELAY).total_seconds()))
        with _translated("put a doorbell"):
            await self._queues[doorbell.mode].send_message(
                doorbell.to_json(),
                visibility_timeout=seconds,
                time_to_live=-1,  # never expires: the default of 7 days would lose mail that waits
            )


class _Partitions:
    """The partitions that have mail. A row stands before the first email of its partition does."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._ensured: set[str] = set()

    async def ensure(self, partition: str) -> None:
        """Two requests for each partition in a process's life, at most `SHARDS` times a day."""
        if partition in self._ensured:
            return
        rows = [{"PartitionKey": kind, "RowKey": partition} for kind in (_ALL, _UNSETTLED)]
        await asyncio.gather(*(self._table.upsert_entity(row) for row in rows))
        self._ensured.add(partition)

    async def days(self, query: EmailQuery) -> AsyncIterator[tuple[str, list[str]]]:
        """Each day (inverted) that the query can find something in, newest first, with its partitions."""
        conditions = "PartitionKey eq @kind"
        values = {"kind": _UNSETTLED if query.view is View.UNSENT else _ALL}
        newest = created_at(query.after) if query.after else query.until
        if newest:
            conditions += " and RowKey ge @newest"
            values["newest"] = inverted_day(newest)
        if query.since:
            conditions += " and RowKey lt @oldest"
            values["oldest"] = inverted_day(query.since) + "."  # "." sorts right after "-"
        day, partitions = "", list[str]()
        async for row in self._table.query_entities(conditions, parameters=values, results_per_page=256):
            if partitions and row["RowKey"][:5] != day:
                yield day, partitions
                partitions = []
            day = row["RowKey"][:5]
            partitions.append(row["RowKey"])
        if partitions:
            yield day, partitions


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
    return " and ".join(conditions), values


def _entity(prefix: str, record: EmailRecord, inline: bytes | None) -> dict[str, Any]:
    content = {} if inline is None else {CONTENT_PROPERTY: inline}
    return _keys(prefix, record.id) | entity_properties(record) | content


def _keys(prefix: str, email_id: str) -> dict[str, str]:
    return {"PartitionKey": partition_of(email_id), "RowKey": prefix + email_id}


def _blob_name(email_id: str) -> str:
    return f"{email_id}.eml"
