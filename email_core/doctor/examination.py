"""All checks, side by side, each in bounded time. What cannot be built is told, and takes only its own checks away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from email_core.assembly import SECRETS_SETTING, secret_store, utc_now
from email_core.choice_of_provider import CONFIGURED_BY
from email_core.doctor.finding import Finding, Section, bounded, failed, ok, skipped, told, warning
from email_core.doctor.identity import Identity, identity_checks
from email_core.doctor.operation import operation_checks
from email_core.doctor.providers import MOST_SECONDS, ProviderCheck
from email_core.doctor.resolver import Resolver
from email_core.doctor.secrets import secret_checks
from email_core.doctor.sender_domain import domain_checks
from email_core.doctor.storage import storage_checks
from email_core.errors import ConfigurationError, ParameterProblem, StorageUnavailable
from email_core.message import Address
from email_core.parameter_layers import Layers, Source, layers
from email_core.parameter_rules import judged
from email_core.parameters import SETTING_PREFIX, Parameters, Value
from email_core.provider_builders import configured_providers
from email_core.provider_pause import ProviderPauses, ProviderStateStore
from email_core.providers.base import Provider
from email_core.providers.diverted import in_delivery_mode
from email_core.providers.known import KNOWN
from email_core.rehearsals import Rehearsals, sender_of
from email_core.secret_store.base import VAULT_SETTING, SecretStore
from email_core.storage_clients import STORAGE_SETTING, StorageClients, credential, unreadable_connection
from email_core.stores.azure import AzureDistributorStore, AzureParameterStore, AzureProviderStates, AzureTimerRuns
from email_core.stores.memory import MemoryMailboxStore, MemoryProviderStates

STORAGE_SCOPE = "https://storage.azure.com/.default"
MOST_SECONDS_TO_READ = 15.0
_NOT_BUILT = "its settings are wrong: see above"
_SOURCES = {Source.STORED: "stored", Source.APP_SETTING: "by app settings", Source.DEFAULT: "by default"}

Checks = list[Awaitable[Finding | list[Finding]]]
Part = TypeVar("Part")


class Clients(NamedTuple):
    tables: Any
    queues: Any
    blobs: Any


@dataclass(frozen=True, slots=True)
class Parts:
    """What could be built of the settings, None where it could not: then `problems` says why."""

    read: Layers
    parameters: Parameters | None
    secrets: SecretStore | None
    providers: Mapping[str, Provider] | None
    storage: Clients | None
    problems: tuple[ConfigurationError, ...]


async def examine(
    settings: Mapping[str, str],
    *,
    resolver: Resolver,
    to: Address | None = None,
) -> list[Section]:
    """Sends nothing, unless `to` gets a test email through each configured provider. Never raises."""
    async with _parts(settings) as parts:
        plan: dict[str, Checks] = {"Configuration": [told(one) for one in _configuration(parts)]}
        plan |= _provider_checks(parts, to, utc_now)
        plan |= dict(_domain_checks(parts, resolver))
        plan |= {
            "Storage": [*storage_checks(*parts.storage)] if parts.storage else [told(skipped("storage", _NOT_BUILT))],
            "Identity": [*_identity_checks(settings, parts)],
            "Secrets": [*_secret_checks(settings, parts)],
            "Distributor and timers": [*_operation_checks(parts, utc_now)],
        }
        return await asyncio.gather(*(_section(title, checks) for title, checks in plan.items()))


async def _section(title: str, checks: Checks) -> Section:
    found = await asyncio.gather(*checks)
    return Section(title, tuple(one for some in found for one in (some if isinstance(some, list) else [some])))


# ---- what there is to look at


@asynccontextmanager
async def _parts(settings: Mapping[str, str]) -> AsyncIterator[Parts]:
    problems: list[ConfigurationError] = []

    def built(build: Callable[[], Part]) -> Part | None:
        try:
            return build()
        except ConfigurationError as problem:
            problems.append(problem)
            return None

    secrets = built(lambda: secret_store(settings))
    storage = built(lambda: _clients(settings))
    async with AsyncExitStack() as stack:
        for client in storage or ():
            await stack.enter_async_context(client)
        read = layers(settings, await _stored(storage))
        closing = judged(read).closing
        problems += [ConfigurationError(_where_it_is(read, one), one.problem, one.fix) for one in closing]
        parameters, providers = None if closing else read.parameters, None
        if parameters and secrets is not None:
            providers = _providers(parameters, secrets)
        for provider in (providers or {}).values():
            stack.callback(provider.close)
        yield Parts(read, parameters, secrets, providers, storage, tuple(problems))


async def _stored(storage: Clients | None) -> Mapping[str, Value]:
    """Nothing where the storage does not tell: what is wrong with it has a section of its own."""
    if storage is None:
        return {}
    try:
        async with asyncio.timeout(MOST_SECONDS_TO_READ):
            return (await AzureParameterStore(storage.tables).read())[0]
    except (StorageUnavailable, TimeoutError):
        return {}


def _where_it_is(read: Layers, problem: ParameterProblem) -> str:
    """What an administrator mends: a stored parameter, or an app setting."""
    is_stored = read.sources.get(problem.name) is Source.STORED
    return problem.name if is_stored or problem.name.startswith(SETTING_PREFIX) else SETTING_PREFIX + problem.name


def _providers(parameters: Parameters, secrets: SecretStore) -> Mapping[str, Provider]:
    """Its requests are few: it needs no share of any mailbox's slots. Its test email goes where all mail goes."""
    return in_delivery_mode(parameters, configured_providers(parameters, secrets, MemoryMailboxStore(), utc_now))


