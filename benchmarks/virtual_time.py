"""An event loop in which hours pass at once: where nothing can run, its clock jumps to when something can."""

import asyncio
import selectors


class _VirtualSelector(selectors.SelectSelector):
    """Waits for nothing: it moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list:
        self.now += max(0.0, timeout or 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now
