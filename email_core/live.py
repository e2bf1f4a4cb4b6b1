"""The subsystem as the stored parameters have it. Whoever takes it keeps it to the end of what they do; when the
parameters have changed, the next one is given another, over the same stores.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from email_core.errors import EmailSubsystemError
from email_core.parameter_desk import ParameterDesk, Reading
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderPauses
from email_core.provider_set import ProviderSet
from email_core.providers.base import Provider

# What stands while a parameter is wrong, for what mends it: nothing is sent or deleted with it.
CLOSED = Parameters(delivery_mode="hold")


class Core(Protocol):
    @property
    def providers(self) -> Mapping[str, Provider]: ...

    @property
    def pauses(self) -> ProviderPauses: ...


C = TypeVar("C", bound=Core)


class Live(Generic[C]):
    """`connect` makes a core of the parameters and the providers."""

    def __init__(
        self,
        desk: ParameterDesk,
        providers: ProviderSet,
        connect: Callable[[Reading, Parameters, Mapping[str, Provider]], C],
    ) -> None:
        self._desk = desk
        self._providers = providers
        self._connect = connect
        self._known: tuple[Reading, C] | None = None

    async def core(self) -> C:
        """Raises StorageUnavailable as long as the parameters could never be read."""
        reading = await self._desk.reading()
        if self._known is not None and self._known[0] is reading:
            return self._known[1]
        before, core = self._known, self._connected(reading)
        self._known = reading, core
        if before is not None and reading.is_news:
            await _lift_pauses(before[1], core)
        return core

    def _connected(self, reading: Reading) -> C:
        if reading.judgement.closing:
            return self._connect(reading, CLOSED, {})
        parameters = reading.layers.parameters
        return self._connect(reading, parameters, self._providers.of(parameters))


async def _lift_pauses(before: Core, after: Core) -> None:
    """A changed parameter lifts a provider's pause, also where it is changed back to what was refused. Not by a process
    that slept meanwhile: a pause that it finds may be of after the change, and each try may count against an account.
    """
    for name, provider in after.providers.items():
        old = before.providers.get(name)
        if old is not None and old.configuration != provider.configuration:
            with suppress(EmailSubsystemError):  # else it ends by itself
                await after.pauses.lift(provider)
