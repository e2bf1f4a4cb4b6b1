import pytest

from email_core.assembly import utc_now
from email_core.doctor.finding import Verdict
from email_core.doctor.secrets import secret_checks
from email_core.errors import ConfigurationError, SecretFault, SecretUnreadable
from email_core.secret_store.base import SecretName
from email_core.secret_store.key_vault import KeyVaultSecrets
from email_core.secret_store.memory import MemorySecrets
from tests.fakes.key_vault import key_vault, rbac
from tests.support.emails import Clock
from tests.support.smtp_server import secrets

VAULT = "https://contoso.vault.azure.net/"
PASSWORD = SecretName.SMTP_PASSWORD


class Broken(MemorySecrets):
    def __init__(self, error: Exception) -> None:
        super().__init__(Clock())
        self._error = error

    async def about(self, name):
        raise self._error


async def found(store, *needed, vault=VAULT):
    return [await check for check in secret_checks(store, needed, vault)]


async def test_each_secret_that_is_needed_is_told_once_and_without_its_value():
    store = secrets(smtp_password="hunter2")
    findings = await found(store, PASSWORD, SecretName.GRAPH_CLIENT_SECRET, PASSWORD)
    assert [(finding.what, finding.verdict, finding.detail) for finding in findings] == [
        ("graph-client-secret", Verdict.FAILED, "is not set"),
        ("smtp-password", Verdict.OK, "set on 2026-03-02"),
    ]
    assert "hunter2" not in repr(findings)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (SecretUnreadable(PASSWORD, SecretFault.FORBIDDEN, "Grant the role."), "forbidden"),
        (ConfigurationError("EmailSecrets__vaultUri", "is not set", "Name it."), "EmailSecrets__vaultUri is not set"),
    ],
)
@pytest.mark.parametrize("needed", [(PASSWORD,), ()])
async def test_vault_that_gives_nothing_is_told_with_its_fix(error, detail, needed):
    [finding] = await found(Broken(error), *needed)
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, detail)
    assert finding.fix in str(error)


async def test_vault_is_asked_though_no_secret_is_needed():
    [finding] = await found(secrets())
    assert (finding.what, finding.verdict) == ("vault", Verdict.OK)


async def test_without_vault_and_need_there_is_nothing_to_ask():
    [finding] = await found(Broken(AssertionError()), vault="")
    assert finding.verdict is Verdict.SKIPPED


async def test_real_vault_is_asked_for_its_secrets_and_tells_the_role_that_is_missing():
    async with key_vault() as vault, vault.client() as client:
        vault.set(PASSWORD, "hunter2")
        store = KeyVaultSecrets(client, utc_now)
        [found_set] = await found(store, PASSWORD)
        vault.faults["get"] = [rbac("getSecret")]
        [refused] = await found(store, PASSWORD)
    assert found_set.verdict is Verdict.OK
    assert (refused.verdict, refused.detail) == (Verdict.FAILED, "forbidden")
    assert "Key Vault Secrets User" in refused.fix
