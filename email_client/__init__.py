"""A small client of the email subsystem for Python apps: copy this folder into yours; it needs Python 3.11 and httpx.

    from email_client import EmailClient

    with EmailClient("https://NAME.azurewebsites.net", key="...") as emails:
        sent = emails.send({"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Hi", "text": "Hello"})
        print(emails.wait(sent["id"])["status"])

`AsyncEmailClient` has the same methods for asyncio. docs/how-to/python-client.md says more.
"""

from email_client.asynchronous import AsyncEmailClient
from email_client.calls import attachment
from email_client.errors import EmailError
from email_client.patience import Patience
from email_client.shapes import Accepted, BatchItem, DryRun, Email, Filters, NewEmail, Problem
from email_client.synchronous import EmailClient

__all__ = [
    "Accepted",
    "AsyncEmailClient",
    "BatchItem",
    "DryRun",
    "Email",
    "EmailClient",
    "EmailError",
    "Filters",
    "NewEmail",
    "Patience",
    "Problem",
    "attachment",
]
