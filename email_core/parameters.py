"""Email parameters: each is one row with its type, default, limits, help and group (datasette's habit). Where its value
comes from, `parameter_layers` says; which values go together, `parameter_rules`.

The names are those of the modelled system's form, in snake case. None of them is a secret.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any, cast

SETTING_PREFIX = "EmailParameters__"
DEFAULT_DAYS = 30
PEM = "PEM"  # the unit of a text that may have several lines
GROUPS = {
    "general": "General",
    "limits": "Limits",
    "retention": "Retention",
    "testing": "Test environments",
    "smtp": "SMTP",
    "graph": "Microsoft Graph",
    "exchange": "Exchange Server (deprecated)",
}

Value = str | int | bool


def _row(
    default: Value | None,
    help: str,
    *,
    group: str = "",
    unit: str = "",
    choices: tuple[str, ...] = (),
    limits: tuple[int, int] | None = None,
) -> Any:
    """`group` may be left out where the name begins with it."""
    about = {"help": help, "group": group, "unit": unit, "choices": choices, "limits": limits}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    batch_provider: str = _row(
        "smtp",
        "The provider for mail sent without interaction: smtp, graph, or exchange (deprecated).",
        choices=("smtp", "graph", "exchange"),
        group="general",
    )
    default_sender: str = _row(
        "", "The From address of an email that names none. Empty: `from` is required.", group="general"
    )
    interactive_providers: str = _row(
        "",
        "The providers that users may choose, separated by commas, like smtp,graph. Empty: all that are configured.",
        group="general",
    )
    unconfirmed_policy: str = _row(
        "resend",
        "What happens to an email of which nobody knows whether it was sent: resend sends it again with the same "
        "Message-ID; hold keeps it until an administrator resends it or marks it as sent.",
        choices=("resend", "hold"),
        group="general",
    )
    high_importance_first: bool = _row(
        False, "Whether batch mail of high importance goes before the mail that waits for a limit.", group="general"
    )
    attachment_size_limit: int = _row(
        10,
        "The largest email, with its attachments, as it goes over the wire.",
        unit="MB",
        limits=(0, 150),
        group="limits",
    )
    accept_rate_limit: int = _row(
        0,
        "Emails a minute that one caller may hand over, counted over all instances; more are refused (429) until there "
        "is room again. 0 means no limit.",
        limits=(0, 1_000_000),
        group="limits",
    )
    smtp_per_minute_limit: int | None = _row(
        None,
        "Per-minute email sending limit of SMTP, for batch mail; 0 means none. Empty: 30 where the server is Exchange "
        "Online's, else none.",
        limits=(0, 100_000),
        group="limits",
    )
    graph_per_minute_limit: int = _row(
        0, "The same for Microsoft Graph, which limits by itself: leave it at 0.", limits=(0, 100_000), group="limits"
    )
    exchange_per_minute_limit: int = _row(
        0, "The same for Exchange Server, which limits by itself: leave it at 0.", limits=(0, 100_000), group="limits"
    )
    throttle_mode: str = _row(
        "compatible",
        "What happens to an email that a limit a minute has deferred as often as throttle_deferrals says: compatible "
        "sends it regardless of that limit, strict lets it keep its turn until it expires.",
        choices=("compatible", "strict"),
        group="limits",
    )
    throttle_deferrals: int = _row(
        10, "How often a limit a minute defers an email before it is sent regardless.", limits=(0, 1000), group="limits"
    )
    throttle_deferral_seconds: int = _row(
        60, "How long one deferral lasts at most.", unit="seconds", limits=(10, 300), group="limits"
    )
    recipients_per_day_limit: int | None = _row(
        None,
        "Recipients a day for each sending mailbox, for batch mail; 0 means no limit. Empty: 10000 where mail goes "
        "through Exchange Online, else none.",
        limits=(0, 10_000_000),
        group="limits",
    )
    email_expiration_days: int = _row(
        0, "Days until an unsent email becomes Expired; 0 means 30.", unit="days", limits=(0, 3650), group="retention"
    )
    email_history_days: int = _row(
        0, "Number of days to retain email history; 0 means 30.", unit="days", limits=(0, 3650), group="retention"
    )
    content_retention_days: int = _row(
        0,
        "Number of days to retain an email's content after it ended; its record stays in the history. 0 means as long "
        "as the history.",
        unit="days",
        limits=(0, 3650),
        group="retention",
    )
    keep_content: bool = _row(
        True,
        "Whether an email's content is kept when it has ended. With false it is deleted then: nobody can read it or "
        "send it once more.",
        group="retention",
    )
    audit_retention_days: int = _row(
        365,
        "Number of days to retain the audit of configuration changes and of who read content; 0 means for ever.",
        unit="days",
        limits=(0, 3650),
        group="retention",
    )
    delivery_mode: str = _row(
        "live",
        "Where mail goes: live to its recipients; redirect sends all of it to redirect_address, with the recipients "
        "in its headers X-Original-To, -Cc and -Bcc and in its subject; hold sends none, and it waits.",
        choices=("live", "redirect", "hold"),
        group="testing",
    )
    redirect_address: str = _row(
        "", "The one address that gets all mail while delivery_mode is redirect.", group="testing"
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
        "", "A private certificate authority to trust as well as the system's: its certificate in PEM.", unit=PEM
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
        "", "Exchange (deprecated): a private certificate authority to trust as well as the system's, in PEM.", unit=PEM
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

    @property
    def content_days(self) -> int:
        """Never longer than the record itself, with which it is deleted."""
        return min(self.content_retention_days or self.history_days, self.history_days) if self.keep_content else 0

    @property
    def chosen_interactive(self) -> frozenset[str]:
        """The providers that `interactive_providers` names; none where all that are configured may be chosen."""
        return frozenset(name.strip() for name in self.interactive_providers.split(",") if name.strip())

    def is_interactive(self, provider: str) -> bool:
        """Whether users may choose this configured provider."""
        return not self.chosen_interactive or provider in self.chosen_interactive


ROWS: "dict[str, Field[Any]]" = {row.name: row for row in fields(Parameters)}


def default_of(row: "Field[Any]") -> Value | None:
    return cast(Value | None, row.default)


def group_of(row: "Field[Any]") -> str:
    """A key of `GROUPS`."""
    return str(row.metadata["group"] or row.name.partition("_")[0])
