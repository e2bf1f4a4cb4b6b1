"""The proxy that other tests break the storage with: it must change nothing unless told to, and then only that."""

import asyncio
from contextlib import suppress

import httpx
import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from email_core.content import whole
from email_core.record import Mode
from email_core.storage_clients import StorageClients
from email_core.stores.base import QUEUE_NAMES
from tests.support.emails import email
from tests.support.storage import azure_stores
from tests.support.storage_proxy import (
    DROPPED,
    HANGING,
    HANGING_ANSWER,
    LOST_ANSWER,
    Fault,
    StorageProxy,
    answering,
    is_kind,
    late,
    running_storage_proxy,
    storage_proxy,
)

PUT = is_kind("queue put")
QUEUE = QUEUE_NAMES[Mode.BATCH]


async def put(proxy: StorageProxy, text: str = "x", **options) -> None:
    clients = StorageClients({"EmailStorage": proxy.connection})
    async with clients.queues() as queues:
        await queues.get_queue_client(QUEUE).send_message(text, retry_total=0, **options)


async def messages(connection: str) -> list[str]:
    async with StorageClients({"EmailStorage": connection}).queues() as queues:
        return [one.content async for one in queues.get_queue_client(QUEUE).receive_messages()]


@pytest.fixture
async def account(storage_connection: str) -> str:
    async with azure_stores(storage_connection):
        return storage_connection


async def test_everything_passes_unchanged_and_is_counted_by_kind(account):
    record, content = email(), bytes(range(256)) * 40_000  # 10 MB: a blob in blocks
    async with storage_proxy(account) as proxy, azure_stores(proxy.connection) as (emails, _):
        proxy.forget()
        stored = await emails.insert(record, content)
        assert await whole(await emails.content(await emails.get(record.id))) == content
        assert stored.inline is None
        await put(proxy, "Grüße")
        assert await messages(proxy.connection) == ["Grüße"]
        assert await messages(proxy.connection) == []
        counts = proxy.counts
    assert {kind: counts[kind] for kind in ("table insert", "table get", "queue put", "blob put block list")} == {
        "table insert": 1,
        "table get": 1,
        "queue put": 1,
        "blob put block list": 1,
    }
    assert (counts["queue receive"], counts["queue receive, empty"] > 0, counts["blob get"] > 0) == (1, True, True)
    assert all(200 <= one.status < 300 for one in proxy.exchanges)


@pytest.mark.parametrize("status", [500, 503])
async def test_refused_request_is_not_handed_on(account, status):
    async with storage_proxy(account, Fault(PUT, answering(status))) as proxy:
        with pytest.raises(HttpResponseError) as refused:
            await put(proxy)
        assert refused.value.status_code == status
    assert await messages(account) == []


@pytest.mark.parametrize(("action", "arrives"), [(DROPPED, []), (LOST_ANSWER, ["x"])])
async def test_dropped_request_has_no_effect_and_one_without_answer_has(account, action, arrives):
    async with storage_proxy(account, Fault(PUT, action)) as proxy:
        with pytest.raises(AzureError):
            await put(proxy)
        assert [(one.kind, one.status) for one in proxy.exchanges] == [("queue put", 0)]
    assert await messages(account) == arrives


@pytest.mark.parametrize(("action", "arrives"), [(HANGING, []), (HANGING_ANSWER, ["x"])])
async def test_client_of_a_hanging_request_gives_up(account, action, arrives):
    async with storage_proxy(account, Fault(PUT, action)) as proxy:
        with pytest.raises(AzureError):
            await put(proxy, read_timeout=0.2)
    assert await messages(account) == arrives


async def test_only_the_nth_request_is_struck(account):
    fault = Fault(PUT, answering(500), nth={2})
    async with storage_proxy(account, fault) as proxy:
        await put(proxy, "1")
        with pytest.raises(HttpResponseError):
            await put(proxy, "2")
        await put(proxy, "3")
    assert (fault.matched, fault.happened) == (3, 1)
    assert await messages(account) == ["1", "3"]


async def test_chance_is_the_same_for_the_same_seed(account):
    async def struck(seed: int) -> list[int]:
        async with storage_proxy(account, Fault(PUT, answering(500), chance=0.5), seed=seed) as proxy:
            for _ in range(20):
                with suppress(HttpResponseError):
                    await put(proxy)
            return [one.status for one in proxy.exchanges]

    assert await struck(1) == await struck(1) != await struck(2)


async def test_late_request_arrives(account):
    async with storage_proxy(account, Fault(PUT, late(0.2))) as proxy:
        started = asyncio.get_running_loop().time()
        await put(proxy)
        assert asyncio.get_running_loop().time() - started >= 0.2
    assert await messages(account) == ["x"]


def test_proxy_in_a_thread_serves_a_test_without_an_event_loop(azurite):
    with running_storage_proxy(azurite.new_account()) as proxy:
        asyncio.run(_create(proxy.connection))
        endpoint = proxy.connection.split("QueueEndpoint=")[1].split(";")[0]
        assert httpx.get(f"{endpoint}?comp=list", trust_env=False).status_code == 403  # nobody signed it
    assert proxy.counts["table create"] > 0


async def _create(connection: str) -> None:
    async with azure_stores(connection):
        pass
