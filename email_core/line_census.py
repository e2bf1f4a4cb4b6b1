"""How many wait in the lines behind the limits, counted by whoever looks at all unsent mail anyway.

A number in a line promises nothing, so an email that is cancelled or expires gives none back. Without a count, those
behind it would wait for the turns of mail that never comes: for days, where a whole mailing was cancelled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from email_core.delivery_state import Status
from email_core.record import EmailRecord
from email_core.throttling import Census, Window


@dataclass(slots=True)
class _Line:
    issued: int
    served: int
    waiting: int = 0
    lowest: int = 0
    passed: int = 0

    def count(self, number: int) -> None:
        if 0 < number <= self.served:
            self.passed += 1
        elif self.served < number <= self.issued:
            self.lowest = min(self.lowest, number) if self.waiting else number
            self.waiting += 1

    def census(self) -> Census:
        return Census(
            issued=self.issued,
            served=self.served,
            waiting=self.waiting,
            lowest=self.lowest if self.waiting else self.issued + 1,
            passed=self.passed,
        )


class LineCensus:
    def __init__(self, windows: Mapping[str, Window]) -> None:
        """The providers' windows before the first email is counted. Numbers that are given later do not count."""
        self._lines = {
            name: _Line(one.issued, one.served) for name, one in windows.items() if one.has_line or one.passed
        }

    def count(self, records: Iterable[EmailRecord]) -> None:
        for record in records:
            line = self._lines.get(record.provider)
            if line and record.turn and record.status is Status.UNSENT:
                line.count(record.turn.number)

    def counted(self) -> dict[str, Census]:
        return {name: line.census() for name, line in self._lines.items()}
