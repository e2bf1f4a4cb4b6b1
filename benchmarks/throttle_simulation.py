"""The sending limits with virtual time: the real `Throttle` in 1, 10, 40 and 100 instances over one storage.

Each request to the storage takes 5 to 50 ms, and a write whose version is old is refused; clocks differ by up to 0.2 s.
Queues and hosts do what Azure's do: 16 doorbells at a time, 16 more when 8 are left, a poll every 2 s at the latest;
visible in whole seconds, in the order of time. All mail is accepted in the first minute, or at 300 emails a second.
Of a deep backlog at a low limit, which takes days, the first two hours are looked at, or one.

use: what was sent of what the limit allows, from the second minute on. Most in 60 s: wherever they begin, by a clock
that is right. Requests: to the storage, for an email, which it would not cost without a limit: for the window; for
deferrals (the email's row, which those of one partition share as they do in the store, its doorbell, and the reading of
what was parked behind the newest); and the host's (it receives and deletes the doorbell). Overtaken: by emails accepted
so many seconds later, at most. Longest wait: of those that were sent. A deferral: what the requests for deferrals are
for each of them.
"""

import argparse
import asyncio
import heapq
import math
import random
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from benchmarks import plots, report
from benchmarks.virtual_time import VirtualLoop
from email_core.deferral import Deferral
from email_core.delivery_state import Status
from email_core.email_id import SHARDS, new_email_id
from email_core.errors import LostRace
from email_core.group_commit import GroupCommit
from email_core.message import Address
from email_core.parameters import Parameters
from email_core.parking import is_far_off
from email_core.record import EmailRecord, Mode
from email_core.stores.azure.writer import MOST_OPERATIONS
from email_core.stores.memory import MemoryWindowStore
from email_core.sweeper import AT_ONCE, WHOLE
from email_core.throttle import Throttle
from email_core.throttling import Window

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
INSTANCES = (1, 10, 100)
MOST_DEPLOYED = 40  # instances (infra/)
BACKLOG = 100_000  # emails
MINUTES = {1: 120, 30: 120, 600: 60, 10_000: 0}  # a limit a minute: how long it is looked at; 0: until all are sent
COMPATIBLE_BACKLOG = 1_500
BATCH, THRESHOLD = 16, 8  # host.json's batchSize and newBatchThreshold
FIRST_POLL, LAST_POLL = 0.1, 2.0  # seconds
SWEEP = 300.0  # seconds; the sweeper's period
MOST_ACCEPTED = 300.0  # emails a second
CYCLE = 60.5  # seconds; the span in which the limit can be used once


@dataclass(frozen=True)
class Case:
    limit: int
    instances: int
    emails: int
    mode: str = "strict"
    skew: float = 0.1  # seconds, by which a clock is wrong at most
    minutes: int = 0  # that are looked at; 0: until all are sent

    def accepted_at(self, number: int) -> float:
        return number / min(self.emails / 60, MOST_ACCEPTED)


