"""Which sending limits hold for a provider: what an administrator set, or what is known of the service."""

from dataclasses import dataclass

from email_core.parameters import Parameters
from email_core.providers.smtp.settings import PRESETS

EXCHANGE_ONLINE_HOSTS = frozenset({"smtp.office365.com"})
EXCHANGE_ONLINE_A_MINUTE = 30  # messages of a mailbox (facts/smtp.md)
EXCHANGE_ONLINE_A_DAY = 10_000  # recipients of a mailbox
_NAMED_BY = {  # the parameter that holds the sending account
    "smtp": "smtp_user_name",
    "graph": "graph_batch_mailbox",
    "exchange": "exchange_batch_mailbox",
}
LIMIT_THEMSELVES = {"graph": "Microsoft Graph", "exchange": "Exchange"}


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """Of batch mail; 0 = no limit. `per_minute` counts emails of a provider, `recipients_per_day` the recipients of one
    sending mailbox."""

    per_minute: int
    recipients_per_day: int

    def __bool__(self) -> bool:
        return bool(self.per_minute or self.recipients_per_day)


def sending_limits(parameters: Parameters, provider: str) -> SendingLimits:
    exchange_online = _is_exchange_online(parameters, provider)
    per_minute = getattr(parameters, f"{provider}_per_minute_limit", 0)
    if per_minute is None:
        per_minute = EXCHANGE_ONLINE_A_MINUTE if exchange_online else 0
    a_day = parameters.recipients_per_day_limit
    if a_day is None:
        a_day = EXCHANGE_ONLINE_A_DAY if exchange_online else 0
    return SendingLimits(per_minute, a_day)


def sending_account(parameters: Parameters, provider: str) -> str:
    """The one mailbox that all batch mail goes through, whoever it is from. Empty: each goes through its sender's."""
    return parameters.smtp_user_name if provider == "smtp" else parameters.batch_mailbox_of(provider)


def sending_mailbox_in_words(parameters: Parameters, provider: str) -> str:
    """Where its address stands, not the address: the log has these words too."""
    if not sending_account(parameters, provider):
        return "the From address's mailbox"
    return f"the mailbox in {_NAMED_BY[provider]}"


def limit_warnings(parameters: Parameters, provider: str) -> list[str]:
    """What is allowed and may yet be a mistake, for the administrator who sets it."""
    if provider not in LIMIT_THEMSELVES or not sending_limits(parameters, provider).per_minute:
        return []
    name = LIMIT_THEMSELVES[provider]
    return [f"{provider}_per_minute_limit should be 0: {name} limits by itself, and tells how long to wait"]


def _is_exchange_online(parameters: Parameters, provider: str) -> bool:
    if provider == "smtp":
        server = parameters.smtp_server or PRESETS[parameters.smtp_preset].server
        return server.rstrip(".").lower() in EXCHANGE_ONLINE_HOSTS
    return provider == "graph"
