"""What pytest told of a run beside verdicts, gathered for whoever reports it: warnings, ends of sessions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pulseq.events import SessionFinished
from pulseq.models import PytestWarning
from pulseq.records import RunRecord
from pulseq.safe_text import safe_line

#: Tests that are named with a warning; of the others their number is told.
NAMED_TESTS = 5
_MESSAGE_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class WarningGroup:
    """A warning, how often it was recorded, the first tests or entries that told it, and how many more there are."""

    warning: PytestWarning
    count: int
    told_by: Sequence[str]
    more: int

    @property
    def words(self) -> str:
        """`t.py:3: DeprecationWarning: old`, in one line that is safe to show."""
        place = f"{safe_line(self.warning.location)}: " if self.warning.location else ""
        said = safe_line(self.warning.message, _MESSAGE_CHARACTERS)
        return f"{place}{safe_line(self.warning.category)}: {said}"

    @property
    def circumstances(self) -> str:
        """`3 times: a, b and 1 more`, in one line that is safe to show."""
        times = "" if self.count == 1 else f"{self.count} times: "
        more = f" and {self.more} more" if self.more else ""
        return f"{times}{', '.join(safe_line(name) for name in self.told_by)}{more}"


def group_warnings(record: RunRecord) -> list[WarningGroup]:
    """Every warning of a run once, in the order in which they came."""
    told: defaultdict[PytestWarning, Counter[str]] = defaultdict(Counter)
    for origin, warning in record.pytest_warnings():
        told[warning][origin] += 1
    return [
        WarningGroup(warning, by.total(), list(by)[:NAMED_TESTS], max(len(by) - NAMED_TESTS, 0))
        for warning, by in told.items()
    ]


def spoken_sessions(record: RunRecord) -> list[tuple[str, SessionFinished]]:
    """The sessions that had something to say at their end, each with a heading, which is safe to show."""
    spoken = [session for session in record.sessions.values() if session.error or session.summary.strip()]
    of_entry = Counter(session.entry for session in spoken)
    return [(_heading(session, alone=of_entry[session.entry] == 1), session) for session in spoken]


def _heading(session: SessionFinished, *, alone: bool) -> str:
    entry = safe_line(session.entry, 100) or "pytest"
    return entry if alone else f"{entry} on {safe_line(session.node_id, 60)}"
