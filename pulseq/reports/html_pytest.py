"""What pytest told beside verdicts as the HTML page shows it: safe, and cut to what one page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulseq.records import RunRecord, TestRecord
from pulseq.reports.html_tests import Allowance, Some
from pulseq.reports.pytest_words import group_warnings, spoken_sessions
from pulseq.reports.text import safe_line
from pulseq.reports.verdicts import verdicts_of
from pulseq.reports.wording import say_test

_WARNINGS = 200
_SESSIONS = 50
_TESTS = 200
_PROPERTIES = 20
_VALUE_CHARACTERS = 300
_SESSION_BYTES = 300_000
_PROPERTY_BYTES = 200_000

NameAndValue = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SessionWords:
    """The end of a session; `left_out` says that its texts did not fit into the page any more."""

    heading: str
    error: str
    summary: str
    left_out: bool


@dataclass(frozen=True, slots=True)
class ToldByPytest:
    """All that a page says of it; warnings are (words, circumstances), properties (test or entry, what it recorded)."""

    warnings: Some[tuple[str, str]]
    sessions: Some[SessionWords]
    properties: Some[tuple[str, Sequence[NameAndValue]]]


def tell_pytest(record: RunRecord) -> ToldByPytest:
    """What pytest told of a run, bounded in number and in bytes."""
    groups, sessions = group_warnings(record), _tell_sessions(record)
    return ToldByPytest(
        warnings=Some([(one.words, one.circumstances) for one in groups[:_WARNINGS]], max(len(groups) - _WARNINGS, 0)),
        sessions=Some(sessions[:_SESSIONS], max(len(sessions) - _SESSIONS, 0)),
        properties=_tell_properties(record),
    )


def _tell_sessions(record: RunRecord) -> list[SessionWords]:
    allowance = Allowance(_SESSION_BYTES)
    told = []
    for heading, session in spoken_sessions(record):
        error, summary = allowance.take(session.error or ""), allowance.take(session.summary)
        told.append(SessionWords(heading, error or "", summary or "", error is None or summary is None))
    return told


def _tell_properties(record: RunRecord) -> Some[tuple[str, Sequence[NameAndValue]]]:
    recorded = [(safe_line(one.entry, 100), one.properties) for one in record.sessions.values() if one.properties]
    recorded += [
        (say_test(closed.test_id, closed.variant, 160), _properties_of(test))
        for test, closed in verdicts_of(record)
        if test.last and test.last.properties
    ]
    allowance, shown = Allowance(_PROPERTY_BYTES), []
    for name, properties in recorded[:_TESTS]:
        pairs = [(safe_line(key, 80), safe_line(value, _VALUE_CHARACTERS)) for key, value in properties[:_PROPERTIES]]
        if any(allowance.take(key + value) is None for key, value in pairs):
            break
        shown.append((name, pairs))
    return Some(shown, len(recorded) - len(shown))


def _properties_of(test: TestRecord) -> tuple[NameAndValue, ...]:
    return tuple((name, value) for _, name, value in test.last.properties) if test.last else ()
