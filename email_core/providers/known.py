"""Every provider that the product knows, configured or not: one row each."""

from email_core.providers.base import Provider
from email_core.providers.smtp import SmtpProvider

KNOWN: tuple[type[Provider], ...] = (SmtpProvider,)
