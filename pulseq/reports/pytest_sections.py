"""The parts of a run's summary that pytest's own has: warnings, subtests, what plug-ins print at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from pulseq.records import RunRecord
from pulseq.reports.pytest_words import group_warnings, hides_subtests, say_subtests, spoken_sessions
from pulseq.reports.sections import Detail, listed, rule
from pulseq.reports.text import last_lines, safe_lines
from pulseq.reports.verdicts import Verdict
from pulseq.reports.wording import STYLES, say_test

_SUMMARY_LINES = 1_000


def warnings(record: RunRecord, detail: Detail, width: int) -> Iterator[Text]:
    """Each warning that pytest recorded, with the tests that told it."""
    groups = group_warnings(record)
    if not groups:
        return
    yield rule("warnings summary", width, STYLES["note"])
    lines = []
    for group in groups[: detail.rows]:
        who = Text(f"\n  {group.circumstances}", STYLES["quiet"])
        lines.append(Text(group.words).append(who))
    yield from listed(lines, len(groups))


def subtests(verdicts: Sequence[Verdict], detail: Detail, width: int) -> Iterator[Text]:
    """Tests with subtests that were skipped or expected to fail, which no verdict tells."""
    found = [(test, closed) for test, closed in verdicts if hides_subtests(test)]
    if not found:
        return
    yield Text("subtests", STYLES["skipped"])
    lines = []
    for test, closed in found[: detail.rows]:
        told = (f"  {say_subtests(test)}", STYLES["quiet"])
        line = Text.assemble(f"  {say_test(closed.test_id, closed.variant)}", told)
        line.truncate(max(width, 20), overflow="ellipsis")
        lines.append(line)
    yield from listed(lines, len(found))


def sessions(record: RunRecord, width: int, *, errors_alone: bool = False) -> Iterator[Text]:
    """What went wrong, and what plug-ins printed, as the sessions of pytest entries ended."""
    for heading, session in spoken_sessions(record):
        if errors_alone and not session.error:
            continue
        yield rule(heading, width, STYLES["failed" if session.error else "name"])
        for line in safe_lines(session.error or ""):
            yield Text(line, STYLES["failed"])
        for line in () if errors_alone else last_lines(session.summary, _SUMMARY_LINES):
            yield Text(line)
        yield Text()
