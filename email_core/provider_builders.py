"""What a provider is built of: its settings, its way to a token, and the slots of the mailboxes that it sends from."""

from collections.abc import Callable
from datetime import datetime

from email_core.mailbox_slots import MailboxSlots, MailboxStore
from email_core.parameter_rules import SETTINGS
from email_core.parameters import Parameters
from email_core.provider_set import Builders
from email_core.providers.base import Provider
from email_core.providers.entra import Identity, Tokens
from email_core.providers.exchange import ExchangeProvider, ExchangeSettings
from email_core.providers.graph import GraphProvider, GraphSettings
from email_core.providers.smtp import SmtpProvider, SmtpSettings
from email_core.secret_store.base import SecretStore


def configured_providers(
    parameters: Parameters, secrets: SecretStore, mailboxes: MailboxStore, clock: Callable[[], datetime]
) -> dict[str, Provider]:
    """Raises ConfigurationError where a provider's parameters do not go together."""
    builders = provider_builders(secrets, mailboxes, clock)
    wanted = {name: settings.from_parameters(parameters) for name, settings in SETTINGS.items()}
    return {name: builders[name](settings) for name, settings in wanted.items() if settings is not None}


def provider_builders(secrets: SecretStore, mailboxes: MailboxStore, clock: Callable[[], datetime]) -> Builders:
    def smtp(settings: SmtpSettings) -> Provider:
        is_trusted = settings.oauth is not None and settings.oauth.credential == "federation"
        identity = _identity(settings.oauth.managed_identity_client_id) if settings.oauth and is_trusted else None
        return SmtpProvider(settings, secrets, identity=identity)

    def graph(settings: GraphSettings) -> Provider:
        identity = _identity(settings.managed_identity_client_id) if settings.needs_identity else None
        slots = MailboxSlots(mailboxes, provider=GraphProvider.name, limit=settings.concurrency, clock=clock)
        return GraphProvider(settings, Tokens(settings.app, secrets, identity), slots, clock)

    def exchange(settings: ExchangeSettings) -> Provider:
        tokens = Tokens(settings.app, secrets) if settings.app else None
        slots = MailboxSlots(mailboxes, provider=ExchangeProvider.name, limit=settings.concurrency, clock=clock)
        return ExchangeProvider(settings, secrets, slots, tokens)

    return {"smtp": smtp, "graph": graph, "exchange": exchange}


def _identity(client_id: str | None) -> Identity:
    from azure.identity import ManagedIdentityCredential

    identity = ManagedIdentityCredential(client_id=client_id)

    def token(scope: str) -> tuple[str, int]:
        given = identity.get_token(scope)
        return given.token, given.expires_on

    return token
