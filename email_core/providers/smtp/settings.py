"""What an administrator says of the SMTP account: filled in by a preset, and checked as a whole (facts/smtp.md)."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from email_core.addresses import parse_address
from email_core.errors import ConfigurationError
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.providers.sender_dns import EXCHANGE_ONLINE, GMAIL, OUTLOOK, UNKNOWN, YAHOO, SenderDns
from email_core.secret_store.base import SecretName

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(
    rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?"
)  # RFC 1035, 2.3.4; with the underscore of Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is known of a service. `most_recipients` is how many it takes in one transaction, None = not known.
    `sender_dns` is what it asks of a domain that mail is sent from."""

    server: str = ""
    port: int = 587
    security: str = "starttls"
    authentication: str = "password"
    max_connections: int = 8
    most_recipients: int | None = None
    sender_dns: SenderDns = UNKNOWN


PRESETS = {
    "generic": Preset(),
    "exchange_online": Preset(
        server="smtp.office365.com",
        authentication="oauth",
        max_connections=3,
        most_recipients=1000,
        sender_dns=EXCHANGE_ONLINE,
    ),
    "outlook": Preset(server="smtp-mail.outlook.com", sender_dns=OUTLOOK),
    "gmail": Preset(server="smtp.gmail.com", sender_dns=GMAIL),
    "yahoo": Preset(server="smtp.mail.yahoo.com", most_recipients=100, sender_dns=YAHOO),
    "hve": Preset(server="smtp-hve.office365.com", sender_dns=EXCHANGE_ONLINE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """The app registration. `credential`: secret, certificate or federation."""

    tenant_id: str
    client_id: str
    credential: str
    authority: str
    scope: str
    managed_identity_client_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """`security`: starttls (required), tls (implicit) or none. `authentication`: none, password or oauth.
    `local_hostname`: the EHLO name, None = this host's. `envelope_sender`: MAIL FROM, None = the email's own."""

    server: str
    port: int
    security: str
    authentication: str = "none"
    user_name: str = field(default="", repr=False)
    oauth: OAuthSettings | None = None
    envelope_sender: str | None = field(default=None, repr=False)
    certificate_authority: str = field(default="", repr=False)
    verify_certificate: bool = True
    max_connections: int = 8
    most_recipients: int | None = None
    local_hostname: str | None = None

    @classmethod
    def from_parameters(cls, parameters: Parameters) -> "SmtpSettings | None":
        """None where no server is named: SMTP is not configured. Raises ConfigurationError, naming the parameter and
        the fix, where the parameters do not go together."""
        for problem in cls.problems(parameters):
            raise problem
        return cls._read(parameters)

    @classmethod
    def problems(cls, parameters: Parameters) -> Iterator[ConfigurationError]:
        """All that does not go together."""
        settings = cls._read(parameters)
        if settings is not None:
            yield from _problems(parameters, settings)

    @classmethod
    def _read(cls, parameters: Parameters) -> "SmtpSettings | None":
        """Unchecked."""
        preset = PRESETS[parameters.smtp_preset]
        server = parameters.smtp_server or preset.server
        if not server:
            return None
        authentication = _authentication(parameters, preset)
        return cls(
            server=server,
            port=parameters.smtp_port or preset.port,
            security=preset.security if parameters.smtp_security == "preset" else parameters.smtp_security,
            authentication=authentication,
            user_name=parameters.smtp_user_name,
            oauth=_oauth(parameters) if authentication == "oauth" else None,
            envelope_sender=parameters.smtp_user_name if parameters.smtp_envelope_sender == "account" else None,
            certificate_authority=parameters.smtp_certificate_authority.replace("\\n", "\n"),
            verify_certificate=parameters.smtp_verify_certificate,
            max_connections=parameters.smtp_max_connections or preset.max_connections,
            most_recipients=preset.most_recipients,
            local_hostname=parameters.smtp_local_hostname or None,
        )

    @property
    def fingerprint(self) -> str:
        """Another one after any change: what was learned of a wrong configuration does not hold for the next."""
        values = [getattr(self, name) for name in self.__slots__]
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    @property
    def secrets(self) -> tuple[SecretName, ...]:
        """Those that signing in needs."""
        if self.oauth is not None:
            needed = {"secret": SecretName.SMTP_CLIENT_SECRET, "certificate": SecretName.SMTP_CLIENT_CERTIFICATE}
            return tuple(secret for credential, secret in needed.items() if credential == self.oauth.credential)
        return (SecretName.SMTP_PASSWORD,) if self.authentication == "password" else ()

    @property
    def sender_dns(self) -> SenderDns:
        """By the server, whether a preset or the administrator named it."""
        return next((one.sender_dns for one in PRESETS.values() if one.server == self.server.lower()), UNKNOWN)

    def warnings(self) -> list[str]:
        """What is allowed and may yet be a mistake."""
        return [words for applies, words in _warnings(self) if applies]

    def tls_context(self) -> ssl.SSLContext | None:
        """None where the connection is not encrypted. 28 ms: made once a provider, never once an email."""
        if self.security == "none":
            return None
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_authority:
            context.load_verify_locations(cadata=self.certificate_authority)
        if not self.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def is_private(address: str) -> bool:
    """Whether an IP address is one of this machine or of a private network."""
    try:
        return ip_address(address).is_private
    except ValueError:
        return False


def _authentication(parameters: Parameters, preset: Preset) -> str:
    if parameters.smtp_authentication != "preset":
        return parameters.smtp_authentication
    return preset.authentication if parameters.smtp_user_name or preset.server else "none"


def _oauth(parameters: Parameters) -> OAuthSettings:
    return OAuthSettings(
        tenant_id=parameters.smtp_tenant_id,
        client_id=parameters.smtp_client_id,
        credential=parameters.smtp_oauth_credential,
        authority=parameters.smtp_token_authority.rstrip("/"),
        scope=parameters.smtp_token_scope,
        managed_identity_client_id=parameters.smtp_managed_identity_client_id or None,
    )


def _problems(parameters: Parameters, settings: SmtpSettings) -> Iterator[ConfigurationError]:
    if settings.oauth is not None:
        yield from _problems_of_oauth(parameters)
    if settings.envelope_sender is not None and not _is_address(settings.envelope_sender):
        yield _wrong(
            "smtp_envelope_sender",
            "is account, but smtp_user_name is no address",
            "Use email, or give the account's address as smtp_user_name.",
        )
    if not _is_host(settings.server):
        yield _wrong("smtp_server", "is no host name", "Give the name alone, like smtp.contoso.com.")
    if settings.local_hostname and not _is_host(settings.local_hostname):
        yield _wrong("smtp_local_hostname", "is no host name", "Give a name like app.contoso.com, or leave it empty.")
    yield from _problems_of_sign_in(settings)
    yield from _problems_of_certificates(settings)


def _problems_of_oauth(parameters: Parameters) -> Iterator[ConfigurationError]:
    for name in ("smtp_tenant_id", "smtp_client_id"):
        if not getattr(parameters, name):
            yield _wrong(name, "is not set, but smtp_authentication is oauth", "Copy it from the app registration.")
    for name in ("smtp_token_authority", "smtp_token_scope"):
        if not getattr(parameters, name).startswith("https://"):
            yield _wrong(name, "is no https address", "Leave it out, but in a national cloud.")


def _is_address(text: str) -> bool:
    try:
        return bool(parse_address(text))
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    try:
        return bool(_HOST_NAME.fullmatch(text) or ip_address(text))
    except ValueError:
        return False


def _problems_of_sign_in(settings: SmtpSettings) -> Iterator[ConfigurationError]:
    if settings.authentication == "none" and settings.user_name:
        yield _wrong("smtp_user_name", "is set, but smtp_authentication is none", "Clear it, or use password or oauth.")
    if settings.authentication != "none" and not settings.user_name:
        yield _wrong(
            "smtp_user_name",
            f"is not set, but the account signs in with {settings.authentication}",
            "Give the account's user name, or set smtp_authentication to none.",
        )
    if settings.security == "none" and settings.authentication == "oauth":
        yield _wrong("smtp_security", "is none, but a token must not go in clear text", "Use starttls or tls.")


def _problems_of_certificates(settings: SmtpSettings) -> Iterator[ConfigurationError]:
    if settings.certificate_authority:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=settings.certificate_authority)
        except (ssl.SSLError, TypeError, ValueError):  # TypeError: a character that is not ASCII
            yield _wrong(
                "smtp_certificate_authority",
                "is no certificate",
                "Paste the PEM text, from BEGIN CERTIFICATE to END CERTIFICATE.",
            )
    if not settings.verify_certificate and _is_public(settings.server):
        yield _wrong(
            "smtp_verify_certificate",
            "is false for a server with a public address",
            "Use true; for a private certificate authority set smtp_certificate_authority.",
        )


def _is_public(server: str) -> bool:
    """Of a name it is known when it is connected to, and asked again then."""
    try:
        return not ip_address(server).is_private
    except ValueError:
        return any(preset.server == server.lower() for preset in PRESETS.values())


def _warnings(settings: SmtpSettings) -> list[tuple[bool, str]]:
    encrypted = settings.security != "none"
    return [
        (
            encrypted and not settings.verify_certificate,
            "smtp_verify_certificate is false: anyone on the way can pose as the mail server. Give its certificate "
            "authority as smtp_certificate_authority instead.",
        ),
        (
            not encrypted and settings.authentication == "password",
            "smtp_security is none: the password goes over your network in clear text. Set it to "
            "starttls (port 587) or tls (port 465).",
        ),
        (
            settings.port == 465 and settings.security == "starttls",
            "smtp_port is 465, where servers expect TLS from the first byte, and smtp_security is starttls: set it to "
            "tls, or smtp_port to 587.",
        ),
        (
            settings.port in (25, 587) and settings.security == "tls",
            f"smtp_port is {settings.port}, where servers begin in clear text, and smtp_security is tls: set it to "
            "starttls, or smtp_port to 465.",
        ),
    ]


def _wrong(name: str, problem: str, fix: str) -> ConfigurationError:
    return ConfigurationError(SETTING_PREFIX + name, problem, fix)
