"""The command that moves parameters from one environment to another, on accounts of the emulator."""

import asyncio
import json

import pytest

from email_core.parameter_file import main
from tests.support.storage import all_azure_stores

VALUES = {"smtp_server": "mail.contoso.com", "smtp_port": 2525, "keep_content": False}


@pytest.fixture
async def environments(azurite):
    """Settings of two environments; the first has something stored."""
    accounts = [azurite.new_account(), azurite.new_account()]
    for account, values in zip(accounts, (VALUES, {}), strict=True):
        async with all_azure_stores(account) as stores:
            if values:
                await stores.parameters.write(values, None)
    return [{"EmailStorage": account} for account in accounts]


async def test_what_is_exported_can_be_imported_elsewhere(environments, tmp_path):
    file = tmp_path / "parameters.json"
    assert await asyncio.to_thread(main, ["export", str(file)], environments[0]) == 0
    assert json.loads(file.read_text()) == VALUES
    assert await asyncio.to_thread(main, ["import", str(file)], environments[1]) == 0
    async with all_azure_stores(environments[1]["EmailStorage"]) as stores:
        assert (await stores.parameters.read())[0] == VALUES
        assert {event.by for event in (await stores.audit.page(10, None)).items} == {"command"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"smtp_port": "25"}', "smtp_port is text and no number. Use 0 to 65535, without quotes."),
        ('{"smtp_sever": "x"}', "smtp_sever is no parameter of this version. Did you mean smtp_server?"),
        ('{"batch_provider": "graph"}', "batch_provider is graph, which is not configured"),
        ("smtp_port: 25", "the file is no JSON"),
        ("[]", "the file is not a JSON object"),
        ("[" * 100_000, "the file is no JSON"),
        (b'{"smtp_server": "\xfc"}', "the file is no JSON"),
        (b'\xef\xbb\xbf{"smtp_port": -1}', "smtp_port is not a number"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_stored(environments, tmp_path, capsys, text, words):
    file = tmp_path / "parameters.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert await asyncio.to_thread(main, ["import", str(file)], environments[0]) == 1
    assert words in capsys.readouterr().err
    async with all_azure_stores(environments[0]["EmailStorage"]) as stores:
        assert (await stores.parameters.read())[0] == VALUES
