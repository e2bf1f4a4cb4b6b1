"""Which way an email goes: request, then the user's option, then for interactive mail the only one that may be chosen,
for batch mail the batch provider (facts/dynamics, "User options", "How would you like to send email")."""

from collections.abc import Iterable, Set

from email_core.errors import ChooseProvider, ConfigurationError, FieldProblem, InvalidEmail, UseMailApp
from email_core.order import Order
from email_core.parameters import Parameters
from email_core.record import Mode
from email_core.users import KnownUser

EML = "eml"  # a user's choice, and no provider: a file for their own mail app
CONFIGURED_BY = {  # the parameter without which a provider is none, and what to do about it
    "smtp": ("smtp_server", "Name the outgoing mail server there."),
    "graph": ("graph_credential", "Choose there how the application signs in to Microsoft Graph."),
    "exchange": ("exchange_server", "Name your Exchange Server there."),
}


def provider_for(
    order: Order, known: KnownUser | None, configured: Set[str], parameters: Parameters
) -> tuple[str, str]:
    """Its name, and why it is that one. Raises InvalidEmail, ChooseProvider, UseMailApp or ConfigurationError."""
    if order.provider is not None:
        _check_asked(order.provider, order, known, configured, parameters)
        return order.provider, "the request names it"
    if known is not None and (chosen := _chosen(known, order.mode)) is not None:
        provider, why = chosen
        if provider == EML and order.mode is Mode.INTERACTIVE:
            raise UseMailApp
        if provider in _open_to(known, order.mode, configured, parameters):
            return provider, why
    if order.mode is Mode.BATCH:
        return _batch_provider(order, known, configured, parameters), "it is the batch provider"
    whom = "users" if known is None else "this user"
    return _only_one(order, known, configured, parameters), f"it is the only provider that is open to {whom}"


def choices_of(known: KnownUser | None, configured: Set[str], parameters: Parameters) -> tuple[str, ...]:
    """What a person may choose from for interactive mail; the file for their own mail app comes last."""
    return (*_open_to(known, Mode.INTERACTIVE, configured, parameters), EML)


def interactive_providers(parameters: Parameters, configured: Set[str]) -> tuple[str, ...]:
    """Those that users may choose from, whoever they are."""
    return tuple(name for name in CONFIGURED_BY if name in configured and parameters.is_interactive(name))


def not_configured(provider: str, configured: Iterable[str]) -> str:
    """What is wrong with naming it, and which parameter makes it one that can be named."""
    words = f"{provider!r} is not a configured provider; configured: {', '.join(sorted(configured)) or 'none'}"
    if provider not in CONFIGURED_BY:
        return words
    parameter, _ = CONFIGURED_BY[provider]
    return f"{words}; an administrator configures it by the parameter {parameter} (PATCH /api/parameters)"


def lacks_batch_provider(configured: Set[str], parameters: Parameters) -> ConfigurationError:
    parameter, fix = CONFIGURED_BY[parameters.batch_provider]
    others = ", ".join(other for other, _ in CONFIGURED_BY.values() if other != parameter)
    problem = "is not set" if configured else f"is not set, and no other provider is configured ({others})"
    return ConfigurationError(parameter, problem, f"{fix} Parameters are set by PATCH /api/parameters.")


def _check_asked(
    provider: str, order: Order, known: KnownUser | None, configured: Set[str], parameters: Parameters
) -> None:
    problem = None
    if provider == EML:
        problem = "eml is a file for the user's own mail app: send the same body to /api/eml, which answers with it"
    elif provider not in configured:
        problem = not_configured(provider, configured)
    elif order.mode is Mode.INTERACTIVE and provider not in (open := interactive_providers(parameters, configured)):
        problem = f"{provider!r} is not open to users; they may choose from: {', '.join(open) or 'none'}"
    else:
        problem = unfit(provider, order.mode, known, parameters)
    if problem is not None:
        raise InvalidEmail(FieldProblem(f"{order.pointer}provider", problem))


def _chosen(known: KnownUser, mode: Mode) -> tuple[str, str] | None:
    """What was chosen last is an answer to a question that batch mail does not ask."""
    if known.options.provider is not None:
        return known.options.provider, f"the user {known.user.id} has chosen it"
    if known.options.last_choice is not None and mode is Mode.INTERACTIVE:
        return known.options.last_choice, f"the user {known.user.id} chose it last, and has not reset that"
    return None


def _open_to(known: KnownUser | None, mode: Mode, configured: Set[str], parameters: Parameters) -> tuple[str, ...]:
    """A choice that is open no more is none: the next rule decides, and a person is asked again."""
    names = interactive_providers(parameters, configured) if mode is Mode.INTERACTIVE else sorted(configured)
    return tuple(name for name in names if unfit(name, mode, known, parameters) is None)


def unfit(provider: str, mode: Mode, known: KnownUser | None, parameters: Parameters) -> str | None:
    """Why a provider does not take this user's mail: an external one has no mailbox in the organisation, and so can be
    sent for by Exchange never, and by Graph only from another's."""
    if known is None or not known.user.external:
        return None
    if provider == "exchange":
        return "Exchange takes no mail of external users, and this user is one: name another provider"
    batch_account = parameters.batch_mailbox_of(provider) if mode is Mode.BATCH else ""
    if provider == "graph" and not batch_account and known.options.sender is None:
        return (
            "Graph sends from a mailbox of the organisation, and an external user has none: name another provider, or "
            "let an administrator set the user's option `sender`"
        )
    return None


def _batch_provider(order: Order, known: KnownUser | None, configured: Set[str], parameters: Parameters) -> str:
    provider = parameters.batch_provider
    if provider not in configured:
        raise lacks_batch_provider(configured, parameters)
    if problem := unfit(provider, order.mode, known, parameters):
        raise InvalidEmail(FieldProblem(f"{order.pointer}provider", f"is not named, and {problem}"))
    return provider


def _only_one(order: Order, known: KnownUser | None, configured: Set[str], parameters: Parameters) -> str:
    match choices_of(known, configured, parameters):
        case (only, _):
            return only
        case (_,) if not configured:
            raise lacks_batch_provider(configured, parameters)
        case (_,):
            problem = (
                "no provider is open to this user: an administrator sets interactive_providers, or send to /api/eml"
            )
            raise InvalidEmail(FieldProblem(f"{order.pointer}provider", f"is not named, and {problem}"))
        case several:
            raise ChooseProvider(several)
