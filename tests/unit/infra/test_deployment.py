"""The deployment: secure whatever is chosen, and agreeing with the code in every name.

What a deployment alone can show is not seen here; `shared/tools/check_bicep.py` knows Azure's types, where it is there.
"""

import json
import re
import subprocess
import sys

import pytest

from dev.reference import NAMES, names
from email_core.assembly import SECRETS_SETTING, assemble, chosen_sign_in
from email_core.doctor.deployed import KEY_SETTING, TOKEN_SETTING
from email_core.parameters import SETTING_PREFIX
from email_core.sign_in.base import MODE_SETTING, AccessMode, access_mode
from email_core.sign_in.entra import EntraSignIn
from email_core.storage_clients import STORAGE_SETTING
from email_core.stores.memory import memory_stores
from tests.support.azurite import ROOT
from tests.support.bicep import FILES, INFRA, declarations, declared, everything, keys, resources, text_of
from tests.support.doors import functions, trigger_of
from tests.support.shared_tools import TOOLS, needs_checker

MAIN = declarations(INFRA / "main.bicep")
PARAMETERS = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
DEPLOY = (ROOT / "docs/how-to/deploy.md").read_text()
TRIGGERS = {function.get_function_name(): trigger_of(function) for function in functions()}


@needs_checker("check_bicep")
def test_everything_is_as_azures_own_types_say():
    command = [sys.executable, str(TOOLS / "check_bicep.py"), "--strict", str(INFRA)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# ---- secure, whatever is chosen

RULES = [
    ("Microsoft.Storage/storageAccounts", "allowSharedKeyAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "allowBlobPublicAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "allowCrossTenantReplication", "false"),
    ("Microsoft.Storage/storageAccounts", "isLocalUserEnabled", "false"),
    ("Microsoft.Storage/storageAccounts", "minimumTlsVersion", "'TLS1_2'"),
    ("Microsoft.Storage/storageAccounts", "supportsHttpsTrafficOnly", "true"),
    ("Microsoft.Storage/storageAccounts", "publicNetworkAccess", "isPrivate ? 'Disabled' : 'Enabled'"),
    ("Microsoft.Storage/storageAccounts", "defaultAction", "isPrivate ? 'Deny' : 'Allow'"),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "publicAccess", "'None'"),
    ("Microsoft.KeyVault/vaults", "enableRbacAuthorization", "true"),
    ("Microsoft.KeyVault/vaults", "enablePurgeProtection", "true"),
    ("Microsoft.KeyVault/vaults", "publicNetworkAccess", "isPrivate ? 'Disabled' : 'Enabled'"),
    ("Microsoft.KeyVault/vaults", "defaultAction", "isPrivate ? 'Deny' : 'Allow'"),
    ("Microsoft.Insights/components", "DisableLocalAuth", "true"),
    ("Microsoft.OperationalInsights/workspaces", "disableLocalAuth", "true"),
    ("Microsoft.Web/sites", "httpsOnly", "true"),
    ("Microsoft.Web/sites", "minTlsVersion", "'1.2'"),
    ("Microsoft.Web/sites", "scmMinTlsVersion", "'1.2'"),
    ("Microsoft.Web/sites", "ftpsState", "'Disabled'"),
    ("Microsoft.Web/sites", "type", "'UserAssigned'"),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", "allow", "false"),
    ("Microsoft.Graph/servicePrincipals", "appRoleAssignmentRequired", "true"),
]


@pytest.mark.parametrize(("kind", "name", "value"), RULES)
def test_every_resource_of_a_kind_keeps_the_rule(kind, name, value):
    found = resources(kind)
    assert found
    assert {one.property(name) for one in found} == {value}


def test_neither_ftp_nor_scm_takes_a_password():
    policies = resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert sorted(one.property("name") for one in policies) == ["'ftp'", "'scm'"]


