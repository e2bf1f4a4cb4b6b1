"""Every provider that the product knows, configured or not: one row each."""

from email_core.providers.base import Provider
from email_core.providers.exchange import ExchangeProvider
from email_core.providers.graph import GraphProvider
from email_core.providers.smtp import SmtpProvider

KNOWN: tuple[type[Provider], ...] = (SmtpProvider, GraphProvider, ExchangeProvider)
