"""Measures what no single email tells: all unsent mail, the providers' pauses, and how long the secrets last. The
timers do it, which look at all unsent mail anyway: one instance measures, not each of them.

It costs a request for each provider whose pause is not in the cache, every five minutes, and one to the vault for each
secret that is needed, every hour.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from email_core import metrics
from email_core.backlog import Backlog
from email_core.errors import ConfigurationError, SecretFault, SecretUnreadable
from email_core.logs import where
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import Provider
from email_core.record import Mode
from email_core.secret_store.base import SecretName, SecretStore

DAY = timedelta(days=1)

logger = logging.getLogger(__name__)


class Watch:
    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        pauses: ProviderPauses,
        secrets: SecretStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._providers = providers
        self._pauses = pauses
        self._secrets = secrets
        self._clock = clock

    async def measure(self, backlog: Backlog) -> None:
        """Raises StorageUnavailable."""
        self._measure_backlog(backlog)
        await asyncio.gather(*map(self._measure_pause, self._providers.values()))

    def _measure_backlog(self, backlog: Backlog) -> None:
        now = self._clock()
        for mode in Mode:
            age = now - backlog.oldest.get(mode, now)
            metrics.BACKLOG.set(backlog.unsent[mode], {"mode": mode.value})
            metrics.OLDEST_SECONDS.set(max(age.total_seconds(), 0.0), {"mode": mode.value})

    async def _measure_pause(self, provider: Provider) -> None:
        """Also while one email tries after a pause: nobody knows yet that it works again."""
        state = await self._pauses.state(provider)
        metrics.PROVIDER_PAUSED.set(1 if state.refusals else 0, {"provider": provider.name})

    async def measure_secrets(self) -> None:
        """Of those that the providers need. One that cannot be looked at is left out."""
        needed = {name for provider in self._providers.values() for name in provider.secrets}
        await asyncio.gather(*map(self._measure_secret, needed))

    async def _measure_secret(self, name: SecretName) -> None:
        days = await self._days_left(name)
        if days is not None:
            metrics.SECRET_DAYS.set(days, {"secret": name.value})

    async def _days_left(self, name: SecretName) -> int | None:
        """None where there is no expiry date."""
        try:
            expires_at = (await self._secrets.about(name)).expires_at
        except SecretUnreadable as error:
            if error.reason is SecretFault.EXPIRED:
                return 0
            logger.warning("when %s expires is not known: %s", name.value, where(error))
            return None
        except ConfigurationError as error:
            logger.warning("when %s expires is not known: %s", name.value, where(error))
            return None
        return None if expires_at is None else max((expires_at - self._clock()) // DAY, 0)
