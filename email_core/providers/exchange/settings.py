"""What an administrator says of Exchange Server, checked as a whole (facts/ews-and-pop3.md)."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from email_core.addresses import parse_address
from email_core.errors import ConfigurationError
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.providers.entra import EntraApp
from email_core.secret_store.base import SecretName

ONLINE_RETIRED = (
    "Exchange Online blocks Exchange Web Services since October 2026 and removes them on 1 April 2027",
    "Send through Microsoft Graph: set graph_credential, and batch_provider to graph. The provider exchange is for an "
    "Exchange Server of your own.",
)
_ONLINE = ("office365.com", "office.com", "outlook.com", "outlook.cn", "office365.us", "office.de", "apps.mil")
_HOST = re.compile(r"[a-z0-9._:-]+")  # what else a name may be written with could pose as another
_PATH = "/EWS/Exchange.asmx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """`version`: 2010_sp2, 2013, 2013_sp1, 2016 or 2019. `authentication`: basic, ntlm or oauth. `impersonates`: the
    account acts for each mailbox by impersonation, else by full access. `domains`: those of the organisation, empty =
    any. `batch_mailbox`: None = the From address's own."""

    address: str
    version: str
    authentication: str
    user_name: str = field(default="", repr=False)
    app: EntraApp | None = None
    impersonates: bool = True
    batch_mailbox: str | None = field(default=None, repr=False)
    domains: tuple[str, ...] = ()
    saves_to_sent_items: bool = True
    certificate_authority: str = field(default="", repr=False)
    concurrency: int = 8

    @classmethod
    def from_parameters(cls, parameters: Parameters) -> "ExchangeSettings | None":
        """None where no server is named: Exchange Server is not configured. Raises ConfigurationError, naming the
        parameter and the fix, where the parameters do not go together or what they need is not installed."""
        for problem in cls.problems(parameters):
            raise problem
        return cls._read(parameters) if parameters.exchange_server else None

    @classmethod
    def problems(cls, parameters: Parameters) -> Iterator[ConfigurationError]:
        """All that does not go together."""
        if parameters.exchange_server:
            yield from _problems(parameters)

    @classmethod
    def _read(cls, parameters: Parameters) -> "ExchangeSettings":
        return cls(
            address=_address(parameters.exchange_server),
            version=parameters.exchange_version,
            authentication=parameters.exchange_authentication,
            user_name=parameters.exchange_user_name,
            app=_app(parameters) if parameters.exchange_authentication == "oauth" else None,
            impersonates=parameters.exchange_impersonation,
            batch_mailbox=_mailbox(parameters.exchange_batch_mailbox),
            domains=tuple(one.strip().lower() for one in parameters.exchange_domains.split(",") if one.strip()),
            saves_to_sent_items=parameters.exchange_save_to_sent_items,
            certificate_authority=parameters.exchange_certificate_authority.replace("\\n", "\n"),
            concurrency=parameters.exchange_mailbox_concurrency,
        )

    @property
    def fingerprint(self) -> str:
        """Another one after any change: what was learned of a wrong configuration does not hold for the next."""
        values = [getattr(self, name) for name in self.__slots__]
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    def takes(self, sender: str) -> bool:
        """Whether the sender is one of the organisation: external users have no mailbox here."""
        return not self.domains or sender.rpartition("@")[2].lower() in self.domains

    def tls_context(self) -> ssl.SSLContext:
        return _trusting(self.certificate_authority)


def is_online(host: str) -> bool:
    host = host.rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in _ONLINE)


def _address(text: str) -> str:
    """The whole address of EWS, of that or of a host's name."""
    address = text if "://" in text else f"https://{text}"
    parts = _parts(address)
    return address if parts is None or parts.path.strip("/") else f"https://{parts.netloc}{_PATH}"


def _parts(address: str) -> SplitResult | None:
    """None where it is no https address of a host."""
    try:
        parts = urlsplit(address)
        is_host = _HOST.fullmatch(parts.hostname or "") is not None
        is_right = parts.scheme == "https" and is_host and not ("@" in parts.netloc or parts.query)
        return parts if is_right and parts.port != 0 else None
    except ValueError:  # a port or a bracket that is none
        return None


def _app(parameters: Parameters) -> EntraApp:
    return EntraApp(
        credential="secret",
        scope=parameters.exchange_token_scope,
        tenant_id=parameters.exchange_tenant_id,
        client_id=parameters.exchange_client_id,
        authority=parameters.exchange_token_authority.rstrip("/"),
        secret=SecretName.EXCHANGE_CLIENT_SECRET,
    )


def _mailbox(text: str) -> str | None:
    """Raises ValueError."""
    return parse_address(text).address if text else None


def _problems(parameters: Parameters) -> Iterator[ConfigurationError]:
    yield from _problems_of_server(parameters.exchange_server)
    yield from _problems_of_sign_in(parameters)
    try:
        _mailbox(parameters.exchange_batch_mailbox)
    except ValueError as problem:
        yield _wrong("exchange_batch_mailbox", str(problem), "Give the mailbox's address, or leave it empty.")
    try:
        if parameters.exchange_certificate_authority:
            _trusting(parameters.exchange_certificate_authority.replace("\\n", "\n"))
    except (ssl.SSLError, TypeError, ValueError):  # TypeError: a character that is not ASCII
        fix = "Paste the PEM text, from BEGIN CERTIFICATE to END CERTIFICATE."
        yield _wrong("exchange_certificate_authority", "is no certificate", fix)
    if find_spec("exchangelib") is None:
        fix = "Add the lines of requirements-exchange.txt to requirements.txt, and deploy again."
        yield _wrong("exchange_server", "is set, but the package exchangelib is not installed", fix)


def _problems_of_server(text: str) -> Iterator[ConfigurationError]:
    parts = _parts(_address(text))
    if parts is None:
        fix = f"Give a name like mail.contoso.com, or the whole address: https://mail.contoso.com{_PATH}."
        yield _wrong("exchange_server", "is neither a host name nor an https address", fix)
    elif is_online(parts.hostname or ""):
        problem, fix = ONLINE_RETIRED
        yield _wrong("exchange_server", f"names Exchange Online. {problem}", fix)


def _problems_of_sign_in(parameters: Parameters) -> Iterator[ConfigurationError]:
    if parameters.exchange_authentication != "oauth":
        if not parameters.exchange_user_name:
            problem = f"is not set, but the account signs in by {parameters.exchange_authentication}"
            fix = "Give the account as DOMAIN\\name, or as its principal name."
            yield _wrong("exchange_user_name", problem, fix)
        return
    for name in ("exchange_tenant_id", "exchange_client_id", "exchange_token_scope"):
        if not getattr(parameters, name):
            fix = "Copy it from the app registration of hybrid modern authentication."
            yield _wrong(name, "is not set, but exchange_authentication is oauth", fix)
    if not parameters.exchange_impersonation:
        fix = "Set exchange_impersonation to true: an application has no mailbox of its own."
        yield _wrong("exchange_impersonation", "is false, but exchange_authentication is oauth", fix)


def _trusting(certificate_authority: str) -> ssl.SSLContext:
    """28 ms. Raises ssl.SSLError or ValueError where that is no certificate in PEM."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_authority:
        context.load_verify_locations(cadata=certificate_authority)
    return context


def _wrong(name: str, problem: str, fix: str) -> ConfigurationError:
    return ConfigurationError(SETTING_PREFIX + name, problem, fix)
