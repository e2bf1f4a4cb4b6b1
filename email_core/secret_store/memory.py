"""Secrets in memory: the fake that every test may use."""

from collections.abc import Callable
from datetime import datetime

from email_core.errors import SecretFault, SecretUnreadable
from email_core.secret_store.base import SecretName, SecretState


class MemorySecrets:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[SecretName, tuple[str, datetime]] = {}

    async def get(self, name: SecretName) -> str:
        if name not in self._kept:
            raise SecretUnreadable(name, SecretFault.MISSING, f"Enter it: PUT /api/secrets/{name}.")
        return self._kept[name][0]

    async def put(self, name: SecretName, value: str) -> None:
        self._kept[name] = (value, self._clock())

    async def about(self, name: SecretName) -> SecretState:
        if name not in self._kept:
            return SecretState(set=False, updated_at=None)
        return SecretState(set=True, updated_at=self._kept[name][1])

    def refresh(self, name: SecretName) -> None:
        """Nothing is cached."""