def test_the_package_is_fetched_as_the_identity():
    app = declared("modules/functions.bicep", "resource", "app")
    assert "type: 'UserAssignedIdentity'" in app.property("authentication")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_key_is_asked_for_or_written_down(file):
    assert (
        re.findall(r"\.?\blist[A-Z]\w*\(|AccountKey|SharedAccess|InstrumentationKey|@secure|password:", text_of(file))
        == []
    )


def test_no_parameter_and_no_output_is_a_secret():
    """Of those that could hold one: a bool cannot."""
    named = [one for kind in ("param", "output") for one in everything(kind) if one.what != "bool"]
    assert [
        one.name for one in named if re.search("secret|password|key|token|connection", one.name, re.IGNORECASE)
    ] == []


def test_no_output_hands_on_a_connection():
    assert [one.name for one in everything("output") if re.search("ConnectionString|Key", one.value)] == []


def test_nothing_deletes_content_but_the_app():
    [rule] = resources("Microsoft.Storage/storageAccounts/managementPolicies")
    assert "delete" not in rule.value


def test_sign_in_leaves_only_the_health_open():
    authentication = declared("modules/functions.bicep", "resource", "authentication")
    assert authentication.property("requireAuthentication") == "true"
    assert authentication.property("unauthenticatedClientAction") == "'Return401'"
    assert authentication.property("excludedPaths") == "['/api/health']"


# ---- roles

ROLES = {  # by resource; docs/how-to/deploy.md tells of the same
    "storage": {
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",  # Storage Table Data Contributor
    },
    "vault": {
        "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",  # Key Vault Secrets Officer
    },
    "applicationInsights": {"3913510d-42f4-4e42-8a64-420c390055eb"},  # Monitoring Metrics Publisher
}
IN_ROLES = {one.name: one for one in declarations(INFRA / "modules/roles.bicep")}


def given_roles(assignment):
    """All that it may give: names of variables are followed to the ids behind them."""
    text = assignment.value
    for _ in range(2):  # vaultRole is one of two others
        text += "".join(
            one.value for name, one in IN_ROLES.items() if one.kind == "var" and re.search(rf"\b{name}\b", text)
        )
    return set(re.findall(r"'([0-9a-f]{8}-[0-9a-f-]{27})'", text))


def test_the_identity_has_exactly_the_roles_it_needs():
    given = {}
    for assignment in resources("Microsoft.Authorization/roleAssignments"):
        given.setdefault(assignment.property("scope"), set()).update(given_roles(assignment))
    assert given == ROLES


def test_the_deployer_gets_a_role_only_where_the_app_may_not_write_secrets():
    assert IN_ROLES["ofAdministrator"].value.startswith("if (!appWritesSecrets && !empty(administratorId))")
    others = [one for one in resources("Microsoft.Authorization/roleAssignments") if one.name != "ofAdministrator"]
    assert {one.property("principalId") for one in others} == {"identityPrincipalId"}


# ---- the app's settings, both ways

SETTINGS_TEXT = declared("modules/functions.bicep", "var", "settings").value
SETTINGS = keys(SETTINGS_TEXT)
SIGN_IN = declared("modules/functions.bicep", "var", "signInSettings").value
SIGN_IN_OF_THE_PLATFORM = {"OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID", "WEBSITE_AUTH_AAD_ALLOWED_TENANTS"}
OF_THE_HOST = {
    *(f"AzureWebJobsStorage__{end}" for end in ("credential", "clientId")),
    *(f"AzureWebJobsStorage__{service}ServiceUri" for service in ("blob", "queue", "table")),
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
}
ELSEWHERE = {  # read by the code too, and set by Azure itself or on a developer's machine only
    STORAGE_SETTING,
    "AZURITE_PORT",
    "LOCAL_DIR",
    "AZURE_FUNCTIONS_ENVIRONMENT",
    "WEBSITE_INSTANCE_ID",
    "WEBSITE_SITE_NAME",
    "WEBSITE_HOSTNAME",
    "WEBSITE_AUTH_ENABLED",
}
IDENTITY = "11111111-2222-3333-4444-555555555555"