def _clients(settings: Mapping[str, str]) -> Clients:
    clients = StorageClients(settings)
    try:
        return Clients(clients.tables(), clients.queues(), clients.blobs())
    except ValueError as error:
        raise unreadable_connection(error) from None


# ---- the sections


def _configuration(parts: Parts) -> Iterator[Finding]:
    for problem in parts.problems:
        yield failed(problem.setting, problem.problem, problem.fix)
    if parts.parameters is not None:
        sources = Counter(parts.read.sources.values())
        yield ok("parameters", ", ".join(f"{sources[source]} {words}" for source, words in _SOURCES.items()))
        if parts.parameters.delivery_mode != "live":
            fix = "Set it to live where mail is to go to its recipients."
            yield warning("delivery_mode", f"is {parts.parameters.delivery_mode}: no recipient gets any mail", fix)


def _provider_checks(parts: Parts, to: Address | None, clock: Callable[[], datetime]) -> dict[str, Checks]:
    if parts.parameters is None or parts.providers is None:
        return {"Providers": [told(skipped("providers", _NOT_BUILT))]}
    states: ProviderStateStore = AzureProviderStates(parts.storage.tables) if parts.storage else MemoryProviderStates()
    pauses = ProviderPauses(states, clock)
    check = ProviderCheck(
        Rehearsals(providers=parts.providers, pauses=pauses, parameters=parts.parameters, clock=clock),
        pauses,
        clock,
        to,
    )
    sections: dict[str, Checks] = {}
    for known in KNOWN:
        provider = parts.providers.get(known.name)
        if provider is None:
            sections[known.features.title] = [told(_not_configured(known.name, parts.parameters))]
        else:
            title = f"{known.features.title} ({provider.target})"
            sections[title] = [bounded(known.name, check.findings(provider), MOST_SECONDS)]
    return sections


def _not_configured(name: str, parameters: Parameters) -> Finding:
    if parameters.batch_provider != name:
        return skipped(name, "is not configured")
    setting, fix = CONFIGURED_BY[name]
    fix = f"Set the parameter {setting}: {fix} Or set another batch_provider."
    return failed(name, "is not configured, and is the batch_provider: mail that names no other is refused", fix)


def _domain_checks(parts: Parts, resolver: Resolver) -> Iterator[tuple[str, Checks]]:
    if parts.parameters is None or not parts.providers:
        return
    for provider in parts.providers.values():
        try:
            domain = sender_of(provider, parts.parameters).address.rpartition("@")[2].lower()
        except ConfigurationError as problem:
            yield (
                f"DNS, for {provider.name}",
                [told(skipped("sender", f"{problem.setting} {problem.problem}", problem.fix))],
            )
        else:
            yield f"DNS of {domain}, for {provider.name}", [*domain_checks(resolver, domain, provider.sender_dns)]


def _identity_checks(settings: Mapping[str, str], parts: Parts) -> Iterator[Awaitable[Finding]]:
    if parts.storage is None:
        yield told(skipped(STORAGE_SETTING, _NOT_BUILT))
    elif StorageClients(settings).use_identity:
        yield from identity_checks([_identity(settings, STORAGE_SETTING, STORAGE_SCOPE)])
    else:
        yield told(skipped(STORAGE_SETTING, "a connection string: no identity is used"))
    vault = _vault(settings)
    if not vault:
        yield told(skipped(SECRETS_SETTING, "no vault is named: no identity is used"))
    elif parts.secrets is not None:
        service = (urlsplit(vault).hostname or "").partition(".")[2]
        yield from identity_checks([_identity(settings, SECRETS_SETTING, f"https://{service}/.default")])


def _identity(settings: Mapping[str, str], setting: str, scope: str) -> Identity:
    is_managed = settings.get(f"{setting}__credential") == "managedidentity"
    kind = "managed identity" if is_managed else "the first identity that is found"
    return Identity(setting, kind, scope, lambda: credential(settings, setting))


def _secret_checks(settings: Mapping[str, str], parts: Parts) -> list[Awaitable[Finding]]:
    if parts.secrets is None or parts.providers is None:
        return [told(skipped("secrets", _NOT_BUILT))]
    needed = {secret for provider in parts.providers.values() for secret in provider.secrets}
    return secret_checks(parts.secrets, needed, _vault(settings))


def _vault(settings: Mapping[str, str]) -> str:
    return settings.get(VAULT_SETTING, "").strip()


def _operation_checks(parts: Parts, clock: Callable[[], datetime]) -> list[Awaitable[Finding]]:
    if parts.storage is None:
        return [told(skipped("distributor", _NOT_BUILT))]
    tables = parts.storage.tables
    return operation_checks(AzureDistributorStore(tables), AzureTimerRuns(tables), clock)
