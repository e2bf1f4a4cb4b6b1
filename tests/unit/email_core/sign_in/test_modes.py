"""Which settings let whom in, and that whatever is missing or wrong lets in nobody."""

import subprocess
import sys

import pytest

from email_core.assembly import chosen_sign_in
from email_core.caller import LOCAL, Role
from email_core.errors import ConfigurationError, NotPermitted
from email_core.sign_in.base import ClosedSignIn, Key, KeySignIn, OpenSignIn
from email_core.sign_in.entra import EntraSignIn
from email_core.sign_in.entra_settings import EntraSettings
from email_core.stores.memory import memory_stores
from tests.support.azurite import ROOT
from tests.support.doors import open_doors
from tests.support.entra import ANN, API, OTHER_TENANT, TENANT, principal

ON_AZURE = {"WEBSITE_SITE_NAME": "func-email", "WEBSITE_INSTANCE_ID": "1", "WEBSITE_HOSTNAME": "x.azurewebsites.net"}
DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
CORE_TOOLS = DEVELOPMENT | {"WEBSITE_HOSTNAME": "localhost:7071", "WEBSITE_INSTANCE_ID": "1"}
ENTRA = {"EmailAccess__mode": "entra", "EmailAccess__tenantId": TENANT, "EmailAccess__audience": API}
FORGED = {"x-ms-client-principal": principal({"tid": TENANT, "oid": ANN, "sub": ANN, "roles": "Email.Admin"})}

IMPORTED_FOR_TOKENS = """
import asyncio

from email_core.sign_in.base import KeySignIn
from tests.support.doors import open_doors

with open_doors(sign_in=KeySignIn()) as doors:
    for url in ("/api/emails", "/api/providers"):
        print(asyncio.run(doors.get(url)).status)
"""


def chosen(settings):
    return chosen_sign_in(settings, memory_stores())


def mode(name):
    return {"EmailAccess__mode": name}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (mode("local") | DEVELOPMENT, OpenSignIn),
        (mode("local") | CORE_TOOLS, OpenSignIn),
        (mode("keys") | ON_AZURE, KeySignIn),
        (mode("keys"), KeySignIn),  # a host of one's own, in a container
        (ENTRA, EntraSignIn),
        (ENTRA | ON_AZURE, EntraSignIn),
    ],
    ids=str,
)
async def test_mode_is_as_it_is_set(settings, kind):
    assert isinstance(chosen(settings), kind)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({}, "EmailAccess__mode"),
        (DEVELOPMENT, "EmailAccess__mode"),
        (ON_AZURE, "EmailAccess__mode"),
        (mode(""), "EmailAccess__mode"),
        (mode("Entra"), "EmailAccess__mode"),
        (mode("key"), "EmailAccess__mode"),
        (mode("none"), "EmailAccess__mode"),
        (mode("local,keys"), "EmailAccess__mode"),
        (mode("local"), "EmailAccess__mode"),  # a container on Azure, which does not look like it
        (mode("local") | ON_AZURE, "EmailAccess__mode"),
        (mode("local") | ON_AZURE | DEVELOPMENT, "EmailAccess__mode"),  # said so by mistake
        (mode("local") | {"WEBSITE_SITE_NAME": "func-email"}, "EmailAccess__mode"),
        (mode("keys") | DEVELOPMENT, "EmailAccess__mode"),  # the host checks none there
        (mode("entra"), "EmailAccess__tenantId"),
        (ENTRA | {"EmailAccess__tenantId": "common"}, "EmailAccess__tenantId"),
        (ENTRA | {"EmailAccess__tenantId": "contoso.com"}, "EmailAccess__tenantId"),
        (ENTRA | {"EmailAccess__audience": " , "}, "EmailAccess__audience"),
        (ENTRA | {"EmailAccess__authority": "http://login.microsoftonline.com"}, "EmailAccess__authority"),
        (ENTRA | {"EmailAccess__authority": "https://user@evil.example"}, "EmailAccess__authority"),
        (ENTRA | {"EmailAccess__authority": "https://login.microsoftonline.com/common"}, "EmailAccess__authority"),
        (ENTRA | {"EmailAccess__authority": "https://["}, "EmailAccess__authority"),
        (ENTRA | {"EmailAccess__appServiceAuthentication": "yes"}, "EmailAccess__appServiceAuthentication"),
    ],
    ids=str,
)
async def test_what_is_missing_or_wrong_closes_all_and_is_named(settings, setting):
    closed = chosen(settings)
    assert isinstance(closed, ClosedSignIn)
    with pytest.raises(ConfigurationError) as refused:
        await closed.caller(FORGED, key=Key.ADMIN)
    assert refused.value.setting == setting


