"""What is made of everything a vault can say or do, by Microsoft's own client on real TLS."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import CredentialUnavailableError

from email_core.errors import SecretFault, SecretUnreadable
from email_core.secret_store import key_vault as module
from email_core.secret_store.base import SecretName
from email_core.secret_store.key_vault import KeyVaultSecrets
from tests.fakes.key_vault import HANG, RESET, TENANT, KeyVault, Refusal, key_vault, rbac, refusal
from tests.support.azurite import free_port
from tests.support.emails import NOON, Clock

NAME = SecretName.SMTP_PASSWORD
NOON_STAMP = int(NOON.timestamp())
OTHER_VALUE = "hunter3"
ALWAYS = 9  # more often than the client asks


@pytest.fixture
async def vault() -> AsyncIterator[KeyVault]:
    async with key_vault() as vault:
        vault.set(NAME, "hunter2")
        yield vault


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def secrets(vault: KeyVault, clock: Clock) -> AsyncIterator[KeyVaultSecrets]:
    async with vault.client() as client:
        yield KeyVaultSecrets(client, clock)


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """The seconds that the client wanted to wait, at once over."""
    wanted = []

    async def at_once(self, seconds):
        wanted.append(seconds)

    monkeypatch.setattr(AioHttpTransport, "sleep", at_once)
    monkeypatch.setattr(module, "WAITS", (0, 0))
    return wanted


async def trouble(secrets: KeyVaultSecrets) -> SecretUnreadable:
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.get(NAME)
    assert raised.value.name == NAME
    return raised.value


@asynccontextmanager
async def seconds_at_most(limit: float):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < limit


# ---- sign-in


async def test_vault_s_challenge_is_answered_once_with_a_token_of_its_tenant(vault, secrets):
    await secrets.get(NAME)
    secrets.refresh(NAME)
    await secrets.put(NAME, "new")
    await secrets.get(NAME)
    assert vault.credential.asked == [("https://vault.azure.net/.default", TENANT)]
    assert (vault.challenges, vault.requests) == (1, ["get", "set", "get"])


async def test_token_that_the_vault_no_longer_takes_is_replaced(vault, secrets):
    await secrets.get(NAME)
    secrets.refresh(NAME)
    vault.credential.token = "token-of-the-next-hour"
    assert await secrets.get(NAME) == "hunter2"


async def test_stranger_at_the_vault_s_address_gets_no_token(vault, clock):
    async with vault.client(verify_challenge_resource=True) as client:
        error = await trouble(KeyVaultSecrets(client, clock))
    assert (error.reason, vault.credential.asked) == (SecretFault.UNREACHABLE, [])
    assert "EmailSecrets__vaultUri" in error.fix


async def test_certificate_that_nobody_vouches_for_gets_no_token(vault, clock):
    async with vault.client(connection_verify=True) as client:
        error = await trouble(KeyVaultSecrets(client, clock))
    assert (error.reason, vault.credential.asked, vault.challenges) == (SecretFault.UNREACHABLE, [], 0)


@pytest.mark.parametrize("kind", [ClientAuthenticationError, CredentialUnavailableError])
async def test_app_without_an_identity_is_told_to_switch_it_on(vault, secrets, kind):
    vault.credential.failure = kind("no managed identity endpoint")
    error = await trouble(secrets)
    assert error.reason is SecretFault.FORBIDDEN
    assert "managed identity" in error.fix


async def test_client_speaks_a_version_that_the_vault_knows(vault, secrets):
    await secrets.put(NAME, "new")
    vault.delete(NAME)
    await secrets.put(NAME, "newer")
    assert vault.api_versions == {"2026-04-01"}


# ---- the cache


async def test_value_is_read_once_in_five_minutes(vault, secrets, clock):
    for _ in range(3):
        assert await secrets.get(NAME) == "hunter2"
    clock.advance(minutes=4, seconds=59)
    await secrets.get(NAME)
    assert vault.requests == ["get"]
    vault.set(NAME, "rotated")
    clock.advance(seconds=1)
    assert await secrets.get(NAME) == "rotated"


async def test_clock_that_was_set_back_makes_no_old_value_fresh(vault, secrets, clock):
    await secrets.get(NAME)
    vault.set(NAME, "rotated")
    clock.advance(hours=-1)
    assert await secrets.get(NAME) == "rotated"


async def test_refresh_brings_a_rotated_value_without_a_restart(vault, secrets):
    await secrets.get(NAME)
    vault.set(NAME, "rotated")
    secrets.refresh(NAME)
    assert await secrets.get(NAME) == "rotated"


async def test_all_who_wait_at_the_same_time_share_one_request(vault, secrets):
    values = await asyncio.gather(*(secrets.get(NAME) for _ in range(50)))
    assert (set(values), vault.requests) == ({"hunter2"}, ["get"])


async def test_all_who_wait_are_told_of_one_failure_and_the_next_asks_again(vault, secrets, caplog):
    vault.faults["get"] = [rbac("getSecret")]
    told = await asyncio.gather(*(secrets.get(NAME) for _ in range(10)), return_exceptions=True)
    assert ({type(one) for one in told}, vault.requests) == ({SecretUnreadable}, ["get"])
    assert not caplog.records  # above all none of the loop's, of a failure that nobody heard of
    assert await secrets.get(NAME) == "hunter2"


async def test_canceled_caller_takes_nothing_from_the_others(vault, secrets):
    gate = asyncio.Event()
    vault.faults["get"] = [gate]
    first, second = (asyncio.create_task(secrets.get(NAME)) for _ in range(2))
    await vault.hanging.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert (await second, vault.requests) == ("hunter2", ["get"])


async def test_reading_under_way_does_not_bring_an_overwritten_value_back(vault, secrets):
    gate = asyncio.Event()
    vault.faults["get"] = [gate]
    reading = asyncio.create_task(secrets.get(NAME))
    await vault.hanging.wait()
    await secrets.put(NAME, "new")
    gate.set()
    assert await reading == "hunter2"  # asked before the change
    assert await secrets.get(NAME) == "new"


async def test_value_whose_writing_had_no_answer_is_read_anew(vault, secrets):
    await secrets.get(NAME)
    vault.faults["set"] = [RESET] * ALWAYS
    with pytest.raises(SecretUnreadable):
        await secrets.put(NAME, "new")
    vault.set(NAME, "new")
    assert await secrets.get(NAME) == "new"


# ---- a vault that cannot be reached


async def test_known_value_is_used_on_while_the_vault_cannot_be_reached(vault, secrets, clock, caplog):
    await secrets.get(NAME)
    clock.advance(minutes=5)
    vault.faults["get"] = [refusal(503, "ServiceUnavailable")] * ALWAYS
    assert [await secrets.get(NAME) for _ in range(5)] == ["hunter2"] * 5
    assert vault.requests == ["get"] * 4  # one before, then three tries of one reading
    [warning] = [record for record in caplog.records if record.name == module.__name__]
    assert "The value of 2026-03-02T12:00:00+00:00 is used on." in warning.getMessage()


async def test_vault_that_could_not_be_reached_is_asked_again_after_half_a_minute(vault, secrets, clock):
    await secrets.get(NAME)
    clock.advance(minutes=5)
    vault.faults["get"] = [refusal(503, "ServiceUnavailable")] * 3
    await secrets.get(NAME)
    vault.set(NAME, "rotated")
    clock.advance(seconds=30)
    assert await secrets.get(NAME) == "rotated"


@pytest.mark.parametrize(
    ("age", "fault", "reason"),
    [
        (timedelta(hours=1), refusal(503, "ServiceUnavailable"), SecretFault.UNREACHABLE),
        (timedelta(minutes=5), rbac("getSecret"), SecretFault.FORBIDDEN),
    ],
)
async def test_known_value_is_not_used_when_it_is_old_or_the_app_may_no_longer(
    vault, secrets, clock, age, fault, reason
):
    await secrets.get(NAME)
    clock.advance(seconds=age.total_seconds())
    vault.faults["get"] = [fault] * ALWAYS
    assert (await trouble(secrets)).reason is reason


async def test_refused_value_is_not_used_while_the_vault_cannot_be_reached(vault, secrets):
    await secrets.get(NAME)
    secrets.refresh(NAME)
    vault.faults["get"] = [refusal(503, "ServiceUnavailable")] * ALWAYS
    assert (await trouble(secrets)).reason is SecretFault.UNREACHABLE


# ---- what the vault refuses


@pytest.mark.parametrize(
    ("faults", "reason", "fix"),
    [
        ([rbac("getSecret")], SecretFault.FORBIDDEN, "the role Key Vault Secrets User"),
        ([refusal(403, "Forbidden", "AccessDenied")], SecretFault.FORBIDDEN, "the secret permissions Get in"),
        ([refusal(403, "Forbidden", "ForbiddenByFirewall")], SecretFault.FORBIDDEN, "firewall"),
        ([refusal(403, "Forbidden", "ForbiddenByConnection")], SecretFault.FORBIDDEN, "private endpoint"),
        ([refusal(403, "Forbidden")], SecretFault.FORBIDDEN, "the role Key Vault Secrets User"),
        ([Refusal(403, "<html>no</html>")], SecretFault.FORBIDDEN, "the role Key Vault Secrets User"),
        ([refusal(400, "BadParameter")], SecretFault.UNREACHABLE, "answered 400 BadParameter"),
        ([Refusal(404, "<html>not here</html>")], SecretFault.UNREACHABLE, "EmailSecrets__vaultUri"),
        ([refusal(500, "InternalServerError")] * ALWAYS, SecretFault.UNREACHABLE, "try again in a few minutes"),
        ([refusal(503, "ServiceUnavailable")] * ALWAYS, SecretFault.UNREACHABLE, "answered 503 ServiceUnavailable"),
        ([refusal(429, "Throttled")] * ALWAYS, SecretFault.UNREACHABLE, "answered 429 Throttled. It may pass"),
        ([RESET] * ALWAYS, SecretFault.UNREACHABLE, "cannot be reached"),
        ([Refusal(200, "<html>sign in</html>")], SecretFault.UNREACHABLE, "does not answer like a vault"),
        ([Refusal(200, {})], SecretFault.MISSING, "Enter it"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
async def test_refusal_has_a_reason_and_a_fix(vault, secrets, faults, reason, fix):
    vault.faults["get"] = list(faults)
    error = await trouble(secrets)
    assert error.reason is reason
    assert fix in error.fix


async def test_nobody_at_the_address_is_unreachable(vault, clock):
    vault.address = f"https://127.0.0.1:{free_port()}"
    async with vault.client() as client:
        assert (await trouble(KeyVaultSecrets(client, clock))).reason is SecretFault.UNREACHABLE


@pytest.mark.parametrize(
    ("attributes", "reason", "fix"),
    [
        ({"enabled": False}, SecretFault.DISABLED, "Enable its current version"),
        ({"exp": NOON_STAMP}, SecretFault.EXPIRED, "expiration date"),
        ({"nbf": NOON_STAMP + 1}, SecretFault.DISABLED, "activation date"),
    ],
)
async def test_value_that_shall_not_be_used_is_not_used(vault, secrets, attributes, reason, fix):
    vault.set(NAME, "not to be used", **attributes)
    error = await trouble(secrets)
    assert error.reason is reason
    assert fix in error.fix
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.about(NAME)
    assert raised.value.reason is reason


async def test_value_within_its_dates_is_used(vault, secrets):
    vault.set(NAME, "in time", exp=NOON_STAMP + 1, nbf=NOON_STAMP)
    assert await secrets.get(NAME) == "in time"


async def test_state_tells_when_the_value_was_set_whatever_else_was_changed_since(vault, secrets):
    vault.set(NAME, "new", created=NOON_STAMP, updated=NOON_STAMP + 3600)
    assert (await secrets.about(NAME)).updated_at == NOON


# ---- soft delete


async def test_deleted_secret_is_told_from_one_that_never_was(vault, secrets):
    vault.delete(NAME)
    error = await trouble(secrets)
    assert error.reason is SecretFault.DELETED
    assert "recover it" in error.fix
    assert not (await secrets.about(NAME)).set


@pytest.mark.parametrize("fault", [rbac("readMetadata"), refusal(500, "InternalServerError")])
async def test_deleted_secret_is_missing_for_an_app_that_cannot_see_it(vault, secrets, fault):
    vault.delete(NAME)
    vault.faults["get deleted"] = [fault] * ALWAYS
    assert (await trouble(secrets)).reason is SecretFault.MISSING


async def test_deleted_secret_is_recovered_and_then_gets_its_value(vault, secrets):
    vault.delete(NAME)
    await secrets.put(NAME, "new")
    assert await secrets.get(NAME) == "new"
    assert [version.value for version in vault.secrets[NAME]] == ["hunter2", "new"]


@pytest.mark.parametrize("requests_to_recover", [1, 2, 3])
async def test_recovery_that_takes_its_time_is_waited_for(vault, secrets, requests_to_recover):
    vault.delete(NAME)
    vault.requests_to_recover = requests_to_recover
    await secrets.put(NAME, "new")
    assert await secrets.get(NAME) == "new"


async def test_recovery_that_the_vault_says_is_done_too_early_is_waited_for(vault, secrets):
    vault.delete(NAME)
    vault.faults["get"] = [Refusal(200, {"value": "old", "id": f"{vault.address}/secrets/{NAME}/1", "attributes": {}})]
    vault.requests_to_recover = 1
    await secrets.put(NAME, "new")
    assert vault.requests == ["set", "recover", "get", "set", "recover", "set"]
    assert await secrets.get(NAME) == "new"


async def test_secret_that_stays_on_its_way_is_told_so(vault, secrets):
    vault.faults["set"] = [refusal(409, "Conflict", "ObjectIsBeingDeleted")] * ALWAYS
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.put(NAME, "new")
    assert raised.value.reason is SecretFault.DELETED
    assert "try again in a minute" in raised.value.fix


@pytest.mark.parametrize("step", ["set", "recover"])
async def test_writing_names_the_role_that_it_needs(vault, secrets, step):
    vault.delete(NAME)
    vault.faults[step] = [rbac("setSecret")]
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.put(NAME, "new")
    assert raised.value.reason is SecretFault.FORBIDDEN
    assert "Key Vault Secrets Officer" in raised.value.fix


async def test_disabled_secret_gets_a_new_value_that_is_not(vault, secrets):
    vault.set(NAME, "old", enabled=False)
    await secrets.put(NAME, "new")
    assert await secrets.get(NAME) == "new"


# ---- time


@pytest.mark.parametrize("fault", [refusal(503, "ServiceUnavailable"), refusal(500, "InternalServerError"), RESET])
async def test_passing_trouble_is_tried_again(vault, secrets, fault):
    vault.faults["get"] = [fault]
    assert await secrets.get(NAME) == "hunter2"


async def test_vault_that_asks_for_a_pause_gets_it(vault, secrets, pauses):
    vault.faults["get"] = [refusal(429, "Throttled", retry_after="4")]
    assert await secrets.get(NAME) == "hunter2"
    assert pauses == [4]


async def test_pause_longer_than_a_caller_waits_is_left_to_the_caller(vault, secrets, pauses):
    vault.faults["get"] = [refusal(429, "Throttled", retry_after="60")]
    assert (await trouble(secrets)).reason is SecretFault.UNREACHABLE
    assert (pauses, vault.requests) == ([], ["get"])


@pytest.mark.parametrize("step", ["get", "get deleted"])
async def test_reading_from_a_vault_that_says_nothing_ends(vault, secrets, step, monkeypatch):
    monkeypatch.setattr(module, "READING", replace(module.READING, seconds=0.2))
    if step == "get deleted":
        vault.delete(NAME)
    vault.faults[step] = [HANG] * ALWAYS
    async with seconds_at_most(5):
        error = await trouble(secrets)
    assert error.reason is SecretFault.UNREACHABLE
    assert "did not answer within 0.2 seconds" in error.fix


@pytest.mark.parametrize("step", ["set", "recover"])
async def test_writing_to_a_vault_that_says_nothing_ends(vault, secrets, step, monkeypatch):
    monkeypatch.setattr(module, "WRITING", replace(module.WRITING, seconds=0.2))
    vault.delete(NAME)
    vault.faults[step] = [HANG] * ALWAYS
    async with seconds_at_most(5):
        with pytest.raises(SecretUnreadable) as raised:
            await secrets.put(NAME, "new")
    assert raised.value.reason is SecretFault.UNREACHABLE


async def test_sign_in_that_never_ends_is_given_up(vault, secrets, monkeypatch):
    monkeypatch.setattr(module, "READING", replace(module.READING, seconds=0.2))
    monkeypatch.setattr(vault.credential, "get_token", lambda *_, **__: asyncio.Event().wait())
    async with seconds_at_most(5):
        assert (await trouble(secrets)).reason is SecretFault.UNREACHABLE


# ---- no value where it does not belong


@pytest.mark.parametrize(
    "fault",
    [
        Refusal(200, '{"value": "hunter2", "attributes": {'),
        Refusal(200, '{"value": "hunter2", "attributes": {', kind="application/json"),
        Refusal(200, {"value": "hunter2", "id": "nonsense"}),
        rbac("getSecret"),
    ],
)
async def test_no_error_holds_a_value(vault, secrets, fault, caplog):
    caplog.set_level(logging.DEBUG)
    vault.faults["get"] = [fault]
    error = await trouble(secrets)
    assert "hunter2" not in "".join(traceback.format_exception(error)) + repr(error) + caplog.text


@pytest.mark.parametrize("fault", [refusal(400, "BadParameter"), rbac("setSecret"), refusal(409, "Conflict"), RESET])
async def test_no_error_of_a_writing_holds_the_value(vault, secrets, fault, caplog):
    caplog.set_level(logging.DEBUG)
    vault.faults["set"] = [fault] * ALWAYS
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.put(NAME, OTHER_VALUE)
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value)  # with the lines of this file
    assert OTHER_VALUE not in told + caplog.text


async def test_what_is_kept_in_memory_does_not_show_its_values(vault, secrets):
    gate = asyncio.Event()
    vault.faults["get"] = [gate]
    reading = asyncio.create_task(secrets.get(NAME))
    await vault.hanging.wait()
    [shared] = secrets._readings.values()
    gate.set()
    await reading
    assert "hunter2" not in f"{shared!r} {vars(secrets)!r}"
