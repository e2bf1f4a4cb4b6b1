"""Which entry of the catalogue an answer is for: the most specific one that fits. Pure."""

import re
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from email_core.diagnosis.answer import HTTP_PROVIDERS, Answer, read
from email_core.diagnosis.catalogue import SECTIONS
from email_core.diagnosis.catalogue.unknown import UNKNOWN, UNKNOWN_PERMANENT, UNKNOWN_TRANSIENT
from email_core.diagnosis.model import Diagnosis, Entry, Match, Retry, Section

PROVIDERS = frozenset(provider for section in SECTIONS for provider in section.providers)
REPLY_REPEATED = 1_000  # characters of an unknown reply

# How much each part of a match tells, in powers of two: any one tells more than all after it together.
_NAME, _TEXT, _ENHANCED, _ENHANCED_START, _STAGE, _STATUS = 32, 16, 8, 4, 2, 1


class _Rule(NamedTuple):
    """A match of an entry, made ready."""

    diagnosis: Diagnosis
    match: Match
    of_smtp: bool
    names: frozenset[str]
    text: re.Pattern[str] | None
    enhanced: frozenset[str]
    enhanced_starts: tuple[str, ...]

    @property
    def specificity(self) -> int:
        return (
            _NAME * bool(self.names)
            + _TEXT * bool(self.text)
            + _ENHANCED * bool(self.enhanced)
            + _ENHANCED_START * bool(self.enhanced_starts)
            + _STAGE * bool(self.match.stages)
            + _STATUS * bool(self.match.status)
        )

    def fits(self, answer: Answer) -> bool:
        match = self.match
        return (
            (not self.names or answer.name in self.names)
            and (not match.status or answer.status in match.status)
            and (not match.stages or answer.stage in match.stages)
            and (match.only is None or answer.family in (None, match.only))
            and (not match.no_reply or answer.status is None)
            and (not match.enhanced or self._has_enhanced(answer.enhanced))
            and (self.text is None or self.text.search(answer.words) is not None)
        )

    def _has_enhanced(self, code: str) -> bool:
        return code in self.enhanced or code.startswith(self.enhanced_starts)


def diagnose(*, provider: str, stage: str | None = None, code: int | None = None, reply: str) -> Diagnosis:
    """What an answer means. `provider`: smtp, graph, exchange; `stage`: connect, tls, ehlo, credential, auth, mail,
    rcpt, data, request; `code`: SMTP's or HTTP's status, where there was one; `reply`: the text or JSON as received, or
    what the network said. Never raises; for what nobody knows the category is `unknown`, and the reply is repeated as
    it is."""
    provider = provider.strip().lower()
    rules, known_names = _rules_for(provider if provider in PROVIDERS else "")
    answer = read(provider, stage, code, reply, known_names)
    rule = next((rule for rule in rules if rule.fits(answer)), None)
    if rule is None:
        return _unknown(answer, reply)
    if rule.of_smtp and rule.diagnosis.retry is Retry.NO and answer.family == 4:
        return replace(rule.diagnosis, retry=Retry.SOON)  # the server asks for it, whatever is wrong
    return rule.diagnosis


def by_id(id: str) -> Diagnosis | None:
    """The entry that has this id, as it stands in the catalogue; None where none has it any more."""
    return _by_id().get(id)


@lru_cache(maxsize=1)
def _by_id() -> dict[str, Diagnosis]:
    return {entry.diagnosis.id: entry.diagnosis for section in SECTIONS for entry in section.entries}


@lru_cache(maxsize=len(PROVIDERS) + 1)
def _rules_for(provider: str) -> tuple[tuple[_Rule, ...], frozenset[str]]:
    """The most specific first; sorting keeps the catalogue's order among equals. And all names that they have."""
    rules = [
        _rule(section, entry, match)
        for section in SECTIONS
        if not provider or not section.providers or provider in section.providers
        for entry in section.entries
        for match in entry.matches
    ]
    rules.sort(key=lambda rule: rule.specificity, reverse=True)
    return tuple(rules), frozenset(name for rule in rules for name in rule.names)


def _rule(section: Section, entry: Entry, match: Match) -> _Rule:
    codes = [code for written in match.enhanced for code in _written_out(written)]
    return _Rule(
        diagnosis=entry.diagnosis,
        match=match,
        of_smtp="smtp" in section.providers,
        names=frozenset(name.lower() for name in match.names),
        text=re.compile("|".join(match.text)) if match.text else None,
        enhanced=frozenset(code for code in codes if not code.endswith("*")),
        enhanced_starts=tuple(code[:-1] for code in codes if code.endswith("*")),
    )


def _written_out(code: str) -> list[str]:
    """`x.2.2` as 4.2.2 and 5.2.2, `5.7.501-503` as each of them."""
    if code.startswith("x"):
        return _written_out("4" + code[1:]) + _written_out("5" + code[1:])
    start, _, last = code.partition("-")
    if not last:
        return [code]
    subject, _, first = start.rpartition(".")
    return [f"{subject}.{detail}" for detail in range(int(first), int(last) + 1)]


def _unknown(answer: Answer, reply: str) -> Diagnosis:
    """By the class of the code alone: SMTP's 4xx asks to try again, HTTP's 4xx does not."""
    refused, deferred = (4, 5) if answer.provider in HTTP_PROVIDERS else (5, 4)
    ids = {refused: UNKNOWN_PERMANENT, deferred: UNKNOWN_TRANSIENT}
    found = _by_id()[ids.get((answer.status or 0) // 100 or answer.family or 0, UNKNOWN)]
    if not reply.strip():
        return found
    return replace(found, explanation=f"{found.explanation} The answer: {reply[:REPLY_REPEATED]}")
