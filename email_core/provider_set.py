"""The providers as the parameters have them. One is built anew only where its own settings have changed: the others
keep their connections and tokens.
"""

from collections.abc import Callable, Mapping
from typing import Any

from email_core.parameter_rules import SETTINGS
from email_core.parameters import Parameters
from email_core.providers.around import Replaceable
from email_core.providers.base import Provider

Builders = Mapping[str, Callable[[Any], Provider]]  # by name, of the provider's settings


class ProviderSet:
    def __init__(self, builders: Builders) -> None:
        self._builders = builders
        self._standing: dict[str, tuple[object, Replaceable]] = {}

    def of(self, parameters: Parameters) -> dict[str, Provider]:
        """Those that are configured. What another takes the place of is closed when its last submission is over. Raises
        ConfigurationError where a provider's parameters do not go together; then all stay as they are."""
        wanted = {name: settings.from_parameters(parameters) for name, settings in SETTINGS.items()}
        before, self._standing = (
            self._standing,
            {name: self._kept_or_built(name, settings) for name, settings in wanted.items() if settings is not None},
        )
        for entry in before.values():
            if entry not in self._standing.values():
                entry[1].replaced()
        return {name: provider for name, (_, provider) in self._standing.items()}

    def _kept_or_built(self, name: str, settings: object) -> tuple[object, Replaceable]:
        known = self._standing.get(name)
        if known is not None and known[0] == settings:
            return known
        return settings, Replaceable(self._builders[name](settings))
