"""Waiting that ends early when the runner stops."""

import asyncio
import contextlib


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Returns after `seconds`, or as soon as `stopping` is set."""
    with contextlib.suppress(TimeoutError):  # the time is over, which is what was asked for
        async with asyncio.timeout(seconds):
            await stopping.wait()
