"""What an administrator sees of the providers: all that the product knows, and how each stands."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from email_core.day_limit import DayStatus
from email_core.delivery_state import Status
from email_core.diagnosis import Diagnosis, diagnose
from email_core.distributor import Distributor
from email_core.errors import StorageUnavailable
from email_core.parameters import Parameters
from email_core.parking import was_released
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Provider
from email_core.providers.diverted import HELD
from email_core.providers.features import Features
from email_core.providers.known import KNOWN
from email_core.record import EmailRecord, Mode
from email_core.sending_limits import limit_warnings
from email_core.throttle import Throttle, ThrottleStatus

DISTRIBUTOR_IS_OFF = "the distributor is switched off"
RUNS_ARE_OVER = "the distributor's last run is over"
NEXT_RUN = "the distributor sends with its next run"


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing goes through a provider, and until when; None = until an administrator changes it. `refusals` counts
    those since it last worked. It may be the distributor's: of batch mail alone."""

    until: datetime | None
    refusals: int
    reply: str = field(repr=False)
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """`batch`: mail without interaction goes through it, unless an email names another. `interactive`: a person may
    choose it."""

    name: str
    features: Features
    configured: bool
    batch: bool
    interactive: bool
    pause: Pause | None
    throttle: ThrottleStatus
    day: DayStatus
    warnings: tuple[str, ...]

    @property
    def enabled(self) -> bool:
        return self.batch or self.interactive


class ProviderOverview:
    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        pauses: ProviderPauses,
        throttle: Throttle,
        distributor: Distributor,
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        self._providers = providers
        self._pauses = pauses
        self._distributor = distributor
        self._throttle = throttle
        self._parameters = parameters
        self._clock = clock

    async def statuses(self) -> list[ProviderStatus]:
        """Raises StorageUnavailable."""
        return await asyncio.gather(*map(self._status, KNOWN))

    async def _status(self, known: type[Provider]) -> ProviderStatus:
        provider = self._providers.get(known.name)
        return ProviderStatus(
            name=known.name,
            features=known.features,
            configured=provider is not None,
            batch=provider is not None and self._parameters.batch_provider == known.name,
            interactive=provider is not None and self._parameters.is_interactive(known.name),
            pause=await pause_of(provider, self._pauses, self._clock()) if provider else None,
            throttle=await self._throttle.status(known.name),
            day=await self._throttle.day_status(known.name),
            warnings=(*(provider.warnings if provider else ()), *limit_warnings(self._parameters, known.name)),
        )

    async def waited_for(self, record: EmailRecord) -> Pause | None:
        """The pause that keeps an email waiting which could be sent now, its provider's or the distributor's, as far as
        it can be known: a storage that does not tell takes nothing from the email."""
        if record.held or record.status is not Status.UNSENT:
            return None
        if self._parameters.delivery_mode == "hold":
            return _own_pause(record, HELD)
        try:
            return await self._distributor_s_pause(record) or await self._provider_s_pause(record)
        except StorageUnavailable:
            return None

    async def _distributor_s_pause(self, record: EmailRecord) -> Pause | None:
        if record.mode is not Mode.BATCH:
            return None
        state, now = await self._distributor.state(), self._clock()
        if not state.enabled:
            return _own_pause(record, DISTRIBUTOR_IS_OFF)
        if state.is_continuous(now) or was_released(record):
            return None
        run_at = state.next_run_at(now)
        if run_at is None:
            return _own_pause(record, RUNS_ARE_OVER)
        return _own_pause(record, NEXT_RUN, run_at) if record.due_at <= run_at else None

    async def _provider_s_pause(self, record: EmailRecord) -> Pause | None:
        provider = self._providers.get(record.provider)
        pause = await pause_of(provider, self._pauses, self._clock()) if provider else None
        if pause is None or pause.until is None:
            return pause
        return None if (record.send_at or record.created_at) > pause.until else pause


def _own_pause(record: EmailRecord, why: str, until: datetime | None = None) -> Pause:
    return Pause(until, 0, why, diagnose(provider=record.provider, reply=why))


async def pause_of(provider: Provider, pauses: ProviderPauses, now: datetime) -> Pause | None:
    """None while it may be tried."""
    state = await pauses.state(provider)
    until = state.waits_until(now)
    if until is None:
        return None
    diagnosis = diagnose(provider=provider.name, stage=state.stage, code=state.code, reply=state.reply)
    return Pause(until, state.refusals, state.reply, diagnosis)
