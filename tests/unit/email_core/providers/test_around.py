import asyncio
from inspect import getmembers, isfunction

import pytest

from email_core.content import InlineContent
from email_core.providers.around import Around, Replaceable
from email_core.providers.base import Outcome, OutcomeKind, Proof, Provider, Submission
from tests.support.doors import IdleProvider

EMAIL = Submission(
    sender="ann@contoso.com", recipients=("bob@example.com",), message_id="<1@x>", content=InlineContent(b"")
)
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, reply="250 OK")


class SlowProvider(IdleProvider):
    """Does nothing until it `may_end`."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = asyncio.Event()

    async def submit(self, submission):
        await self.may_end.wait()
        return DELIVERED

    async def rehearse(self, submission, seconds=60.0):
        await self.may_end.wait()
        return await super().rehearse(submission, seconds)

    async def was_sent(self, envelope):
        await self.may_end.wait()
        return Proof.NONE

    async def discard(self, envelope, *, in_doubt):
        await self.may_end.wait()


USES = [
    lambda one: one.submit(EMAIL),
    lambda one: one.rehearse(None),
    lambda one: one.was_sent(EMAIL),
    lambda one: one.discard(EMAIL, in_doubt=False),
]


def test_whatever_a_provider_does_is_asked_of_the_one_inside():
    verbs = {name for name, _ in getmembers(Provider, isfunction) if not name.startswith("_")}
    assert verbs <= set(vars(Around))


async def test_what_is_left_of_an_email_is_discarded_by_the_one_inside():
    inner = IdleProvider()
    await Replaceable(inner).discard(EMAIL, in_doubt=False)
    assert inner.discarded == [None]


@pytest.mark.parametrize("use", USES)
async def test_replaced_provider_is_closed_when_its_last_use_is_over(use):
    inner = SlowProvider()
    provider = Replaceable(inner)
    under_way = [asyncio.ensure_future(use(provider)) for _ in range(2)]
    await asyncio.sleep(0)
    provider.replaced()
    assert inner.closed == 0
    inner.may_end.set()
    await asyncio.gather(*under_way)
    assert inner.closed == 1


async def test_canceled_use_is_over_too():
    inner = SlowProvider()
    provider = Replaceable(inner)
    under_way = asyncio.ensure_future(provider.submit(EMAIL))
    await asyncio.sleep(0)
    provider.replaced()
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)
    assert inner.closed == 1


async def test_provider_that_is_not_replaced_stays_open():
    inner = IdleProvider()
    await Replaceable(inner).submit(EMAIL)
    assert inner.closed == 0


async def test_use_that_began_before_and_comes_after_is_served_and_closed_behind():
    inner = IdleProvider()
    provider = Replaceable(inner)
    provider.replaced()
    assert await provider.submit(EMAIL) == DELIVERED
    assert inner.closed == 2
