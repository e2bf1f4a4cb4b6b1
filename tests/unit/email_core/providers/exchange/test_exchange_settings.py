import importlib.util

import pytest

from email_core.errors import ConfigurationError
from email_core.parameters import Parameters
from email_core.providers.exchange import ExchangeProvider, ExchangeSettings
from email_core.providers.exchange import settings as module

USUAL = {"exchange_server": "mail.contoso.com", "exchange_user_name": "CONTOSO\\service"}


def settings(**parameters):
    return ExchangeSettings.from_parameters(Parameters(**USUAL | parameters))


def test_no_server_is_no_provider():
    assert settings(exchange_server="") is None


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("mail.contoso.com", "https://mail.contoso.com/EWS/Exchange.asmx"),
        ("https://mail.contoso.com:8443/", "https://mail.contoso.com:8443/EWS/Exchange.asmx"),
        ("https://mail.contoso.com/ews/other.asmx", "https://mail.contoso.com/ews/other.asmx"),
    ],
)
def test_server_is_named_by_its_host_or_its_whole_address(server, address):
    assert settings(exchange_server=server).address == address


@pytest.mark.parametrize(
    "server",
    [
        "outlook.office365.com.",
        "outlook.office365.com",
        "https://Outlook.Office365.com/EWS/Exchange.asmx",
        "outlook.office.com",
        "x.outlook.com",
    ],
)
def test_exchange_online_is_refused_with_the_dates_and_the_way_to_graph(server):
    with pytest.raises(ConfigurationError) as refused:
        settings(exchange_server=server)
    told = str(refused.value)
    assert all(word in told for word in ("October 2026", "1 April 2027", "graph_credential"))


@pytest.mark.parametrize("server", ["mail.office365.com.contoso.com", "myoutlook.com.contoso.com"])
def test_server_of_one_s_own_is_none_of_microsoft_s(server):
    assert settings(exchange_server=server)


OAUTH = {
    "exchange_authentication": "oauth",
    "exchange_tenant_id": "contoso.com",
    "exchange_client_id": "1",
    "exchange_token_scope": "https://mail.contoso.com/.default",
}
WRONG = [
    ({"exchange_server": "http://mail.contoso.com"}, "exchange_server"),
    ({"exchange_server": "https://user:pw@mail.contoso.com"}, "exchange_server"),
    ({"exchange_server": "https://["}, "exchange_server"),
    ({"exchange_user_name": ""}, "exchange_user_name"),
    ({"exchange_batch_mailbox": "nobody"}, "exchange_batch_mailbox"),
    ({"exchange_certificate_authority": "contoso-ca"}, "exchange_certificate_authority"),
    ({"exchange_certificate_authority": "—BEGIN CERTIFICATE—"}, "exchange_certificate_authority"),
    (OAUTH | {"exchange_tenant_id": ""}, "exchange_tenant_id"),
    (OAUTH | {"exchange_impersonation": False}, "exchange_impersonation"),
]


@pytest.mark.parametrize(("parameters", "name"), WRONG)
def test_wrong_parameter_is_named_without_its_value(parameters, name):
    with pytest.raises(ConfigurationError) as wrong:
        settings(**parameters)
    assert wrong.value.setting == f"EmailParameters__{name}"
    assert not any(isinstance(value, str) and value and value in str(wrong.value) for value in ("user:pw", "nobody"))


def test_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"requirements-exchange\.txt"):
        settings()
    assert importlib.util.find_spec("exchangelib")


def test_provider_says_that_it_is_deprecated():
    assert "Exchange Online" in ExchangeProvider.features.deprecated


def test_any_change_is_another_configuration():
    fingerprints = {settings().fingerprint, settings(exchange_version="2019").fingerprint}
    assert len(fingerprints) == 2
    assert settings().fingerprint in fingerprints