class Recording(dict):
    """Notes which settings are asked for."""

    def __init__(self, values):
        super().__init__(values)
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)


def deployed_value(setting):
    for end, value in {
        "credential": "managedidentity",
        "clientId": IDENTITY,
        "vaultUri": "https://kv-x.vault.azure.net/",
        "mode": "keys",
        "tenantId": IDENTITY,
        "authority": "https://login.microsoftonline.com/",
    }.items():
        if setting.endswith(f"__{end}"):
            return value
    service = re.search(r"__(\w+)ServiceUri$", setting)
    return f"https://stx.{service[1]}.core.windows.net/" if service else "true"


async def test_the_code_reads_all_settings_of_the_deployment_and_no_others():
    parameters = {SETTING_PREFIX + name: IDENTITY for name in json.loads(NAMES.read_text())["identityParameters"]}
    settings = Recording({name: deployed_value(name) for name in SETTINGS} | parameters)
    assemble(settings)
    assert settings.asked - ELSEWHERE == set(SETTINGS) - OF_THE_HOST


async def test_the_code_reads_all_settings_of_a_deployment_with_sign_in():
    settings = Recording({name: deployed_value(name) for name in [*SETTINGS, *keys(SIGN_IN)]})
    settings["EmailAccess__mode"] = "entra"
    assemble(settings)
    assert isinstance(chosen_sign_in(settings, memory_stores()), EntraSignIn)
    assert settings.asked - ELSEWHERE >= set(keys(SIGN_IN)) - SIGN_IN_OF_THE_PLATFORM


@pytest.mark.parametrize("mode", re.findall(r"'(\w+)'", re.search(r"EmailAccess__mode: (.*)", SETTINGS_TEXT)[1]))
def test_no_deployment_is_open(mode):
    on_azure = {"WEBSITE_SITE_NAME": "func-email-x", MODE_SETTING: mode}
    assert access_mode(on_azure, on_azure=True) in (AccessMode.KEYS, AccessMode.ENTRA)


def test_the_host_gets_what_it_needs():
    assert set(SETTINGS) >= OF_THE_HOST
    assert len(SETTINGS) == len(set(SETTINGS))


def test_no_other_settings_are_given():
    properties = declared("modules/functions.bicep", "resource", "appSettings").property("properties")
    assert properties == "union(settings, signInSettings, identityParameters, parameterSettings)"
    assert {name for name in keys(SIGN_IN) if not name.startswith("EmailAccess__")} == SIGN_IN_OF_THE_PLATFORM


def test_parameters_are_given_under_the_prefix_that_the_code_reads():
    for name in ("identityParameters", "parameterSettings"):
        assert f"'{SETTING_PREFIX}${{parameter" in declared("modules/functions.bicep", "var", name).value


@pytest.mark.parametrize(
    "setting",
    [
        name
        for name in [*SETTINGS, *keys(SIGN_IN)]
        if name.startswith((STORAGE_SETTING, SECRETS_SETTING, "EmailAccess"))
    ],
)
def test_setting_is_documented(setting):
    readme = (ROOT / "README.md").read_text()
    assert setting in readme or setting.replace(SECRETS_SETTING, STORAGE_SETTING) in readme


@pytest.mark.parametrize(
    "setting",
    [
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "ENABLE_ORYX_BUILD",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_CONTENT",
        "WEBSITE_VNET_ROUTE_ALL",
        "AzureWebJobsStorage:",
    ],
)
def test_setting_that_flex_consumption_refuses_is_not_given(setting):
    assert [file.name for file in FILES if setting in text_of(file)] == []


# ---- names and numbers that the code has too


def test_names_are_those_of_the_code():
    assert NAMES.read_text() == names(), "run python -m dev.reference"


@pytest.mark.parametrize("name", json.loads(NAMES.read_text()))
def test_every_list_of_names_is_used(name):
    assert any(f".{name}" in text_of(file) for file in FILES)


