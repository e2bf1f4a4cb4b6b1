"""Sections as lines for people, and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from email_core.doctor.finding import Section, Verdict

_VERDICTS = max(map(len, Verdict))


def as_text(sections: Sequence[Section]) -> str:
    return "\n".join([*_lines(sections), _summary(sections)]) + "\n"


def as_json(sections: Sequence[Section]) -> str:
    counts = {verdict.value: count(sections, verdict) for verdict in Verdict}
    return json.dumps({"counts": counts, "sections": [asdict(section) for section in sections]}, indent=2) + "\n"


def count(sections: Sequence[Section], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for section in sections for finding in section.findings)


def _lines(sections: Sequence[Section]) -> Iterator[str]:
    """A fix stands under its line, and once where several lines have the same."""
    width = max((len(finding.what) for section in sections for finding in section.findings), default=0)
    for section in sections:
        yield section.title
        for finding, following in zip(section.findings, [*section.findings[1:], None], strict=True):
            yield f"  {finding.verdict:<{_VERDICTS}}  {finding.what:<{width}}  {finding.detail}".rstrip()
            if finding.fix and not (following and following.fix == finding.fix):
                yield f"  {'':<{_VERDICTS}}  {'':<{width}}  -> {finding.fix}"
        yield ""


def _summary(sections: Sequence[Section]) -> str:
    failures, warnings = count(sections, Verdict.FAILED), count(sections, Verdict.WARNING)
    if not failures and not warnings:
        return "All is well."
    return f"{failures} failed, {warnings} {'warning' if warnings == 1 else 'warnings'}."
