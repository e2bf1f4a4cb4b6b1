"""Whether the tables, the queues and the container are there, and may be read and written by this identity.

Nothing is left behind: a write to a table or the container is one whose condition cannot hold, and which is refused
all the same where this identity may not write; a doorbell for no email, hidden, is put and taken away.
"""

import base64
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from email_core.doctor.finding import Finding, bounded, failed, ok, warning
from email_core.email_id import new_email_id
from email_core.record import Mode
from email_core.stores.azure.names import CONTENT_CONTAINER, TABLES
from email_core.stores.base import POISON, QUEUE_NAMES, Doorbell
from email_core.stores.doorbell_text import doorbell_to_text

SECONDS = 25.0
NO_VERSION = "W/\"datetime'2000-01-01T00%3A00%3A00.0000000Z'\""  # an ETag that no row or blob of ours has
HIDDEN, KEPT = (
    60,
    90,
)  # seconds; should it not be taken away, it rings for an email that is not there, which is harmless

READ_AND_WRITTEN = "can be read and written"
MISSING = "Create it: python -m email_core.create_storage, or deploy the infrastructure again."


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of thing, and the role that lets this identity use it."""

    kind: str
    role: str


TABLE = Service("table", "Storage Table Data Contributor")
QUEUE = Service("queue", "Storage Queue Data Contributor")
CONTAINER = Service("container", "Storage Blob Data Owner")


class NotUsable(Exception):
    """What was asked of the storage did not work."""

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix


def storage_checks(
    tables: TableServiceClient, queues: QueueServiceClient, blobs: BlobServiceClient
) -> list[Awaitable[Finding]]:
    return [
        *(_check(TABLE, name, _table(tables, name)) for name in TABLES),
        *(_check(QUEUE, name, _queue(queues, name, mode)) for mode, name in QUEUE_NAMES.items()),
        *(
            _check(QUEUE, name + POISON, _poison_queue(queues, name + POISON, mode))
            for mode, name in QUEUE_NAMES.items()
        ),
        _check(CONTAINER, CONTENT_CONTAINER, _container(blobs)),
    ]


async def _check(service: Service, name: str, check: Awaitable[Finding]) -> Finding:
    async def found() -> Finding:
        try:
            return await check
        except NotUsable as problem:
            return failed(what, problem.detail, problem.fix)

    what = f"{service.kind} {name}"
    return await bounded(what, found(), SECONDS)


async def _table(tables: TableServiceClient, name: str) -> Finding:
    table = tables.get_table_client(name)
    with _asking(TABLE, "read"):
        await anext(table.list_entities(results_per_page=1, select="PartitionKey").by_page(), None)
    with _asking(TABLE, "written"), suppress(ResourceNotFoundError, ResourceModifiedError):
        await table.update_entity(
            {"PartitionKey": "doctor", "RowKey": "doctor"},
            mode=UpdateMode.REPLACE,
            etag=NO_VERSION,
            match_condition=MatchConditions.IfNotModified,
        )
    return ok(f"table {name}", READ_AND_WRITTEN)


async def _container(blobs: BlobServiceClient) -> Finding:
    container = blobs.get_container_client(CONTENT_CONTAINER)
    with _asking(CONTAINER, "read"):
        await anext(container.list_blobs(results_per_page=1).by_page(), None)
    with _asking(CONTAINER, "written"), suppress(ResourceNotFoundError, ResourceModifiedError):
        await container.upload_blob(
            "doctor", b"", overwrite=True, etag=NO_VERSION, match_condition=MatchConditions.IfNotModified
        )
    return ok(f"container {CONTENT_CONTAINER}", READ_AND_WRITTEN)


async def _queue(queues: QueueServiceClient, name: str, mode: Mode) -> Finding:
    depth = await _depth(queues, name, mode)
    return ok(f"queue {name}", f"{READ_AND_WRITTEN}, {_counted(depth)}")


async def _poison_queue(queues: QueueServiceClient, name: str, mode: Mode) -> Finding:
    depth = await _depth(queues, name, mode)
    if depth == 0:
        return ok(f"queue {name}", f"{READ_AND_WRITTEN}, {_counted(depth)}")
    return warning(
        f"queue {name}",
        f"{_counted(depth)}: the host gave up answering them",
        "They are taken up again by themselves. If some stay, the app does not run, or its log says why it fails.",
    )


async def _depth(queues: QueueServiceClient, name: str, mode: Mode) -> int:
    """How many messages there are, about, where all that the app does with a queue can be done."""
    queue = queues.get_queue_client(name)
    with _asking(QUEUE, "read"):
        depth = (await queue.get_queue_properties()).approximate_message_count or 0
        await queue.peek_messages()
    with _asking(QUEUE, "written"):
        message = await queue.send_message(_doorbell(mode), visibility_timeout=HIDDEN, time_to_live=KEPT)
        await queue.delete_message(message)
    return depth


def _doorbell(mode: Mode) -> str:
    now = datetime.now(UTC)
    return base64.b64encode(doorbell_to_text(Doorbell(new_email_id(now, 0), mode), now).encode()).decode()


def _counted(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


# ---- what the storage says


@contextmanager
def _asking(service: Service, verb: str) -> Iterator[None]:
    """Foreign errors end here. Their words are not repeated: an address among them may hold a signature."""
    try:
        yield
    except AzureError as error:
        raise _not_usable(service, verb, error) from error


def _not_usable(service: Service, verb: str, error: AzureError) -> NotUsable:
    status, code = getattr(error, "status_code", None), getattr(error, "error_code", None) or ""
    if status is None:
        return _without_answer(error)
    code = str(getattr(code, "value", code))  # some clients have an Enum of them
    answer = f"{status} {code}".strip()
    if code == "AuthorizationFailure":
        return NotUsable(
            f"cannot be {verb}: {answer}",
            "The account's firewall keeps this machine out (see Networking there), or the SAS does not permit it.",
        )
    if status in (401, 403):
        return NotUsable(
            f"cannot be {verb}: {answer}",
            f"Grant this identity the role {service.role} on the storage account (it takes some minutes to count), or "
            "correct the key in EmailStorage.",
        )
    if status == 404:
        return NotUsable(f"is not there: {answer}", MISSING)
    return NotUsable(f"cannot be {verb}: {answer}", "It may pass: try again in a few minutes.")


def _without_answer(error: AzureError) -> NotUsable:
    if isinstance(error, ClientAuthenticationError):
        return NotUsable(
            "this identity could not sign in",
            "Switch on the app's managed identity, or name a user-assigned one in EmailStorage__clientId.",
        )
    return NotUsable(
        f"the storage cannot be reached: {type(error).__name__}",
        "See that EmailStorage names the account, and that its network lets this machine in. Locally: make run.",
    )
