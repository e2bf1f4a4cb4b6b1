"""Sections as lines for people, and as JSON for programs."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from email_core.doctor.finding import Section, Verdict

_VERDICTS = max(map(len, Verdict))
_NARROWEST = 20  # characters of a wrapped text


def as_text(sections: Sequence[Section], width: int | None = None) -> str:
    """`width` is the terminal's, in characters: longer lines go on under their own beginning. None = no terminal."""
    return "\n".join([*_lines(sections, width), _summary(sections)]) + "\n"


def as_json(sections: Sequence[Section]) -> str:
    counts = {verdict.value: count(sections, verdict) for verdict in Verdict}
    return json.dumps({"counts": counts, "sections": [asdict(section) for section in sections]}, indent=2) + "\n"


def count(sections: Sequence[Section], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for section in sections for finding in section.findings)


def _lines(sections: Sequence[Section], terminal: int | None) -> Iterator[str]:
    """A fix stands under its line, and once where several lines have the same."""
    width = max((len(finding.what) for section in sections for finding in section.findings), default=0)
    for section in sections:
        yield section.title
        for finding, following in zip(section.findings, [*section.findings[1:], None], strict=True):
            start = f"  {finding.verdict:<{_VERDICTS}}  {finding.what:<{width}}  "
            yield from _wrapped(start, finding.detail, terminal)
            if finding.fix and not (following and following.fix == finding.fix):
                yield from _wrapped(f"{'':<{len(start)}}-> ", finding.fix, terminal)
        yield ""


def _wrapped(start: str, text: str, terminal: int | None) -> Iterator[str]:
    if terminal is None:
        yield f"{start}{text}".rstrip()
        return
    room = max(terminal - len(start), _NARROWEST)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{start}{lines[0]}".rstrip()
    yield from (f"{'':<{len(start)}}{line}" for line in lines[1:])


def _summary(sections: Sequence[Section]) -> str:
    failures, warnings = count(sections, Verdict.FAILED), count(sections, Verdict.WARNING)
    if not failures and not warnings:
        return "All is well."
    return f"{failures} failed, {warnings} {'warning' if warnings == 1 else 'warnings'}."
