"""`python -m email_core.create_storage` makes the tables, queues and the container of the account in `EmailStorage`.

For local development: on Azure the deployment makes them. Harmless where they are there already.
"""

import asyncio
import os
import sys

from email_core.errors import EmailSubsystemError
from email_core.storage_clients import StorageClients
from email_core.stores.azure import create_storage


async def _create() -> None:
    clients = StorageClients(os.environ)
    async with clients.tables() as tables, clients.queues() as queues, clients.blobs() as blobs:
        await create_storage(tables, queues, blobs)


def main() -> int:
    try:
        asyncio.run(_create())
    except EmailSubsystemError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