def test_the_doorbells_that_people_wait_for_may_be_always_ready():
    [function] = re.findall(r"'function:(\w+)'", declared("modules/functions.bicep", "var", "alwaysReadyNames").value)
    assert TRIGGERS[function]["queueName"] == "email-interactive"


def test_alerts_watch_functions_that_exist():
    watched = re.findall(r"'Functions\.(\w+)'", (INFRA / "modules/alerts.bicep").read_text())
    kinds = [(name, TRIGGERS[name].get("queueName", "timer")) for name in watched if name != "NAME"]
    assert kinds == [
        ("put_batch_email_aside", "email-batch-poison"),
        ("put_interactive_email_aside", "email-interactive-poison"),
        ("sweep_outbox", "timer"),
    ]


def test_host_writes_the_lines_that_alerts_read():
    assert "logging" not in json.loads((ROOT / "host.json").read_text()), "check what the queries of alerts.bicep need"


def test_comment_on_concurrency_is_that_of_the_host():
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    said = f"batchSize {queues['batchSize']} + newBatchThreshold {queues['newBatchThreshold']}"
    assert said in (INFRA / "modules/functions.bicep").read_text()


def test_python_is_one_that_is_tested():
    runtime = declared("modules/functions.bicep", "resource", "app").property("runtime")
    version = re.search(r"version: '([\d.]+)'", runtime)[1]
    assert f'"{version}"' in (ROOT / ".github/workflows/test.yml").read_text()


# ---- azure.yaml, parameters, outputs, documents

OUTPUTS = [one.name for one in MAIN if one.kind == "output"]
HOW_TO = [
    f"docs/how-to/{name}.md"
    for name in ("control-access", "deploy", "upgrade", "rotate-secrets", "operate", "restrict-mailboxes", "costs")
]


def test_azd_finds_the_app_and_its_group():
    [service] = re.findall(r"^services:\n  (\w+):", (ROOT / "azure.yaml").read_text(), re.MULTILINE)
    assert f"'azd-service-name': '{service}'" in declared("modules/functions.bicep", "resource", "app").property("tags")
    assert "'azd-env-name': environmentName" in declared("main.bicep", "var", "tags").value


def test_main_uses_every_module():
    used = {INFRA / one.what for one in MAIN if one.kind == "module"}
    assert used == set(FILES) - {INFRA / "main.bicep"}


@pytest.mark.parametrize("parameter", [one for one in MAIN if one.kind == "param"], ids=lambda one: one.name)
def test_azd_hands_over_each_parameter_with_its_own_default(parameter):
    given = PARAMETERS[parameter.name]["value"]
    if parameter.value in ("{}", "[]"):
        assert json.dumps(given) == parameter.value
        return
    variable, _, default = given.removeprefix("${").removesuffix("}").partition("=")
    assert default == parameter.value.strip("'")
    assert variable in DEPLOY or variable.startswith("AZURE_")


def test_no_parameter_is_given_that_is_not_there():
    assert list(PARAMETERS) == [one.name for one in MAIN if one.kind == "param"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_output_is_of_use(output):
    assert output in DEPLOY or output == "AZURE_LOCATION"  # azd's own


@pytest.mark.parametrize("path", ["README.md", *HOW_TO])
def test_documents_name_outputs_and_variables_that_exist(path):
    of_github = re.findall(r"vars\.(\w+)", (ROOT / ".github/workflows/azure-dev.yml").read_text())
    known = {*OUTPUTS, *of_github, *re.findall(r"\$\{(\w+)", json.dumps(PARAMETERS)), KEY_SETTING, TOKEN_SETTING}
    assert set(re.findall(r"\b(?:EMAIL|AZURE)_[A-Z_]+\b", (ROOT / path).read_text())) <= known


@pytest.mark.parametrize("path", HOW_TO)
def test_documents_link_to_what_exists(path):
    for link in re.findall(r"\]\(([\w./-]+)", (ROOT / path).read_text()):
        assert (ROOT / path).parent.joinpath(link).exists(), link
