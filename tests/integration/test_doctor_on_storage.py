"""The doctor on the emulator: whole, with parts missing, and with an identity that may only read."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.utils import parse_connection_string
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.storage.queue.aio import QueueClient

from email_core.doctor.examination import examine
from email_core.doctor.finding import Verdict
from email_core.storage_clients import StorageClients
from email_core.stores.azure.names import CONTENT_CONTAINER, EMAILS_TABLE, TABLES
from tests.support.app import settings_for
from tests.support.azurite import ROOT, free_port
from tests.support.inbox import running_inbox
from tests.support.storage import all_azure_stores

QUEUES = ("email-batch", "email-interactive", "email-batch-poison", "email-interactive-poison")
ALL = [
    *(f"table {name}" for name in TABLES),
    *(f"queue {name}" for name in QUEUES),
    f"container {CONTENT_CONTAINER}",
]


class NoResolver:
    """Nobody is asked: the sender is unknown."""


async def found(connection, section="Storage"):
    sections = await examine({"EmailStorage": connection}, resolver=NoResolver())
    return {one.what: one for all_of in sections if all_of.title == section for one in all_of.findings}


def read_only(connection: str) -> str:
    values = parse_connection_string(connection, case_sensitive_keys=True)
    sas = generate_account_sas(
        values["AccountName"],
        values["AccountKey"],
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
        services="bqt",
    )
    endpoints = "".join(f"{name}={value};" for name, value in values.items() if name.endswith("Endpoint"))
    return f"{endpoints}SharedAccessSignature={sas}"


async def messages(connection: str, queue: str) -> int:
    async with QueueClient.from_connection_string(connection, queue) as client:
        return (await client.get_queue_properties()).approximate_message_count


async def test_storage_that_is_whole_can_be_read_and_written_and_keeps_nothing_of_it(storage_connection):
    async with all_azure_stores(storage_connection):
        findings = await found(storage_connection)
    assert {what: finding.verdict for what, finding in findings.items()} == dict.fromkeys(ALL, Verdict.OK)
    assert [await messages(storage_connection, queue) for queue in QUEUES] == [0] * 4
    clients = StorageClients({"EmailStorage": storage_connection})
    async with clients.tables() as tables, clients.blobs() as blobs:
        for name in TABLES:
            assert [row async for row in tables.get_table_client(name).list_entities()] == []
        assert [blob async for blob in blobs.get_container_client(CONTENT_CONTAINER).list_blobs()] == []


async def test_storage_that_nobody_made_is_told_with_the_command_that_makes_it(storage_connection):
    findings = await found(storage_connection)
    assert {what: finding.verdict for what, finding in findings.items()} == dict.fromkeys(ALL, Verdict.FAILED)
    assert all("email_core.create_storage" in finding.fix for finding in findings.values())


async def test_one_table_that_is_missing_is_the_only_failure(storage_connection):
    async with all_azure_stores(storage_connection):
        async with StorageClients({"EmailStorage": storage_connection}).tables() as tables:
            await tables.delete_table(EMAILS_TABLE)
        findings = await found(storage_connection)
    assert [what for what, one in findings.items() if one.verdict is not Verdict.OK] == [f"table {EMAILS_TABLE}"]


async def test_identity_that_may_only_read_is_told_what_it_may_not(storage_connection):
    async with all_azure_stores(storage_connection):
        findings = await found(read_only(storage_connection))
    assert {what: finding.verdict for what, finding in findings.items()} == dict.fromkeys(ALL, Verdict.FAILED)
    assert all(finding.detail.startswith("cannot be written: 403") for finding in findings.values())
    assert all("Grant this identity the role Storage " in finding.fix for finding in findings.values())
    assert "sig=" not in repr(findings)


async def test_messages_that_the_host_gave_up_are_counted(storage_connection):
    async with all_azure_stores(storage_connection):
        async with QueueClient.from_connection_string(storage_connection, "email-batch-poison") as queue:
            await queue.send_message("e30=")
        findings = await found(storage_connection)
    finding = findings["queue email-batch-poison"]
    assert (finding.verdict, finding.detail.partition(":")[0]) == (Verdict.WARNING, "1 message")


@pytest.mark.slow
async def test_storage_that_does_not_answer_is_told_once_for_each_thing_and_skips_what_needs_it():
    endpoints = "".join(f"{name}Endpoint=http://127.0.0.1:{free_port()}/a;" for name in ("Blob", "Queue", "Table"))
    sections = await examine({"EmailStorage": f"AccountName=a;AccountKey=a2V5;{endpoints}"}, resolver=NoResolver())
    verdicts = {section.title: {one.verdict for one in section.findings} for section in sections}
    assert (verdicts["Storage"], verdicts["Distributor and timers"]) == ({Verdict.FAILED}, {Verdict.SKIPPED})


@pytest.mark.slow
async def test_command_ends_with_0_where_nothing_failed_and_sends_the_test_email_it_is_asked_for(storage_connection):
    async with all_azure_stores(storage_connection):
        with running_inbox() as inbox:
            settings = settings_for(storage_connection, inbox.port)
            run = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-W", "error", "-m", "email_core.doctor", "--json", "--to", "bob@example.com"],
                cwd=ROOT,
                env=os.environ | settings | {"EmailParameters__default_sender": "ann@contoso.test"},
                capture_output=True,
                text=True,
                timeout=60,
            )
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["counts"]["failed"] == 0
    assert inbox.one_to("bob@example.com").sender == "ann@contoso.test"
    assert "bob@example.com" not in run.stdout
