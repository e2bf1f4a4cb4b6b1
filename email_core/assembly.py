"""The only place that reads the environment: what the real parts are and in which order they are put together, once a
process, on first use. Stores and secrets stay for its life; what goes by the parameters is connected anew when they
change (`live`).

Built inside the running event loop and kept (the worker has one loop for the life of the process).
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from email_core.accept_rate import AcceptRate
from email_core.app_senders import AllowedSenders, AppSendersStore
from email_core.audit import AuditLog
from email_core.composer import Composer
from email_core.delivery import Delivery
from email_core.distribution import Distribution
from email_core.distributor import Distributor
from email_core.errors import ConfigurationError, ParameterProblem, WrongParameters
from email_core.known_users import KnownUsers
from email_core.leftovers import Leftovers
from email_core.live import Live
from email_core.measured_emails import MeasuredEmails
from email_core.outbox import Outbox
from email_core.parameter_desk import ParameterDesk, Reading
from email_core.parameters import Parameters
from email_core.provider_builders import provider_builders
from email_core.provider_overview import ProviderOverview
from email_core.provider_pause import ProviderPauses
from email_core.provider_set import ProviderSet
from email_core.providers.base import Provider
from email_core.providers.diverted import in_delivery_mode
from email_core.rehearsals import Rehearsals
from email_core.retention import Retention
from email_core.secret_store.base import VAULT_SETTING, SecretStore
from email_core.secret_store.file import FileSecrets
from email_core.sign_in.base import (
    MODE_SETTING,
    AccessMode,
    ClosedSignIn,
    KeySignIn,
    OpenSignIn,
    SignIn,
    access_mode,
)
from email_core.storage_clients import StorageClients, credential, unreadable_connection
from email_core.stores.base import EmailStore, Stores
from email_core.sweeper import Sweeper
from email_core.throttle import Throttle
from email_core.timer_runs import TimerRuns
from email_core.user_directory import Users
from email_core.watch import Watch
from email_core.web_address import is_https_origin

SECRETS_SETTING = VAULT_SETTING.partition("__")[0]

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Subsystem:
    """The core, assembled: what the doors call. While `problems` has any, only what mends them works with it."""

    composer: Composer
    outbox: Outbox
    delivery: Delivery
    sweeper: Sweeper
    retention: Retention
    distribution: Distribution
    providers: Mapping[str, Provider]
    pauses: ProviderPauses
    rehearsals: Rehearsals
    overview: ProviderOverview
    users: Users
    timer_runs: TimerRuns
    watch: Watch
    audit: AuditLog
    sign_in: SignIn
    app_senders: AppSendersStore
    throttle: Throttle
    parameters: Parameters
    secrets: SecretStore
    desk: ParameterDesk
    problems: tuple[ParameterProblem, ...] = ()

    def check(self) -> None:
        """Raises WrongParameters while one is wrong."""
        if self.problems:
            raise WrongParameters(*self.problems)

    def require_sign_in(self) -> None:
        """Raises ConfigurationError where nobody can get in."""
        if isinstance(self.sign_in, ClosedSignIn):
            raise self.sign_in.error()


_assembled: "Live[Subsystem] | Subsystem | None" = None


async def subsystem() -> Subsystem:
    """The process's own, as it stands at this moment: what began with one ends with it. Raises ConfigurationError, each
    time anew, while a setting is missing or wrong, WrongParameters while a parameter is, and StorageUnavailable until
    the parameters were read once."""
    core = await subsystem_as_it_is()
    core.check()
    return core


async def subsystem_as_it_is() -> Subsystem:
    """The same for what mends a wrong parameter: it is not refused for that."""
    global _assembled
    if _assembled is None:
        _assembled = assemble(os.environ)
    return await _assembled.core() if isinstance(_assembled, Live) else _assembled


def install(replacement: "Live[Subsystem] | Subsystem | None") -> None:
    """Puts another subsystem in the process's place, or none: for tests."""
    global _assembled
    _assembled = replacement


