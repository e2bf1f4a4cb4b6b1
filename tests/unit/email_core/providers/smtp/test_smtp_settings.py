"""Presets, and what an administrator is told of parameters that do not go together."""

import ssl
from dataclasses import fields, replace

import pytest
import trustme

from email_core.errors import ConfigurationError
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.providers.smtp import SmtpProvider
from email_core.providers.smtp.settings import PRESETS, SmtpSettings, is_private
from tests.support.smtp_server import secrets

ROWS = {row.name: row for row in fields(Parameters)}
RELAY = Parameters(smtp_server="relay.contoso.com")
APP = {"smtp_tenant_id": "contoso.com", "smtp_client_id": "4711", "smtp_user_name": "app@contoso.com"}


def settings(**parameters) -> SmtpSettings:
    found = SmtpSettings.from_parameters(replace(RELAY, **parameters))
    assert found is not None
    return found


def test_every_preset_can_be_chosen():
    assert tuple(PRESETS) == ROWS["smtp_preset"].metadata["choices"]


def test_without_a_server_or_a_service_smtp_is_not_configured():
    assert SmtpSettings.from_parameters(Parameters()) is None


@pytest.mark.parametrize(
    ("preset", "server", "authentication", "connections"),
    [
        ("exchange_online", "smtp.office365.com", "oauth", 3),
        ("outlook", "smtp-mail.outlook.com", "password", 8),
        ("gmail", "smtp.gmail.com", "password", 8),
        ("yahoo", "smtp.mail.yahoo.com", "password", 8),
        ("hve", "smtp-hve.office365.com", "password", 8),
    ],
)
def test_preset_needs_only_the_account(preset, server, authentication, connections):
    found = settings(smtp_preset=preset, smtp_server="", **APP)
    assert (found.server, found.port, found.security) == (server, 587, "starttls")
    assert (found.authentication, found.max_connections) == (authentication, connections)


def test_what_is_set_takes_the_place_of_the_preset_s():
    found = settings(
        smtp_preset="exchange_online",
        smtp_server="smtp.partner.outlook.cn",
        smtp_port=25,
        smtp_security="tls",
        smtp_authentication="password",
        smtp_user_name="app@contoso.com",
        smtp_max_connections=1,
    )
    assert (found.server, found.port, found.security) == ("smtp.partner.outlook.cn", 25, "tls")
    assert (found.authentication, found.max_connections) == ("password", 1)


@pytest.mark.parametrize(("user_name", "authentication"), [("", "none"), ("ann", "password")])
def test_relay_is_signed_in_to_where_there_is_a_user_name(user_name, authentication):
    assert settings(smtp_user_name=user_name).authentication == authentication


