"""What administrators store of the parameters, and how they change it. An app setting or a default stands wherever they
have stored nothing.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from email_core.audit import Action, AuditLog, Change
from email_core.caller import Caller
from email_core.errors import FieldProblem, InvalidEmail, LostRace, ParameterProblem, StorageUnavailable, VersionChanged
from email_core.logs import where
from email_core.parameter_layers import Layers, layers, value_of
from email_core.parameter_rules import Judgement, judged
from email_core.parameters import ROWS, SETTING_PREFIX, Value

CACHED_FOR = timedelta(seconds=5)
NEWS = timedelta(minutes=2)  # a timer looks every minute, on one instance
PATIENCE = 3.0  # seconds for a storage that does not tell whether anything has changed
ANY_VERSION = "*"
NOTHING_STORED = '"0"'

logger = logging.getLogger(__name__)


class ParameterStore(Protocol):
    """One row. `write` is conditional on the etag that was read (None: on there being no row); raises LostRace."""

    async def read(self) -> tuple[Mapping[str, Value], str | None]: ...

    async def write(self, values: Mapping[str, Value], etag: str | None) -> str:
        """The new ETag."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What is stored, and what the parameters are by it. `tag` names the version, also where nothing is stored: a
    strong ETag, as If-Match wants it (RFC 9110, 13.1.1), of letters that pass through any shell. The storage's own has
    apostrophes, and is a weak one. `is_news`: it was stored a moment ago, as this process had looked not long before.
    """

    stored: Mapping[str, Value]
    etag: str | None
    layers: Layers
    judgement: Judgement
    is_news: bool = False

    @property
    def exported(self) -> dict[str, Value]:
        """What can be stored elsewhere: names that this version does not know would be refused there."""
        return {name: value for name, value in self.stored.items() if name in ROWS}

    @property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.etag.encode()).hexdigest()[:16]}"' if self.etag else NOTHING_STORED


class ParameterDesk:
    """All methods raise StorageUnavailable, `reading` only as long as nothing was ever read."""

    def __init__(
        self, store: ParameterStore, settings: Mapping[str, str], audit: AuditLog, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._settings = {name: text for name, text in settings.items() if name.startswith(SETTING_PREFIX)}
        self._audit = audit
        self._clock = clock
        self._known: Reading | None = None
        self._read_at: datetime | None = None
        self._one_reader = asyncio.Lock()
        self._first_failures = 0

    async def reading(self) -> Reading:
        """At most `CACHED_FOR` old, so that it costs no request on the hot path; the same object while nothing was
        changed. Where the storage does not tell, what is known holds on."""
        if self._known is not None and self._is_fresh():
            return self._known
        failures = self._first_failures
        async with self._one_reader:  # whoever finds it stale at the same moment waits for one of them
            if self._known is None:
                return await self._first(failures)
            return self._known if self._is_fresh() else await self._fresh_or_known(self._known)

    async def fresh(self) -> Reading:
        return self._keep(*await self._store.read())

    async def change(self, changes: Mapping[str, Value | None], version: str, caller: Caller) -> Reading:
        """Stores values, and takes back those that are None: the app setting or the default holds again. `version` is
        the tag of the reading that they were made from, or `ANY_VERSION`. Raises VersionChanged, or InvalidEmail with a
        pointer for each value that is wrong, or that breaks a rule which held before: so a set that is wrong is mended
        step by step, and none that is right is broken."""
        before = self._read(*await self._store.read())
        stored = {**before.stored, **changes}
        after = self._read({name: value for name, value in stored.items() if value is not None}, before.etag)
        _refuse([one for one in after.layers.problems if changes.get(one.name) is not None])  # wrong in any version
        if version not in (ANY_VERSION, before.tag):
            raise VersionChanged("The parameters")
        _refuse(_refused(before, after, changes))
        if after.stored == before.stored:
            return self._keep(before.stored, before.etag)
        try:
            async with self._audit.records(caller, *_told(before, after)):
                etag = await self._written(after.stored, before.etag)
        except LostRace:
            raise VersionChanged("The parameters") from None
        return self._keep(after.stored, etag)

    async def _written(self, values: Mapping[str, Value], etag: str | None) -> str | None:
        """The new ETag. Raises LostRace; but not where what stands is what was to be written: it may be our own write,
        repeated after its answer was lost, and must stay in the audit."""
        try:
            return await self._store.write(values, etag)
        except LostRace:
            standing, etag = await self._store.read()
            if standing != values:
                raise
            return etag

    def _is_fresh(self) -> bool:
        if self._read_at is None:
            return False
        return timedelta(0) <= self._clock() - self._read_at < CACHED_FOR  # below zero where the clock was set back

    async def _first(self, failures: int) -> Reading:
        """What failed while somebody waited has failed for them, too: one after another they would wait for hours."""
        if self._first_failures != failures:
            raise StorageUnavailable("read the parameters")
        try:
            return await self.fresh()
        except StorageUnavailable:
            self._first_failures += 1
            raise

    async def _fresh_or_known(self, known: Reading) -> Reading:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.fresh()
        except (StorageUnavailable, TimeoutError) as error:
            logger.warning("the parameters cannot be read, those of before hold on: %s", where(error))
            self._read_at = self._clock()
            return known

    def _keep(self, stored: Mapping[str, Value], etag: str | None) -> Reading:
        now = self._clock()
        if self._known is None or (self._known.stored, self._known.etag) != (stored, etag):
            is_news = self._read_at is not None and now - self._read_at <= NEWS
            self._known = replace(self._read(stored, etag), is_news=is_news)
        self._read_at = now
        return self._known

    def _read(self, stored: Mapping[str, Value], etag: str | None) -> Reading:
        read = layers(self._settings, stored)
        return Reading(stored, etag, read, judged(read))


def _refused(before: Reading, after: Reading, changes: Mapping[str, Value | None]) -> list[ParameterProblem]:
    """Of single values those that were given, or that were right before; all problems of the rules that held before."""
    wrong = before.layers.wrong
    values = [one for one in after.layers.problems if one.name not in wrong or changes.get(one.name) is not None]
    values = [one if changes.get(one.name) is not None else _of_app_setting(one) for one in values]
    broken = after.judgement.broken
    return values + [one for rule in broken if rule not in before.judgement.unmet for one in broken[rule]]


def _of_app_setting(problem: ParameterProblem) -> ParameterProblem:
    """Where a stored value was to be taken back, what comes to hold in its place is what is wrong."""
    return replace(problem, problem=f"cannot be taken back: the app setting {problem.problem}")


def _refuse(problems: list[ParameterProblem]) -> None:
    if problems:
        raise InvalidEmail(*(FieldProblem(f"/{one.name}", f"{one.problem}. {one.fix}") for one in problems))


def _told(before: Reading, after: Reading) -> list[Change]:
    """What each parameter was and is, wherever the value comes from."""
    changed = [name for name in ROWS if before.stored.get(name) != after.stored.get(name)]
    return [Change(Action.PARAMETER_CHANGED, name, _in_words(before, name), _in_words(after, name)) for name in changed]


def _in_words(reading: Reading, name: str) -> str:
    value = value_of(reading.layers, ROWS[name])
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return f"{text} ({reading.layers.sources[name]})"
