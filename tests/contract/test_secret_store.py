"""What every place for secrets does: one suite over Key Vault (its client is real, the vault a stand-in), files and
memory."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from email_core.assembly import utc_now
from email_core.errors import SecretFault, SecretUnreadable
from email_core.secret_store.base import LONGEST_VALUE, SecretName, SecretState, SecretStore
from email_core.secret_store.file import FileSecrets
from email_core.secret_store.key_vault import KeyVaultSecrets
from email_core.secret_store.memory import MemorySecrets
from tests.fakes.key_vault import key_vault

NAME = SecretName.SMTP_PASSWORD


@pytest.fixture(params=["memory", "file", "key vault"])
async def secrets(request: pytest.FixtureRequest) -> AsyncIterator[SecretStore]:
    if request.param == "memory":
        yield MemorySecrets(utc_now)
    elif request.param == "file":
        yield FileSecrets(request.getfixturevalue("tmp_path") / "secrets")
    else:
        async with key_vault() as vault, vault.client() as client:
            yield KeyVaultSecrets(client, utc_now)


async def test_secret_that_was_never_set_is_missing_and_the_fix_says_where_to_enter_it(secrets):
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.get(NAME)
    assert (raised.value.name, raised.value.reason) == (NAME, SecretFault.MISSING)
    assert "PUT /api/secrets/smtp-password" in raised.value.fix
    assert await secrets.about(NAME) == SecretState(set=False, updated_at=None)


@pytest.mark.parametrize(
    "value",
    ["hunter2", " spaces stay ", "Grüße \U0001f511", "'\"\\n$(x)`{}%s=?\u00a0", "two\r\nlines", "x" * LONGEST_VALUE],
    ids=["plain", "spaces", "letters", "signs", "lines", "long"],
)
async def test_value_comes_back_as_it_was_put(secrets, value):
    await secrets.put(NAME, value)
    assert await secrets.get(NAME) == value


async def test_new_value_takes_the_place_of_the_old_at_once(secrets):
    await secrets.put(NAME, "old")
    assert await secrets.get(NAME) == "old"
    await secrets.put(NAME, "new")
    assert await secrets.get(NAME) == "new"


async def test_state_tells_when_the_value_was_set(secrets):
    await secrets.put(NAME, "hunter2")
    state = await secrets.about(NAME)
    assert state.set
    assert abs(state.updated_at - datetime.now(UTC)) < timedelta(seconds=30)


async def test_every_secret_has_a_place_of_its_own(secrets):
    for name in SecretName:
        await secrets.put(name, f"value of {name}")
    assert [await secrets.get(name) for name in SecretName] == [f"value of {name}" for name in SecretName]


async def test_refresh_loses_nothing(secrets):
    secrets.refresh(NAME)
    await secrets.put(NAME, "hunter2")
    secrets.refresh(NAME)
    assert await secrets.get(NAME) == "hunter2"


async def test_of_many_values_put_at_once_one_is_kept_whole(secrets):
    values = [str(number) * 2_000 for number in range(8)]
    await asyncio.gather(*(secrets.put(NAME, value) for value in values))
    assert await secrets.get(NAME) in values


async def test_no_value_shows_in_a_log_or_a_repr(secrets, caplog):
    caplog.set_level(logging.DEBUG)
    await secrets.put(NAME, "hunter2")
    await secrets.get(NAME)
    state = await secrets.about(NAME)
    assert "hunter2" not in f"{caplog.text} {secrets!r} {state!r}"