def environment() -> Mapping[str, str]:
    """The process's settings, for who looks at each of them by itself: the doctor."""
    return os.environ


def utc_now() -> datetime:
    return datetime.now(UTC)


def host_checks_keys() -> bool:
    """Asked while the app is imported: whether the host is to ask for keys. Only where tokens are checked here instead
    it is not, so that a setting which is missing or wrong opens nothing."""
    return os.environ.get(MODE_SETTING, "").strip() != AccessMode.ENTRA


def assemble(settings: Mapping[str, str]) -> Live[Subsystem]:
    from email_core.stores import azure  # 0.3 s: not before it is needed

    logging.getLogger("azure").setLevel(logging.WARNING)  # its clients write several lines a request otherwise
    secrets = secret_store(settings)
    clients = StorageClients(settings)
    try:
        tables, blobs, queues = clients.tables(), clients.blobs(), clients.queues()
        plain_tables, plain_queues = clients.plain_tables(), clients.plain_queues()
    except ValueError as error:
        raise unreadable_connection(error) from None
    stores = azure.stores_of(tables, queues, blobs, plain_tables, plain_queues)
    providers = ProviderSet(provider_builders(secrets, stores.mailboxes, utc_now))
    return live(settings, stores, secrets, providers, sign_in=chosen_sign_in(settings, stores))


def live(
    settings: Mapping[str, str],
    stores: Stores,
    secrets: SecretStore,
    providers: ProviderSet,
    clock: Callable[[], datetime] = utc_now,
    sign_in: SignIn | None = None,
) -> Live[Subsystem]:
    """The core over any stores, as the parameters that are stored there have it."""
    desk = ParameterDesk(stores.parameters, settings, AuditLog(stores.audit, clock), clock)

    def connected(reading: Reading, parameters: Parameters, providers: Mapping[str, Provider]) -> Subsystem:
        return connect(
            stores=stores,
            providers=providers,
            parameters=parameters,
            secrets=secrets,
            sign_in=sign_in,
            clock=clock,
            desk=desk,
            problems=reading.judgement.closing,
        )

    return Live(desk, providers, connected)


def connect(
    *,
    stores: Stores,
    providers: Mapping[str, Provider],
    parameters: Parameters,
    secrets: SecretStore,
    sign_in: SignIn | None = None,
    clock: Callable[[], datetime] = utc_now,
    desk: ParameterDesk | None = None,
    problems: tuple[ParameterProblem, ...] = (),
) -> Subsystem:
    """The core over any stores and providers, with these parameters whatever is stored. Without a `sign_in` nobody gets
    in."""
    emails, doorbells = MeasuredEmails(_emails(stores, parameters)), stores.doorbells
    providers = in_delivery_mode(parameters, providers)
    distributor = Distributor(stores.distributor, clock, holds=parameters.delivery_mode == "hold")
    pauses = ProviderPauses(stores.providers, clock)
    throttle = Throttle(stores.windows, parameters, clock)
    audit = AuditLog(stores.audit, clock)
    timer_runs = TimerRuns(stores.timers, clock)
    users = Users(store=stores.users, audit=audit, providers=frozenset(providers), parameters=parameters, clock=clock)
    composer = Composer(users=users, providers=frozenset(providers), parameters=parameters, clock=clock)
    sweeper = Sweeper(
        emails=emails,
        doorbells=doorbells,
        distributor=distributor,
        providers=providers,
        pauses=pauses,
        throttle=throttle,
        runs=timer_runs,
        clock=clock,
    )
    leftovers = Leftovers(providers)
    return Subsystem(
        composer=composer,
        outbox=Outbox(
            emails=emails,
            doorbells=doorbells,
            keys=stores.keys,
            distributor=distributor,
            users=users,
            rate=AcceptRate(stores.windows, parameters, clock),
            leftovers=leftovers,
            throttle=throttle,
            composer=composer,
            clock=clock,
        ),
        delivery=Delivery(
            emails=emails,
            doorbells=doorbells,
            providers=providers,
            parameters=parameters,
            distributor=distributor,
            pauses=pauses,
            throttle=throttle,
            clock=clock,
        ),
        sweeper=sweeper,
        retention=Retention(
            emails=emails,
            keys=stores.keys,
            leftovers=leftovers,
            audit=audit,
            windows=stores.windows,
            provider_states=stores.providers,
            throttle=throttle,
            parameters=parameters,
            clock=clock,
        ),
        distribution=Distribution(emails=emails, distributor=distributor, sweeper=sweeper, clock=clock),
        providers=providers,
        pauses=pauses,
        rehearsals=Rehearsals(providers=providers, pauses=pauses, parameters=parameters, clock=clock),
        overview=ProviderOverview(
            providers=providers,
            pauses=pauses,
            throttle=throttle,
            distributor=distributor,
            parameters=parameters,
            clock=clock,
        ),
        users=users,
        timer_runs=timer_runs,
        watch=Watch(providers=providers, pauses=pauses, secrets=secrets, clock=clock),
        audit=audit,
        sign_in=sign_in or chosen_sign_in({}, stores),
        app_senders=stores.app_senders,
        throttle=throttle,
        parameters=parameters,
        secrets=secrets,
        desk=desk or ParameterDesk(stores.parameters, {}, audit, clock),
        problems=problems,
    )


