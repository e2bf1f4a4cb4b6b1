"""Which parameters go together, and what is allowed and may yet be a mistake. Pure.

A rule that a wrong value makes impossible to judge is not judged: the value is told, and is mended first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from email_core.addresses import parse_address
from email_core.choice_of_provider import CONFIGURED_BY
from email_core.errors import ConfigurationError, ParameterProblem
from email_core.parameter_layers import Layers
from email_core.parameters import SETTING_PREFIX, Parameters
from email_core.providers.exchange import ExchangeSettings
from email_core.providers.graph import GraphSettings
from email_core.providers.known import KNOWN
from email_core.providers.smtp import SmtpSettings
from email_core.sending_limits import limit_warnings

SETTINGS: dict[str, type[SmtpSettings | GraphSettings | ExchangeSettings]] = {
    "smtp": SmtpSettings,
    "graph": GraphSettings,
    "exchange": ExchangeSettings,
}
Problems = Iterator[ParameterProblem]


@dataclass(frozen=True, slots=True)
class Rule:
    """`reads` are the parameters that it judges, by how their names begin. `closes`: nothing is accepted or sent while
    it is broken; else the core refuses just what it makes impossible."""

    name: str
    reads: tuple[str, ...]
    judge: Callable[[Parameters], Problems]
    closes: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """`problems` are all there are, those of single values first; `closing` are those of them that keep all mail from
    being accepted and sent. `broken` are the rules that do not hold, `unmet` those and the ones not judged."""

    problems: tuple[ParameterProblem, ...]
    closing: tuple[ParameterProblem, ...]
    broken: Mapping[str, tuple[ParameterProblem, ...]]
    unmet: frozenset[str]


def judged(read: Layers) -> Judgement:
    skipped = {rule.name for rule in RULES if any(name.startswith(rule.reads) for name in read.wrong)}
    found = {rule.name: tuple(rule.judge(read.parameters)) for rule in RULES if rule.name not in skipped}
    broken = {name: problems for name, problems in found.items() if problems}
    closing = [one for rule in RULES if rule.closes for one in broken.get(rule.name, ())]
    return Judgement(
        problems=(*read.problems, *(one for problems in broken.values() for one in problems)),
        closing=(*read.problems, *closing),
        broken=broken,
        unmet=frozenset(skipped | set(broken)),
    )


def warnings(read: Layers) -> list[str]:
    """For an administrator who sets them."""
    parameters = read.parameters
    found = [words for known in KNOWN for words in limit_warnings(parameters, known.name)]
    found += _smtp_warnings(parameters)
    if parameters.content_retention_days > parameters.history_days:
        found.append("content_retention_days is longer than email_history_days: content goes with its record")
    if parameters.delivery_mode == "redirect":
        found.append(f"delivery_mode is redirect: all mail goes to {parameters.redirect_address}, and none to others")
    if parameters.delivery_mode == "hold":
        found.append("delivery_mode is hold: no mail is sent, and it expires as it would otherwise")
    found += [f"{name} is stored, and no parameter of this version: it is ignored" for name in read.unknown]
    return found


def _smtp_warnings(parameters: Parameters) -> list[str]:
    try:
        settings = SmtpSettings.from_parameters(parameters)
    except ConfigurationError:
        return []
    return settings.warnings() if settings else []


# ---- the rules


def _settings_of(provider: str) -> Callable[[Parameters], Problems]:
    def judge(parameters: Parameters) -> Problems:
        for error in SETTINGS[provider].problems(parameters):
            yield ParameterProblem(error.setting.removeprefix(SETTING_PREFIX), error.problem, error.fix)

    return judge


def _is_configured(parameters: Parameters, provider: str) -> bool:
    """One that is configured in a wrong way has a problem of its own."""
    try:
        return SETTINGS[provider].from_parameters(parameters) is not None
    except ConfigurationError:
        return True


def _batch_provider(parameters: Parameters) -> Problems:
    if not _is_configured(parameters, parameters.batch_provider):
        parameter, fix = CONFIGURED_BY[parameters.batch_provider]
        problem = f"is {parameters.batch_provider}, which is not configured: {parameter} is not set"
        yield ParameterProblem("batch_provider", problem, f"{fix} Or choose another batch_provider.")


def _interactive_providers(parameters: Parameters) -> Problems:
    for name in sorted(parameters.chosen_interactive):
        if name not in SETTINGS:
            fix = f"Use some of {', '.join(SETTINGS)}, separated by commas."
            yield ParameterProblem("interactive_providers", "names a provider that there is not", fix)
        elif not _is_configured(parameters, name):
            parameter, fix = CONFIGURED_BY[name]
            problem = f"names {name}, which is not configured: {parameter} is not set"
            yield ParameterProblem("interactive_providers", problem, f"{fix} Or leave it out.")


def _address(name: str, *, fix: str, is_needed: Callable[[Parameters], bool]) -> Callable[[Parameters], Problems]:
    def judge(parameters: Parameters) -> Problems:
        text = getattr(parameters, name)
        if not text:
            if is_needed(parameters):
                yield ParameterProblem(name, "is not set", fix)
            return
        try:
            parse_address(text)
        except ValueError as problem:
            yield ParameterProblem(name, str(problem).rstrip("."), fix)

    return judge


RULES = (
    *(Rule(provider, (f"{provider}_",), _settings_of(provider)) for provider in SETTINGS),
    Rule("batch provider", ("batch_provider", *(f"{one}_" for one in SETTINGS)), _batch_provider, closes=False),
    Rule(
        "interactive providers",
        ("interactive_providers", *(f"{one}_" for one in SETTINGS)),
        _interactive_providers,
        closes=False,
    ),
    Rule(
        "default sender",
        ("default_sender",),
        _address("default_sender", fix="Give one address, or leave it empty.", is_needed=lambda _: False),
    ),
    Rule(
        "redirection",
        ("delivery_mode", "redirect_address"),
        _address(
            "redirect_address",
            fix="Give the address that gets all mail while delivery_mode is redirect.",
            is_needed=lambda parameters: parameters.delivery_mode == "redirect",
        ),
    ),
)
