"""What pytest told beside verdicts as the HTML page shows it: safe, and cut to what one page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pulseq.events import SessionFinished
from pulseq.reports.html_tests import Allowance
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import Some
from pulseq.reports.wording import say_test
from pulseq.safe_text import safe_line

_SESSIONS = 50
_TESTS = 200
_PROPERTIES = 20
_VALUE_CHARACTERS = 300
_SESSION_BYTES = 300_000
_PROPERTY_BYTES = 200_000

NameAndValue = tuple[str, str]


class SessionWords(NamedTuple):
    """The end of a session; a text is None that did not fit into the page any more."""

    heading: str
    error: str | None
    summary: str | None


def tell_sessions(run: RunDigest) -> Some[SessionWords]:
    """The ends of sessions that had something to say."""
    allowance = Allowance(_SESSION_BYTES)

    def tell(told: tuple[str, SessionFinished]) -> SessionWords:
        heading, session = told
        return SessionWords(heading, allowance.take(session.error or ""), allowance.take(session.summary))

    return Some.of(run.sessions, _SESSIONS, tell)


def tell_properties(run: RunDigest) -> Some[tuple[str, Sequence[NameAndValue]]]:
    """What entries, then tests, recorded of themselves: whose it is, and its names and values."""
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
