"""Child processes that never outlive us, and whose last words are kept."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dev.ports import HOST

POLL = 0.05  # seconds between two looks at a port or a process group: neither can be awaited
PR_SET_PDEATHSIG = 1


def say(*texts: object) -> None:
    with suppress(OSError):  # the terminal may be gone, but everything must still be ended
        print(*texts, flush=True)


class ServiceEnded(Exception):
    """A service ended though nobody asked it to."""

    def __init__(self, service: "Service", code: int) -> None:
        how = f"ended, killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"{service.name} {how}. {service.last_words()}")


class ServiceNotReady(Exception):
    """A service runs, but does not answer."""


def ask_for_sigterm_when_we_die() -> Callable[[], None] | None:
    """For `preexec_fn`: even if we are killed with SIGKILL, the kernel then ends the child (Linux only).

    Such a function runs between fork and exec, where little is allowed: libc is loaded before.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return in_child


@dataclass
class Service:
    """One child process and all that it starts, in a session of their own: a Ctrl-C at the terminal reaches
    only us, so that we end them in order."""

    name: str
    command: list[str]
    environment: dict[str, str]
    directory: Path
    log: Path | None = None  # None: the output is shown
    seconds_to_end: float = 10
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def start(self) -> None:
        log = self.log.open("wb") if self.log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.environment,
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT if log else None,
                start_new_session=True,
                preexec_fn=ask_for_sigterm_when_we_die(),
            )
        finally:
            if log:
                log.close()

    async def ended(self) -> int:
        assert self._process
        return await self._process.wait()

    async def fail_when_ended(self) -> None:
        raise ServiceEnded(self, await self.ended())

    async def answers_on(self, port: int, seconds: float = 60) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await _accepts_connections(port):
                    await asyncio.sleep(POLL)
        except TimeoutError as error:
            raise ServiceNotReady(
                f"{self.name} did not open port {port} within {seconds:.0f} s. {self.last_words()}"
            ) from error

    async def stop(self) -> None:
        """Asks the whole group to end, and waits for its last process; kills what is left after its time."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.seconds_to_end):
                await self.ended()
                while self._signal(0):
                    await asyncio.sleep(POLL)
        except TimeoutError:
            say(f"{self.name} did not end within {self.seconds_to_end:.0f} s and is killed.")
            self.kill()
            await self.ended()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def last_words(self, lines: int = 15) -> str:
        if self.log is None:
            return "What it said stands above."
        end = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n  ".join([f"The end of {self.log}:", *(end or ["(empty)"])])

    def _signal(self, number: int) -> bool:
        """Signals the group; False if nobody is left in it."""
        if self._process is None:
            return False
        with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted where only zombies are left
            os.killpg(self._process.pid, number)
            return True
        return False


async def _accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):  # a peer that resets it has answered all the same
        await writer.wait_closed()
    return True
