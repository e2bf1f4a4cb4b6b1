"""As whom an app may send: one suite over all stores."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from email_core.app_senders import AppSendersRow
from email_core.stores.base import Stores
from email_core.stores.memory import memory_stores
from tests.support.storage import all_azure_stores

FIRST = AppSendersRow(client_id="1" * 8, senders=("@contoso.com", "ann@contoso.com"), name="Zoë's")
SECOND = AppSendersRow(client_id="2" * 8, senders=())


@pytest.fixture(params=["memory", "azure"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores()
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores


async def test_rows_are_kept_replaced_and_deleted(stores):
    rows = stores.app_senders
    assert await rows.get(FIRST.client_id) is None
    for row in (SECOND, FIRST, replace(FIRST, name="")):
        await rows.put(row)
    assert await rows.all() == [replace(FIRST, name=""), SECOND]
    await rows.delete(FIRST.client_id)
    await rows.delete(FIRST.client_id)
    assert await rows.get(FIRST.client_id) is None
    assert await rows.get(SECOND.client_id) == SECOND