@dataclass
class Simulated:
    """What came of a case: times are seconds since the beginning, of a clock that is right."""

    case: Case
    sent: list[tuple[float, int]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    deferrals: int = 0
    seconds: float = 0.0

    @property
    def times(self) -> list[float]:
        return sorted(at for at, _ in self.sent)

    @property
    def most_in_a_minute(self) -> int:
        return max(plots.rolling(self.times))

    @property
    def use(self) -> float:
        times = [at for at in self.times if at > CYCLE]
        return (len(times) - 1) / (self.case.limit * (times[-1] - times[0]) / 60)

    @property
    def longest_wait(self) -> float:
        """Of those that were sent, in minutes."""
        return max(at - self.case.accepted_at(number) for at, number in self.sent) / 60

    @property
    def disorder(self) -> float:
        """By how much younger an email, at most, was sent before another; in seconds between their accepts."""
        youngest, most = 0.0, 0.0
        for _, number in sorted(self.sent):
            accepted_at = self.case.accepted_at(number)
            youngest = max(youngest, accepted_at)
            most = max(most, youngest - accepted_at)
        return most


class _SlowStore(MemoryWindowStore):
    def __init__(self, requests: Counter[str], dice: random.Random) -> None:
        super().__init__()
        self._requests = requests
        self._dice = dice

    async def read(self, account: str) -> tuple[Window, str | None]:
        await self._pass("window")
        found = await super().read(account)
        await self._pass()
        return found

    async def write(self, account: str, window: Window, etag: str | None) -> str:
        await self._pass("window")
        version = self._windows.get(account, (None, 0))[1]
        if etag != (str(version) if version else None):
            self._requests["lost race"] += 1
            await self._pass()
            raise LostRace(account)
        self._windows[account] = window, version + 1
        await self._pass()
        return str(version + 1)

    async def _pass(self, kind: str | None = None) -> None:
        if kind:
            self._requests[kind] += 1
        await asyncio.sleep(self._dice.uniform(0.0025, 0.025))


class _World:
    """One queue, the instances that answer it, and the sweeper that puts doorbells for what is parked."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.dice = random.Random(1)  # noqa: S311 - the same every time
        self.result = Simulated(case)
        self.store = _SlowStore(self.result.requests, self.dice)
        self.queue: list[tuple[float, int, EmailRecord]] = []
        self.parked: dict[int, list[EmailRecord]] = {shard: [] for shard in range(SHARDS)}
        self.put_count = 0
        self.done = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.sweepers_rows = _Rows(self)
        base = _record()
        for number in range(case.emails):
            self.put(case.accepted_at(number), replace(base, claims=number))  # `claims` is its number here

    def shard_of(self, record: EmailRecord) -> int:
        """Emails that one of four processes accepted in one minute are neighbours (composer.py)."""
        minute, process = int(self.case.accepted_at(record.claims) // 60), record.claims % 4
        return hash((minute, process)) % SHARDS

    def put(self, visible_at: float, record: EmailRecord) -> None:
        self.put_count += 1
        heapq.heappush(self.queue, (visible_at, self.put_count, record))

    def receive(self) -> list[EmailRecord]:
        """One request, whether it finds anything or not; those that find nothing cost without a limit too."""
        now, batch = asyncio.get_running_loop().time(), []
        while self.queue and self.queue[0][0] <= now and len(batch) < BATCH:
            batch.append(heapq.heappop(self.queue)[2])
        if batch:
            again = sum(record.deferrals > 0 for record in batch)
            self.result.requests["host"] += again / len(batch)
        return batch

    async def run(self) -> Simulated:
        instances = [asyncio.create_task(_Instance(self).run()) for _ in range(self.case.instances)]
        sweeper = asyncio.create_task(self.sweep())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.done.wait(), self.case.minutes * 60 or None)
        for task in (*instances, sweeper, *self.tasks):
            task.cancel()
        await asyncio.gather(*instances, sweeper, *self.tasks, return_exceptions=True)
        return self.result

    def park(self, record: EmailRecord) -> None:
        self.parked[self.shard_of(record)].append(record)

    async def sweep(self) -> None:
        """`sweeper.py`, as far as parked mail is concerned: partition by partition, the newest email first."""
        throttle = _Instance(self).throttle
        while True:
            await asyncio.sleep(SWEEP)
            now = START + timedelta(seconds=asyncio.get_running_loop().time())
            for shard, parked in self.parked.items():
                self.parked[shard] = []
                parked.sort(key=lambda record: -record.claims)
                for start in range(0, len(parked), AT_ONCE):
                    await self.care_for(throttle, parked[start : start + AT_ONCE], now, whole=start < WHOLE)

    async def care_for(self, throttle: Throttle, group: Sequence[EmailRecord], now: datetime, *, whole: bool) -> None:
        """Doorbells carry their emails: where these were not listed `whole`, neighbours share the reading of them. Only
        what was brought forward is written: each sweep comes to its end."""
        soonest = await throttle.brought_forward(min(group, key=lambda record: record.turn.number))
        if is_far_off(min(soonest.due_at, *(record.due_at for record in group)), now):  # it saves asking for each
            self.parked[self.shard_of(group[0])] += group
            return
        forward = [await throttle.brought_forward(record) for record in group]
        rung = []
        for record, one in zip(group, forward, strict=True):
            if is_far_off(one.due_at, now):
                self.park(record)
            else:
                rung.append(self.ring(one, marks=one is not record))
        self.result.requests["deferral"] += bool(rung) and not whole  # the reading
        await asyncio.gather(*rung)

    async def ring(self, record: EmailRecord, *, marks: bool) -> None:
        if marks:
            await self.sweepers_rows.write(record)
        self.result.requests["deferral"] += 1  # the doorbell
        self.put(max(asyncio.get_running_loop().time(), (record.due_at - START).total_seconds()), record)


class _Rows:
    """The rows of emails as a process writes them: those of one partition that wait for each other go together."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._group: GroupCommit[int, None] = GroupCommit(self._commit, lambda batch, _: len(batch) < MOST_OPERATIONS)

    async def write(self, record: EmailRecord) -> None:
        await self._group.write(str(self._world.shard_of(record)), record.claims)

    async def _commit(self, batch: Sequence[int]) -> Sequence[None]:
        self._world.result.requests["deferral"] += 1
        await asyncio.sleep(self._world.dice.uniform(0.005, 0.05))
        return [None] * len(batch)


class _Instance:
    def __init__(self, world: _World) -> None:
        self.world = world
        self.skew = world.dice.uniform(-world.case.skew, world.case.skew)
        parameters = Parameters(
            smtp_per_minute_limit=world.case.limit, throttle_mode=world.case.mode, recipients_per_day_limit=0
        )
        self.throttle = Throttle(world.store, parameters, self.clock, chance=world.dice.random)
        self.rows = _Rows(world)
        self.running = 0

    def clock(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time() + self.skew)

    async def run(self) -> None:
        poll = FIRST_POLL
        while True:
            batch = self.world.receive() if self.running <= THRESHOLD else []
            for record in batch:
                self.running += 1
                self._start(self.answer(record))
            if batch or self.running > THRESHOLD:
                poll = FIRST_POLL
                await asyncio.sleep(self.world.dice.uniform(0.005, 0.05))
            else:
                await asyncio.sleep(poll)
                poll = min(poll * 2, LAST_POLL)

    def _start(self, answering: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(answering)
        self.world.tasks.add(task)
        task.add_done_callback(self.world.tasks.discard)

    async def answer(self, record: EmailRecord) -> None:
        """`delivery.py`, as far as the limit is concerned."""
        try:
            turn = await self.throttle.admit(record)
            if isinstance(turn, Deferral):
                return await self.defer(record, turn)
            await self._storage()  # the claim
            turn = await self.throttle.wait(record, turn)
            if isinstance(turn, Deferral):
                return await self.defer(record, turn)
            self.world.result.sent.append((asyncio.get_running_loop().time(), record.claims))
            await self._storage()  # the sending
            await self._storage()  # the end
            if len(self.world.result.sent) == self.world.case.emails:
                self.world.done.set()
        finally:
            self.running -= 1

    async def defer(self, record: EmailRecord, deferral: Deferral) -> None:
        result, now = self.world.result, self.clock()
        deferred = deferral.of(record, now)
        result.deferrals += 1
        await self.rows.write(record)
        result.requests["host"] += 1  # it deletes the doorbell
        if is_far_off(deferral.due, now):
            self.world.park(replace(deferred, parked=True))
            return
        await self._storage()
        result.requests["deferral"] += 1  # the next doorbell
        delay = math.ceil(max(0.0, (deferral.due - self.clock()).total_seconds()))
        self.world.put(asyncio.get_running_loop().time() + delay, deferred)

    async def _storage(self) -> None:
        await asyncio.sleep(self.world.dice.uniform(0.005, 0.05))


def _record() -> EmailRecord:
    return EmailRecord(
        id=new_email_id(START, 0),
        status=Status.UNSENT,
        mode=Mode.BATCH,
        provider="smtp",
        user=None,
        sender=Address("ann@contoso.com"),
        to=(Address("bob@example.com"),),
        cc=(),
        bcc=(),
        subject="Statement",
        size=100,
        message_id="<1@contoso.com>",
        metadata={},
        created_at=START,
        updated_at=START,
    )


def simulated(case: Case) -> Simulated:
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(_World(case).run())
    result.seconds = time.perf_counter() - started
    return result


def cases() -> Iterator[Case]:
    for limit, minutes in MINUTES.items():
        for instances in INSTANCES if limit < 10_000 else sorted((*INSTANCES, MOST_DEPLOYED)):
            yield Case(limit, instances, BACKLOG, minutes=minutes)
    for mode in ("strict", "compatible"):
        yield Case(30, 10, COMPATIBLE_BACKLOG, mode=mode)


def run(_: argparse.Namespace) -> None:
    results = [simulated(case) for case in cases()]
    report.table(
        [
            *("limit a minute", "mode", "instances", "emails", "minutes", "use", "most in 60 s"),
            *("longest wait, min", "overtaken by s"),
            *("window", "deferrals", "host", "a deferral"),
        ],
        [_row(one) for one in results],
    )
    _plot(results)


def _row(one: Simulated) -> tuple[report.Cell, ...]:
    case = one.case
    use = f"{one.use:.1%}" if case.mode == "strict" else "over"
    requests = [one.requests[kind] / case.emails for kind in ("window", "deferral", "host")]
    return (
        *(case.limit, case.mode, case.instances, case.emails, round(one.times[-1] / 60)),
        *(
            use,
            one.most_in_a_minute,
            round(one.longest_wait),
            one.disorder,
            *requests,
            one.requests["deferral"] / max(1, one.deferrals),
        ),
    )


def _plot(results: list[Simulated]) -> None:
    chosen = {one.case.mode: one for one in results if one.case.emails == COMPATIBLE_BACKLOG}
    with plots.panels("throttling-simulation", 2) as axes:
        if axes is None:
            return
        left, right = axes
        for mode, colour in (("compatible", plots.ORANGE), ("strict", plots.BLUE)):
            times = chosen[mode].times
            moments, counts = plots.rolling_curve(times, every=1.0)
            left.plot([at / 60 for at in moments], counts, color=colour, label=mode, linewidth=1.4)
        left.axhline(30, color="black", linewidth=0.8, linestyle="--", label="limit")
        left.set(yscale="log", xlabel="minutes", ylabel="sent in the minute before")
        left.set_title(f"30 a minute, {COMPATIBLE_BACKLOG:,} emails in the first minute, 10 instances")
        left.legend()
        strict = [one for one in results if one.case.emails == BACKLOG]
        names = [f"{one.case.limit:,}\n{one.case.instances}".replace(",000", "k") for one in strict]
        bottom = [0.0] * len(strict)
        for kind, colour in (("window", plots.BLUE), ("deferral", plots.ORANGE), ("host", plots.GREY)):
            heights = [one.requests[kind] / one.case.emails for one in strict]
            right.bar(names, heights, bottom=bottom, color=colour, label=kind, width=0.7)
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        right.set(
            ylabel="storage requests an email", xlabel="limit a minute, and instances", ylim=(0, max(bottom) * 1.2)
        )
        right.set_title("What a backlog costs in strict mode")
        right.grid(axis="x", visible=False)
        right.legend(loc="upper left", ncols=3)