async def test_closed_app_says_which_setting_at_every_door():
    with open_doors(sign_in=chosen(mode("kyes"))) as doors:
        for method, url in [("GET", "/api/emails"), ("POST", "/api/emails"), ("GET", "/api/health")]:
            answer = await doors.call(method, url)
            assert answer.status == 503
            assert "EmailAccess__mode is none of entra, keys, local" in answer.json["detail"]


# ---- local and keys


async def test_local_mode_believes_no_header():
    local = chosen(mode("local") | DEVELOPMENT)
    assert await local.caller(FORGED | {"authorization": "Bearer x"}, key=Key.FUNCTION) is LOCAL


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7071", "127.0.0.1:7071", "[::1]:7071", "app.localhost:80"])
async def test_local_mode_is_open_to_this_machine(host):
    headers = {"host": host, "sec-fetch-site": "same-origin"}
    assert await OpenSignIn().caller(headers, key=Key.FUNCTION) is LOCAL


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},  # whose address became 127.0.0.1
        {"host": "evil.example:7071"},
        {"host": "localhost.evil.example"},
        {"host": "evil.example:7071:localhost"},
        {"host": "localhost:7071", "sec-fetch-site": "cross-site"},
    ],
)
async def test_local_mode_is_closed_to_pages_of_other_sites(headers):
    with pytest.raises(NotPermitted):
        await OpenSignIn().caller(headers, key=Key.FUNCTION)


@pytest.mark.parametrize(("key", "roles"), [(Key.FUNCTION, {Role.SEND, Role.READ}), (Key.ADMIN, {Role.ADMIN})], ids=str)
async def test_key_gives_roles_and_no_identity(key, roles):
    caller = await chosen(mode("keys")).caller(FORGED, key=key)
    assert (caller.id, caller.user, caller.roles) == ("key", None, roles)


async def test_mode_that_became_keys_lets_in_nobody_whom_the_host_did_not_ask_for_one():
    with pytest.raises(ConfigurationError, match="its host asks for none"):
        await chosen(mode("keys")).caller({}, key=Key.NONE)


def test_doors_of_an_app_that_was_imported_for_tokens_stay_closed_to_keys():
    run = subprocess.run(
        [sys.executable, "-B", "-c", IMPORTED_FOR_TOKENS],
        cwd=ROOT,
        env={"EmailAccess__mode": "entra"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.split() == ["503", "503"], run.stderr


# ---- App Service Authentication

ASKED = ENTRA | {"EmailAccess__appServiceAuthentication": "true"}


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        (ASKED | {"WEBSITE_AUTH_ENABLED": "True"}, True),
        (ASKED, False),
        (ASKED | {"WEBSITE_AUTH_ENABLED": "False"}, False),
        (ASKED | {"WEBSITE_AUTH_ENABLED": "1"}, False),
        (ENTRA | {"WEBSITE_AUTH_ENABLED": "True"}, False),
    ],
)
async def test_platform_is_trusted_where_it_says_so_and_is_wanted(settings, trusted):
    assert EntraSettings.from_settings(settings).trusts_platform is trusted


# ---- clouds


@pytest.mark.parametrize(
    ("authority", "first", "second"),
    [
        ("", "https://sts.windows.net", "https://login.microsoftonline.com"),
        ("https://login.microsoftonline.com/", "https://sts.windows.net", "https://login.microsoftonline.com"),
        ("https://login.microsoftonline.us/", "https://sts.windows.net", "https://login.microsoftonline.us"),
        (
            "https://login.partner.microsoftonline.cn",
            "https://sts.chinacloudapi.cn",
            "https://login.partner.microsoftonline.cn",
        ),
    ],
)
async def test_issuers_are_those_of_the_cloud(authority, first, second):
    settings = EntraSettings.from_settings(ENTRA | {"EmailAccess__authority": authority})
    assert settings.issuers == {"1.0": f"{first}/{TENANT}/", "2.0": f"{second}/{TENANT}/v2.0"}
    assert settings.keys_address == f"{second}/{TENANT}/discovery/v2.0/keys"


async def test_tenant_and_audiences_are_read_leniently():
    settings = {"EmailAccess__tenantId": f" {OTHER_TENANT} ", "EmailAccess__audience": f"{API}, api://x/email,"}
    assert EntraSettings.from_settings(settings).tenant_id == OTHER_TENANT
    assert EntraSettings.from_settings(settings).audiences == {API, "api://x/email"}
