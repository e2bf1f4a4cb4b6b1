"""Exchange Server through Exchange Web Services (facts/ews-and-pop3.md). Deprecated: Exchange Online has none any more.

settings  what the parameters say, checked as a whole
ews       exchangelib, which is an optional package: one message, one look into Sent Items
outcome   what an error of it means
provider  all of them together
"""

from email_core.providers.exchange.provider import ExchangeProvider
from email_core.providers.exchange.settings import ExchangeSettings

__all__ = ["ExchangeProvider", "ExchangeSettings"]
