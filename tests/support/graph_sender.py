"""A process that sends two emails through Graph, a small and a large one, and prints the peak of its memory over idle.

`python -m tests.support.graph_sender`, told by its environment; Linux only.
"""

import asyncio
import json
import os
import re
from pathlib import Path

from email_core.assembly import connect, utc_now
from email_core.delivery_state import Status
from email_core.provider_builders import configured_providers
from email_core.record import Mode
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from email_core.storage_clients import STORAGE_SETTING
from email_core.stores.base import Doorbell
from tests.fakes.graph import SECRET
from tests.support.parameters import parameters_from_settings
from tests.support.storage import all_azure_stores


async def main() -> None:
    parameters = parameters_from_settings(os.environ)
    secrets = MemorySecrets(utc_now)
    await secrets.put(SecretName.GRAPH_CLIENT_SECRET, SECRET)
    async with all_azure_stores(os.environ[STORAGE_SETTING]) as stores:
        providers = configured_providers(parameters, secrets, stores.mailboxes, utc_now)
        core = connect(stores=stores, providers=providers, parameters=parameters, secrets=secrets)
        small, large = os.environ["EMAILS"].split()
        await _send(core, small)
        idle = _octets("VmRSS")
        _forget_peak()
        await _send(core, large)
        print(json.dumps({"idle": idle, "peak": _octets("VmHWM")}))
        await providers["graph"].aclose()


async def _send(core, email_id: str) -> None:
    await core.delivery.answer(Doorbell(email_id, Mode.BATCH))
    record = await core.outbox.read(email_id)
    if record.status is not Status.SENT:
        raise RuntimeError(f"{record}: {[attempt.reply for attempt in record.attempts]}")


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _octets(line: str) -> int:
    return int(re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


if __name__ == "__main__":
    asyncio.run(main())