def _emails(stores: Stores, parameters: Parameters) -> EmailStore:
    return stores.emails if parameters.keep_content else stores.emails.forgetting_content()


def chosen_sign_in(settings: Mapping[str, str], stores: Stores) -> SignIn:
    """By `EmailAccess__mode`. Where that, or what belongs to it, is missing or wrong, nobody gets in; what was accepted
    before is sent all the same."""
    try:
        match access_mode(settings, on_azure=_is_on_azure(settings)):
            case AccessMode.LOCAL:
                return OpenSignIn()
            case AccessMode.KEYS:
                return KeySignIn()
        return _entra_sign_in(settings, stores)
    except ConfigurationError as error:
        return ClosedSignIn(error)


def _entra_sign_in(settings: Mapping[str, str], stores: Stores) -> SignIn:
    from email_core.sign_in.entra import EntraSignIn
    from email_core.sign_in.entra_settings import EntraSettings
    from email_core.sign_in.signing_keys import SigningKeys

    entra = EntraSettings.from_settings(settings)
    allowed = AllowedSenders(stores.app_senders, utc_now)
    known = KnownUsers(stores.users, utc_now)
    return EntraSignIn(entra, SigningKeys(entra.keys_address), allowed, known.person)


def secret_store(settings: Mapping[str, str]) -> SecretStore:
    """Key Vault where its address is set (`EmailSecrets__vaultUri`, with `__credential` and `__clientId` as for the
    storage), else files on this machine, which refuse to be used on Azure."""
    address = settings.get(VAULT_SETTING, "").strip()
    if not address:
        folder = _ROOT / (settings.get("LOCAL_DIR") or ".local") / "secrets"
        return FileSecrets(folder, on_azure=_is_on_azure(settings))
    if not is_https_origin(address):
        fix = "Copy the vault's address from its overview page: https://NAME.vault.azure.net/."
        raise ConfigurationError(VAULT_SETTING, "is not the https address of a vault", fix)
    from email_core.secret_store.key_vault import KeyVaultSecrets, vault_client

    return KeyVaultSecrets(vault_client(address, credential(settings, SECRETS_SETTING)), utc_now)


def _is_on_azure(settings: Mapping[str, str]) -> bool:
    """Functions Core Tools set some of Azure's variables as well, and say that it is development. An app on Azure may
    say so too, by mistake: its own name on the web tells it apart."""
    hostname = settings.get("WEBSITE_HOSTNAME", "").partition(":")[0]
    if settings.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development" and hostname in ("", "localhost", "127.0.0.1"):
        return False
    return bool(settings.get("WEBSITE_INSTANCE_ID") or settings.get("WEBSITE_SITE_NAME"))
