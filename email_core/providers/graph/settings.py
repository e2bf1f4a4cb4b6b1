"""What an administrator says of Microsoft Graph, checked as a whole (facts/graph.md, "Clouds")."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from email_core.addresses import parse_address
from email_core.errors import ConfigurationError
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.providers.entra import EntraApp
from email_core.secret_store.base import SecretName
from email_core.web_address import is_https_origin


@dataclass(frozen=True, slots=True)
class Cloud:
    """`federation` is the audience that a managed identity's token must have, to be taken as an assertion."""

    graph: str
    login: str
    federation: str


CLOUDS = {
    "global": Cloud("https://graph.microsoft.com", "https://login.microsoftonline.com", "api://AzureADTokenExchange"),
    "us_gcc_high": Cloud(
        "https://graph.microsoft.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"
    ),
    "us_dod": Cloud(
        "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"
    ),
    "china": Cloud(
        "https://microsoftgraph.chinacloudapi.cn",
        "https://login.partner.microsoftonline.cn",
        "api://AzureADTokenExchangeChina",
    ),
}
_SECRETS = {"secret": SecretName.GRAPH_CLIENT_SECRET, "certificate": SecretName.GRAPH_CLIENT_CERTIFICATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings:
    """`address` is Graph's, without a path. `managed_identity_client_id`: None = the system-assigned one.
    `batch_mailbox`: None = the From address's own. `always_drafts`: small mail goes as a draft too."""

    address: str
    app: EntraApp
    managed_identity_client_id: str | None = None
    batch_mailbox: str | None = field(default=None, repr=False)
    saves_to_sent_items: bool = True
    always_drafts: bool = False
    concurrency: int = 4

    @classmethod
    def from_parameters(cls, parameters: Parameters) -> "GraphSettings | None":
        """None where no credential is chosen: Graph is not configured. Raises ConfigurationError, naming the parameter
        and the fix, where the parameters do not go together."""
        for problem in cls.problems(parameters):
            raise problem
        if parameters.graph_credential == "none":
            return None
        cloud = CLOUDS[parameters.graph_cloud]
        return cls(
            address=parameters.graph_address.rstrip("/") or cloud.graph,
            app=_app(parameters, cloud),
            managed_identity_client_id=parameters.graph_managed_identity_client_id or None,
            batch_mailbox=_mailbox(parameters.graph_batch_mailbox),
            saves_to_sent_items=parameters.graph_save_to_sent_items,
            always_drafts=parameters.graph_drafts == "always",
            concurrency=parameters.graph_mailbox_concurrency,
        )

    @classmethod
    def problems(cls, parameters: Parameters) -> Iterator[ConfigurationError]:
        """All that does not go together."""
        if parameters.graph_credential != "none":
            yield from _problems(parameters)

    @property
    def fingerprint(self) -> str:
        """Another one after any change: what was learned of a wrong configuration does not hold for the next."""
        values = [getattr(self, name) for name in self.__slots__]
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    @property
    def needs_identity(self) -> bool:
        return self.app.credential in ("identity", "federation")


def _app(parameters: Parameters, cloud: Cloud) -> EntraApp:
    return EntraApp(
        credential=parameters.graph_credential,
        scope=f"{cloud.graph}/.default",
        tenant_id=parameters.graph_tenant_id,
        client_id=parameters.graph_client_id,
        authority=parameters.graph_login_address.rstrip("/") or cloud.login,
        secret=_SECRETS.get(parameters.graph_credential),
        federation_scope=f"{cloud.federation}/.default",
    )


def _mailbox(text: str) -> str | None:
    """Raises ValueError."""
    return parse_address(text).address if text else None


def _problems(parameters: Parameters) -> Iterator[ConfigurationError]:
    for name in ("graph_tenant_id", "graph_client_id"):
        if parameters.graph_credential != "identity" and not getattr(parameters, name):
            problem = f"is not set, but graph_credential is {parameters.graph_credential}"
            yield _wrong(name, problem, "Copy it from the app registration's overview.")
    for name in ("graph_address", "graph_login_address"):
        address = getattr(parameters, name)
        if address and not is_https_origin(address):
            yield _wrong(name, "is no https address", "Leave it empty: the cloud's own is used.")
    try:
        _mailbox(parameters.graph_batch_mailbox)
    except ValueError as problem:
        yield _wrong("graph_batch_mailbox", str(problem), "Give the mailbox's address, or leave it empty.")


def _wrong(name: str, problem: str, fix: str) -> ConfigurationError:
    return ConfigurationError(SETTING_PREFIX + name, problem, fix)
