"""SMTP submission through a relay or a mail service (facts of RFC 5321 and aiosmtplib 5.1).

settings        presets, and what the parameters say, checked as a whole
authentication  a password or a token, one method, one try
connection      connect, TLS, EHLO, AUTH; then commands
pool            connections that are kept between emails
transaction     MAIL, RCPT, DATA and the content
outcome         what a reply or a failure means
provider        all of them together
"""

from email_core.providers.smtp.provider import SmtpProvider
from email_core.providers.smtp.settings import SmtpSettings

__all__ = ["SmtpProvider", "SmtpSettings"]
