"""What pytest told beside verdicts as the HTML page shows it: safe, and cut to what one page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulseq.events import SessionFinished
from pulseq.reports.html_tests import Allowance
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import Some
from pulseq.reports.wording import say_test
from pulseq.safe_text import safe_line

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


def tell_pytest(run: RunDigest) -> ToldByPytest:
    """What pytest told of a run, bounded in number and in bytes."""
    allowance = Allowance(_SESSION_BYTES)

    def tell_session(told: tuple[str, SessionFinished]) -> SessionWords:
        heading, session = told
        error, summary = allowance.take(session.error or ""), allowance.take(session.summary)
        return SessionWords(heading, error or "", summary or "", error is None or summary is None)

    return ToldByPytest(
        warnings=Some.of(run.warnings, _WARNINGS, lambda one: (one.words, one.circumstances)),
        sessions=Some.of(run.sessions, _SESSIONS, tell_session),
        properties=_tell_properties(run),
    )


def _tell_properties(run: RunDigest) -> Some[tuple[str, Sequence[NameAndValue]]]:
    sessions = run.record.sessions.values()
    recorded: list[tuple[str, Sequence[NameAndValue]]] = [
        (safe_line(one.entry, 100), one.properties) for one in sessions if one.properties
    ]
    recorded += [
        (say_test(*one.key, 160), [(name, value) for _, name, value in one.last.properties])
        for one in run.tests
        if one.last and one.last.properties
    ]
    allowance, shown = Allowance(_PROPERTY_BYTES), []
    for name, properties in recorded[:_TESTS]:
        pairs = [(safe_line(key, 80), safe_line(value, _VALUE_CHARACTERS)) for key, value in properties[:_PROPERTIES]]
        if any(allowance.take(key + value) is None for key, value in pairs):
            break
        shown.append((name, pairs))
    return Some(shown, len(recorded) - len(shown))
