"""Email parameters: each is one row with its type, default, limits and help (datasette's habit).

Until an administrator's own values are stored, a parameter takes the app setting `EmailParameters__<name>`, and
else its default. The names are those of the modelled system's form, in snake case.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from email_core.errors import ConfigurationError

SETTING_PREFIX = "EmailParameters__"
DEFAULT_DAYS = 30


def _row(
    default: str | int | bool | None,
    help: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    limits: tuple[int, int] | None = None,
) -> Any:
    return field(default=default, metadata={"help": help, "unit": unit, "choices": choices, "limits": limits})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    batch_provider: str = _row(
        "smtp",
        "The provider for mail sent without interaction: smtp, graph, or exchange (deprecated).",
        choices=("smtp", "graph", "exchange"),
    )
    default_sender: str = _row("", "The From address of an email that names none. Empty: `from` is required.")
    attachment_size_limit: int = _row(
        10, "The largest email, with its attachments, as it goes over the wire.", unit="MB", limits=(0, 150)
    )
    accept_rate_limit: int = _row(
        0,
        "Emails a minute that one caller may hand over, counted over all instances; more are refused (429) until there "
        "is room again. 0 means no limit.",
        limits=(0, 1_000_000),
    )
    email_expiration_days: int = _row(
        0, "Days until an unsent email becomes Expired; 0 means 30.", unit="days", limits=(0, 3650)
    )
    email_history_days: int = _row(
        0, "Number of days to retain email history; 0 means 30.", unit="days", limits=(0, 3650)
    )
    unconfirmed_policy: str = _row(
        "resend",
        "What happens to an email of which nobody knows whether it was sent: resend sends it again with the same "
        "Message-ID; hold keeps it until an administrator resends it or marks it as sent.",
        choices=("resend", "hold"),
    )
    smtp_per_minute_limit: int | None = _row(
        None,
        "Per-minute email sending limit of SMTP, for batch mail; 0 means none. Empty: 30 where the server is Exchange "
        "Online's, else none.",
        limits=(0, 100_000),
    )
    graph_per_minute_limit: int = _row(
        0,
        "The same for Microsoft Graph, which limits by itself: leave it at 0.",
        limits=(0, 100_000),
    )
    exchange_per_minute_limit: int = _row(
        0, "The same for Exchange Server, which limits by itself: leave it at 0.", limits=(0, 100_000)
    )
    throttle_mode: str = _row(
        "compatible",
        "What happens to an email that a limit has deferred as often as throttle_deferrals says: compatible sends it "
        "regardless of the limit, strict lets it keep its turn until it expires.",
        choices=("compatible", "strict"),
    )
    throttle_deferrals: int = _row(
        10, "How often a limit a minute defers an email before it is sent regardless.", limits=(0, 1000)
    )
    throttle_deferral_seconds: int = _row(60, "How long one deferral lasts at most.", unit="seconds", limits=(10, 300))
    recipients_per_day_limit: int | None = _row(
        None,
        "Recipients a day for each sending mailbox, for batch mail; 0 means no limit. Empty: 10000 where mail goes "
        "through Exchange Online, else none.",
        limits=(0, 10_000_000),
    )
    high_importance_first: bool = _row(
        False, "Whether batch mail of high importance goes before the mail that waits for a limit."
    )
    smtp_preset: str = _row(
        "generic",
        "The mail service, which fills in whatever is not set below: generic (any server; name it in smtp_server), "
        "exchange_online, outlook (Outlook.com, Hotmail, MSN, Windows Live Mail), gmail, yahoo, or hve (Microsoft 365 "
        "High Volume Email).",
        choices=("generic", "exchange_online", "outlook", "gmail", "yahoo", "hve"),
    )
    smtp_server: str = _row(
        "", "The outgoing mail server's host name. Empty: the preset's; with generic, SMTP is not configured."
    )
    smtp_port: int = _row(0, "The outgoing mail server's port; 0 means the preset's, 587.", limits=(0, 65535))
    smtp_security: str = _row(
        "preset",
        "How the connection is encrypted: starttls (required, never skipped), tls (from the first byte), none "
        "(only for a relay inside your own network), or as the preset says: starttls.",
        choices=("preset", "starttls", "tls", "none"),
    )
    smtp_authentication: str = _row(
        "preset",
        "How the account signs in: none, password (the secret smtp-password), oauth (XOAUTH2 with client credentials), "
        "or as the preset says: oauth with exchange_online; with generic, password where smtp_user_name is set, else "
        "none; password with the others.",
        choices=("preset", "none", "password", "oauth"),
    )
    smtp_user_name: str = _row("", "The account that signs in; for Exchange Online the mailbox's address.")
    smtp_envelope_sender: str = _row(
        "email",
        "Who gets the bounces (MAIL FROM): the From address of the email, or the account's smtp_user_name.",
        choices=("email", "account"),
    )
    smtp_tenant_id: str = _row("", "OAuth: the tenant's id or domain in Microsoft Entra.")
    smtp_client_id: str = _row("", "OAuth: the application (client) id of the app registration.")
    smtp_oauth_credential: str = _row(
        "secret",
        "OAuth: how the app registration proves who it is: secret (the secret smtp-client-secret), certificate (the "
        "secret smtp-client-certificate), or federation (the function app's managed identity).",
        choices=("secret", "certificate", "federation"),
    )
    smtp_managed_identity_client_id: str = _row(
        "", "OAuth by federation: the client id of a user-assigned managed identity. Empty: the system-assigned one."
    )
    smtp_token_authority: str = _row(
        "https://login.microsoftonline.com", "OAuth: where tokens come from; another address in a national cloud."
    )
    smtp_token_scope: str = _row(
        "https://outlook.office365.com/.default",
        "OAuth: what the token is for; another address in a national cloud.",
    )
    smtp_certificate_authority: str = _row(
        "", "A private certificate authority to trust as well as the system's: its certificate in PEM."
    )
    smtp_verify_certificate: bool = _row(
        True,
        "Whether the server must prove by its certificate that it is the one named. false is taken only for a loopback "
        "or private address.",
    )
    smtp_max_connections: int = _row(
        0,
        "Connections that one instance keeps to the server at most; 0 means the preset's: 3 with exchange_online, 8 "
        "with the others.",
        limits=(0, 100),
    )
    smtp_local_hostname: str = _row("", "The name given in EHLO. Empty: this machine's own.")
    graph_credential: str = _row(
        "none",
        "How the application proves to Microsoft Graph who it is: secret (the secret graph-client-secret), certificate "
        "(the secret graph-client-certificate), identity (the function app's managed identity, without an app "
        "registration), federation (that identity, trusted by an app registration), or none: Graph is not configured.",
        choices=("none", "secret", "certificate", "identity", "federation"),
    )
    graph_tenant_id: str = _row("", "The tenant's id or domain in Microsoft Entra. Not needed with identity.")
    graph_client_id: str = _row(
        "",
        "Application ID: of the app registration that has the permission Mail.Send (and Mail.ReadWrite for mail over "
        "2 MB). Not needed with identity.",
    )
    graph_managed_identity_client_id: str = _row(
        "",
        "The client id of a user-assigned managed identity, for identity and federation. Empty: the system-assigned.",
    )
    graph_cloud: str = _row(
        "global", "The Microsoft cloud that the tenant is in.", choices=("global", "us_gcc_high", "us_dod", "china")
    )
    graph_batch_mailbox: str = _row(
        "",
        "The mailbox that batch mail goes through. Another From address needs Send As or Send on Behalf on it. Empty: "
        "each email goes through its From address's own mailbox, as interactive mail always does.",
    )
    graph_save_to_sent_items: bool = _row(
        True,
        "Whether mail is kept in the mailbox's Sent Items. With false, mail that only MIME can carry (headers other "
        "than X-, signed mail) and mail over 2 MB is kept there all the same, and a lost answer leaves no proof.",
    )
    graph_drafts: str = _row(
        "large",
        "What goes as a draft first, which needs Mail.ReadWrite: large mail (over 2 MB), or always: then Graph can "
        "tell after a lost answer whether it was sent.",
        choices=("large", "always"),
    )
    graph_mailbox_concurrency: int = _row(
        4, "Requests at once for one mailbox, over all instances. Graph takes four.", limits=(1, 32)
    )
    graph_address: str = _row("", "Another address of Microsoft Graph, for a stand-in. Empty: the cloud's.")
    graph_login_address: str = _row("", "Another address that tokens come from, for a stand-in. Empty: the cloud's.")
    exchange_server: str = _row(
        "",
        "Exchange (deprecated): the host name of an Exchange Server of your own, or the whole address of its Exchange "
        "Web Services. Not Exchange Online. Empty: not configured. Needs the packages of requirements-exchange.txt.",
    )
    exchange_version: str = _row(
        "2016",
        "Exchange (deprecated): the server's version; for Subscription Edition 2019.",
        choices=("2010_sp2", "2013", "2013_sp1", "2016", "2019"),
    )
    exchange_authentication: str = _row(
        "ntlm",
        "Exchange (deprecated): how the account signs in: ntlm or basic (the secret exchange-password), or oauth "
        "(hybrid modern authentication, the secret exchange-client-secret).",
        choices=("ntlm", "basic", "oauth"),
    )
    exchange_user_name: str = _row("", "Exchange (deprecated): the account, as DOMAIN\\name or its principal name.")
    exchange_impersonation: bool = _row(
        True,
        "Exchange (deprecated): whether the account acts for each mailbox by the role ApplicationImpersonation; with "
        "false it needs full access to the mailbox.",
    )
    exchange_batch_mailbox: str = _row(
        "",
        "Exchange (deprecated): the mailbox that batch mail goes through. Empty: each email goes through its From "
        "address's own mailbox, as interactive mail always does.",
    )
    exchange_domains: str = _row(
        "",
        "Exchange (deprecated): the domains of your organisation, separated by commas. Mail from any other, which is "
        "that of external users, is refused. Empty: any.",
    )
    exchange_save_to_sent_items: bool = _row(
        True,
        "Exchange (deprecated): whether mail is kept in the mailbox's Sent Items. With false a lost answer leaves no "
        "proof.",
    )
    exchange_certificate_authority: str = _row(
        "", "Exchange (deprecated): a private certificate authority to trust as well as the system's, in PEM."
    )
    exchange_mailbox_concurrency: int = _row(
        8,
        "Exchange (deprecated): requests at once for one mailbox, over all instances. The server's usual policy takes "
        "10 (2010) or 27.",
        limits=(1, 64),
    )
    exchange_tenant_id: str = _row("", "Exchange (deprecated), oauth: the tenant's id or domain in Microsoft Entra.")
    exchange_client_id: str = _row("", "Exchange (deprecated), oauth: the application (client) id.")
    exchange_token_scope: str = _row(
        "", "Exchange (deprecated), oauth: what the token is for, like https://mail.contoso.com/.default."
    )
    exchange_token_authority: str = _row(
        "https://login.microsoftonline.com",
        "Exchange (deprecated), oauth: where tokens come from; another address in a national cloud.",
    )

    def batch_mailbox_of(self, provider: str) -> str:
        """The mailbox that a provider's batch mail goes through, "" where there is none: it stands in for a sender
        that nobody names."""
        return {"graph": self.graph_batch_mailbox, "exchange": self.exchange_batch_mailbox}.get(provider, "")

    @property
    def size_limit_octets(self) -> int:
        return self.attachment_size_limit * 1024 * 1024

    @property
    def expiration_days(self) -> int:
        return self.email_expiration_days or DEFAULT_DAYS

    @property
    def history_days(self) -> int:
        return self.email_history_days or DEFAULT_DAYS


def parameters_from_settings(settings: Mapping[str, str]) -> Parameters:
    """Reads the app settings. Raises ConfigurationError for an unknown name or a value outside its limits."""
    rows = {row.name: row for row in fields(Parameters)}
    values: dict[str, Any] = {}
    for setting, text in settings.items():
        if setting.startswith(SETTING_PREFIX):
            row = rows.get(setting.removeprefix(SETTING_PREFIX))
            if row is None:
                raise ConfigurationError(setting, "is no parameter", f"The parameters are {', '.join(rows)}.")
            values[row.name] = _parse(setting, row, text.strip())
    return Parameters(**values)


def _parse(setting: str, row: "Field[Any]", text: str) -> str | int | bool | None:
    choices, limits = row.metadata["choices"], row.metadata["limits"]
    if isinstance(row.default, bool):
        return _truth(setting, text)
    if row.default is None and not text:
        return None
    if choices and text not in choices:
        raise ConfigurationError(setting, "has a value that is not allowed", f"Use one of {', '.join(choices)}.")
    if isinstance(row.default, str):
        return text
    low, high = limits
    if not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise ConfigurationError(setting, "is not a number within its limits", f"Use {low} to {high}.")
    return int(text)


def _truth(setting: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ConfigurationError(setting, "is neither true nor false", "Use true or false.")
    return text.lower() == "true"
