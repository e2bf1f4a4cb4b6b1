"""Providers around another: they are what that one is, and do something before or after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from email_core.providers.base import LONGEST_REHEARSAL, Envelope, Outcome, Proof, Provider, Rehearsal, Submission


class Around(Provider):
    def __init__(self, inner: Provider) -> None:
        self.name = inner.name
        self.features = inner.features
        self.configuration = inner.configuration
        self.account = inner.account
        self.secrets = inner.secrets
        self.target = inner.target
        self.sender_dns = inner.sender_dns
        self.warnings = inner.warnings
        self._inner = inner

    async def submit(self, submission: Submission) -> Outcome:
        return await self._inner.submit(submission)

    async def rehearse(self, submission: Submission | None, seconds: float = LONGEST_REHEARSAL) -> Rehearsal:
        return await self._inner.rehearse(submission, seconds)

    async def was_sent(self, envelope: Envelope) -> Proof:
        return await self._inner.was_sent(envelope)

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        await self._inner.discard(envelope, in_doubt=in_doubt)

    def sign_in_anew(self) -> None:
        self._inner.sign_in_anew()

    def close(self) -> None:
        self._inner.close()


class Replaceable(Around):
    """One that another takes the place of when its parameters change. What began with it ends with it: only then it
    lets go of its connections."""

    def __init__(self, inner: Provider) -> None:
        super().__init__(inner)
        self._in_use = 0
        self._is_replaced = False

    def replaced(self) -> None:
        self._is_replaced = True
        self._close_when_over()

    async def submit(self, submission: Submission) -> Outcome:
        with self._used():
            return await super().submit(submission)

    async def rehearse(self, submission: Submission | None, seconds: float = LONGEST_REHEARSAL) -> Rehearsal:
        with self._used():
            return await super().rehearse(submission, seconds)

    async def was_sent(self, envelope: Envelope) -> Proof:
        with self._used():
            return await super().was_sent(envelope)

    async def discard(self, envelope: Envelope, *, in_doubt: bool) -> None:
        with self._used():
            await super().discard(envelope, in_doubt=in_doubt)

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            self._close_when_over()

    def _close_when_over(self) -> None:
        """Whoever took it before it was replaced may still begin with it afterwards: then it is closed once more."""
        if self._is_replaced and not self._in_use:
            self.close()