def test_envelope_is_the_account_s_where_it_is_to_be():
    assert settings().envelope_sender is None
    account = settings(smtp_envelope_sender="account", smtp_user_name="app@contoso.com")
    assert account.envelope_sender == "app@contoso.com"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"smtp_server": "https://relay"}, "smtp_server"),
        ({"smtp_server": "relay:25"}, "smtp_server"),
        ({"smtp_server": "relay contoso.com"}, "smtp_server"),
        ({"smtp_local_hostname": "my app"}, "smtp_local_hostname"),
        ({"smtp_authentication": "none", "smtp_user_name": "ann"}, "smtp_user_name"),
        ({"smtp_authentication": "password"}, "smtp_user_name"),
        ({"smtp_preset": "gmail"}, "smtp_user_name"),
        ({"smtp_server": "smtp..contoso.com"}, "smtp_server"),
        ({"smtp_server": "a..b"}, "smtp_server"),
        ({"smtp_server": "x" * 64 + ".contoso.com"}, "smtp_server"),
        ({"smtp_server": "x." * 127 + "com"}, "smtp_server"),
        ({"smtp_local_hostname": "app..contoso.com"}, "smtp_local_hostname"),
        ({"smtp_envelope_sender": "account", "smtp_user_name": "ann"}, "smtp_envelope_sender"),
        ({**APP, "smtp_authentication": "oauth", "smtp_tenant_id": ""}, "smtp_tenant_id"),
        ({**APP, "smtp_authentication": "oauth", "smtp_client_id": ""}, "smtp_client_id"),
        ({**APP, "smtp_authentication": "oauth", "smtp_user_name": ""}, "smtp_user_name"),
        ({**APP, "smtp_authentication": "oauth", "smtp_security": "none"}, "smtp_security"),
        ({**APP, "smtp_authentication": "oauth", "smtp_token_authority": "http://login"}, "smtp_token_authority"),
        ({**APP, "smtp_authentication": "oauth", "smtp_token_scope": "outlook"}, "smtp_token_scope"),
        ({"smtp_certificate_authority": "contoso-ca"}, "smtp_certificate_authority"),
        ({"smtp_certificate_authority": "—BEGIN CERTIFICATE—"}, "smtp_certificate_authority"),
        ({"smtp_verify_certificate": False, "smtp_server": "8.8.8.8"}, "smtp_verify_certificate"),
        ({"smtp_verify_certificate": False, "smtp_server": "SMTP.gmail.com"}, "smtp_verify_certificate"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_with_a_fix(parameters, named):
    with pytest.raises(ConfigurationError) as refusal:
        settings(**parameters)
    assert refusal.value.setting == SETTING_PREFIX + named
    assert refusal.value.fix.endswith(".")


@pytest.mark.parametrize(
    "server", ["relay", "x" * 63 + ".contoso.com.", "mail_1.contoso.com", "192.0.2.1", "2001:db8::1"]
)
def test_server_is_a_name_or_an_address(server):
    assert settings(smtp_server=server).server == server


@pytest.mark.parametrize("server", ["127.0.0.1", "10.1.2.3", "::1", "localhost", "relay"])
def test_certificate_may_go_unchecked_where_the_address_may_be_private(server):
    found = settings(smtp_server=server, smtp_verify_certificate=False)
    assert found.tls_context().verify_mode is ssl.CERT_NONE
    assert "smtp_verify_certificate" in found.warnings()[0]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, []),
        ({"smtp_security": "none"}, []),
        ({"smtp_security": "none", "smtp_user_name": "ann"}, ["smtp_security"]),
        ({"smtp_port": 465}, ["smtp_port"]),
        ({"smtp_port": 465, "smtp_security": "tls"}, []),
        ({"smtp_port": 587, "smtp_security": "tls"}, ["smtp_port"]),
    ],
)
def test_what_may_be_a_mistake_is_warned_about(parameters, named):
    assert [warning.split()[0] for warning in settings(**parameters).warnings()] == named


def test_private_authority_is_trusted_in_one_line_too():
    authority = trustme.CA().cert_pem.bytes().decode()
    for text in (authority, authority.replace("\n", "\\n")):
        context = settings(smtp_certificate_authority=text).tls_context()
        assert context.cert_store_stats()["x509_ca"] > 0
        assert (context.minimum_version, context.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_REQUIRED)


def test_no_context_is_made_where_nothing_is_encrypted():
    assert settings(smtp_security="none").tls_context() is None


@pytest.mark.parametrize("change", [{"smtp_port": 26}, {"smtp_user_name": "ann"}, {"smtp_local_hostname": "app"}])
def test_fingerprint_is_another_after_any_change_and_tells_nothing(change):
    assert settings().fingerprint == settings().fingerprint != settings(**change).fingerprint
    assert "ann" not in settings(smtp_user_name="ann").fingerprint + repr(settings(smtp_user_name="ann"))


@pytest.mark.parametrize(
    ("address", "private"),
    [("127.0.0.1", True), ("10.0.0.1", True), ("fd00::1", True), ("8.8.8.8", False), ("relay", False), ("", False)],
)
def test_private_address_is_one_of_a_private_network(address, private):
    assert is_private(address) is private


def test_warnings_are_logged_when_the_provider_is_made(caplog):
    SmtpProvider(settings(smtp_security="none", smtp_user_name="ann@contoso.com"), secrets())
    assert "clear text" in caplog.text
    assert "ann@" not in caplog.text
