"""What the core asks of a place that keeps secrets, and the names it may ask for.

A value goes to whoever signs in with it and nowhere else: into no log, error, `repr` or answer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self

from email_core.errors import UnknownSecret

VAULT_SETTING = "EmailSecrets__vaultUri"
LONGEST_VALUE = 25 * 1024  # octets: Key Vault's limit


class SecretName(StrEnum):
    """All secrets there are. One row each: its name, and what it is."""

    help: str

    SMTP_PASSWORD = "smtp-password", "The password of the account that signs in to the SMTP server."
    SMTP_CLIENT_SECRET = (
        "smtp-client-secret",
        "The client secret of the app registration that signs in to the SMTP server with OAuth.",
    )
    SMTP_CLIENT_CERTIFICATE = (
        "smtp-client-certificate",
        "The certificate and private key (PEM) of the app registration that signs in to the SMTP server with OAuth.",
    )
    GRAPH_CLIENT_SECRET = (
        "graph-client-secret",
        "The client secret of the app registration that sends through Microsoft Graph.",
    )
    GRAPH_CLIENT_CERTIFICATE = (
        "graph-client-certificate",
        "The certificate and private key (PEM, or PKCS #12 in base64) of the app registration that sends through "
        "Microsoft Graph.",
    )
    EXCHANGE_PASSWORD = "exchange-password", "The password of the account that signs in to Exchange Server."
    EXCHANGE_CLIENT_SECRET = (
        "exchange-client-secret",
        "The client secret of the app registration that signs in to Exchange Server with OAuth.",
    )

    def __new__(cls, name: str, help: str = "") -> Self:
        row = str.__new__(cls, name)
        row._value_ = name
        row.help = help
        return row

    @property
    def provider(self) -> str:
        """The name of the provider that signs in with it."""
        return self.partition("-")[0]

    @property
    def has_lines(self) -> bool:
        """PEM has line breaks; a password has none that was meant."""
        return self.endswith("-certificate")


def secret_name(text: str) -> SecretName:
    """Raises UnknownSecret."""
    try:
        return SecretName(text)
    except ValueError:
        raise UnknownSecret(tuple(SecretName)) from None


@dataclass(frozen=True, slots=True)
class SecretState:
    """All that is told of a secret. `updated_at` is when its value was set; None where there is none. `expires_at`: its
    value is not used from then on; None where nobody said so."""

    set: bool
    updated_at: datetime | None
    expires_at: datetime | None = None


class SecretStore(Protocol):
    """Every verb but `refresh` raises SecretUnreadable, or ConfigurationError where no place is configured, and
    comes to its end within half a minute."""

    async def get(self, name: SecretName) -> str:
        """The value; it may be a few minutes old."""
        ...

    async def put(self, name: SecretName, value: str) -> None:
        """Keeps a new value in the place of the old one, whatever state that was in."""
        ...

    async def about(self, name: SecretName) -> SecretState:
        """As it stands now. One that was deleted is not set."""
        ...

    def refresh(self, name: SecretName) -> None:
        """Forgets what was read before: for a provider whose sign-in was refused, as the value may have been
        changed meanwhile."""
        ...
