"""Which place for secrets the app settings choose."""

import subprocess
import sys

import pytest

from email_core.assembly import secret_store
from email_core.errors import ConfigurationError, SecretUnreadable, UnknownSecret
from email_core.secret_store import key_vault
from email_core.secret_store.base import SecretName, secret_name
from email_core.secret_store.key_vault import KeyVaultSecrets
from tests.support.azurite import ROOT

VAULT = {"EmailSecrets__vaultUri": "https://contoso.vault.azure.net/"}
ON_AZURE = {"WEBSITE_SITE_NAME": "contoso-mail", "WEBSITE_INSTANCE_ID": "0123"}


@pytest.mark.parametrize("settings", [VAULT, VAULT | ON_AZURE, VAULT | {"LOCAL_DIR": "/elsewhere"}])
async def test_vault_s_address_chooses_key_vault(settings):
    assert isinstance(secret_store(settings), KeyVaultSecrets)


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({}, SecretUnreadable),  # it is missing
        ({"EmailSecrets__vaultUri": " "}, SecretUnreadable),
        (ON_AZURE, ConfigurationError),
        ({"WEBSITE_SITE_NAME": "contoso-mail"}, ConfigurationError),
        ({"WEBSITE_INSTANCE_ID": "0123"}, ConfigurationError),
        (ON_AZURE | {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, ConfigurationError),
        (ON_AZURE | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, SecretUnreadable),
    ],
)
async def test_without_a_vault_there_are_files_but_not_on_azure(settings, answer, tmp_path):
    with pytest.raises(answer):
        await secret_store(settings | {"LOCAL_DIR": str(tmp_path)}).get(SecretName.SMTP_PASSWORD)


@pytest.mark.parametrize(
    ("settings", "folder"),
    [({}, ROOT / ".local/secrets"), ({"LOCAL_DIR": "other"}, ROOT / "other/secrets")],
)
def test_files_lie_beside_the_mails_of_make_run(settings, folder):
    assert secret_store(settings)._folder == folder


@pytest.mark.parametrize(
    "address",
    [
        "http://contoso.vault.azure.net",
        "contoso.vault.azure.net",
        "contoso",
        "https://",
        "https://[",
        "https://me:hunter2@contoso.vault.azure.net",
        "https://contoso.vault.azure.net/secrets/smtp-password/hunter2",
    ],
)
def test_what_is_no_vault_s_address_is_refused_and_not_repeated(address):
    with pytest.raises(ConfigurationError) as raised:
        secret_store({"EmailSecrets__vaultUri": address})
    assert raised.value.setting == "EmailSecrets__vaultUri"
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({}, "DefaultAzureCredential"), ({"EmailSecrets__credential": "managedidentity"}, "ManagedIdentityCredential")],
)
async def test_identity_is_chosen_as_for_the_storage(settings, kind, monkeypatch):
    chosen = []
    monkeypatch.setattr(key_vault, "vault_client", lambda address, credential: chosen.append(credential))
    secret_store(VAULT | settings)
    assert [type(credential).__name__ for credential in chosen] == [kind]


def test_key_vault_s_client_is_not_loaded_where_there_is_no_vault():
    script = "import sys, email_core.assembly as a; a.secret_store({}); print('azure.keyvault' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("name", SecretName)
def test_every_secret_is_found_by_its_name_and_has_a_help(name):
    assert secret_name(str(name)) is name
    assert name.help.endswith(".")


@pytest.mark.parametrize("text", ["", "smtp", "SMTP-PASSWORD", "smtp-password ", "../smtp-password", "hunter2"])
def test_other_names_are_unknown_and_not_repeated(text):
    with pytest.raises(UnknownSecret) as raised:
        secret_name(text)
    assert str(raised.value) == (
        "The secrets are smtp-password, smtp-client-secret, smtp-client-certificate, graph-client-secret, "
        "graph-client-certificate, exchange-password, exchange-client-secret"
    )
