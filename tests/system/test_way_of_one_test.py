"""The way of one test, from the queue to its verdict: few files, and those that the page on architecture names.

`pytest -s` of this file prints them.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pulseq
from tests.system.workplace import Workplace

PACKAGE = Path(pulseq.__file__).parent
PAGE = PACKAGE.parent / "docs" / "explanation" / "architecture.md"
MOST_FILES = 45
TESTS = 40
#: So many at the beginning and at the end are not looked at: the run itself begins and ends there.
_ASIDE = 8
#: What is done with events for those who look on, later or beside the way: views, the API, the database, and what a
#: scheduler keeps of marks.
LOOK_ON = ("EventLog._show", "LateView._try", "Delivery._keep_telling", "EventLog.ingest_here", "MarkStore.log_event")
#: What is called less often than this for each test is called for many at once.
_OFTEN = 0.9
SUITE = "suite: way\ntests:\n" + "".join(f"  - {{id: t{number}, command: [echo, hello]}}\n" for number in range(TESTS))
#: The last test: what is called about as often while it sleeps, so long after its beginning and before its end, is
#: called by timers.
SLEEPS = "  - {id: sleeps, command: [sleep, '2'], priority: low}\n"
_STILL_AFTER, _STILL_BEFORE = 0.7, 0.4
_AS_OFTEN = 0.5

Call = tuple[str, str]


@dataclass
class Trace:
    """How often each function was called: in all, while the tests in the middle ran, and while nothing happened."""

    whole: Counter[Call] = field(default_factory=Counter)
    middle: Counter[Call] = field(default_factory=Counter)
    still: Counter[Call] = field(default_factory=Counter)
    middle_seconds: float = 0.0
    still_seconds: float = 0.0

    def by_timer(self, call: Call) -> bool:
        return self.still[call] / self.still_seconds >= _AS_OFTEN * self.middle[call] / self.middle_seconds


def _trace(place: Workplace) -> Trace:
    start, told = place.path / "start", place.path / "told"
    start.mkdir()
    shutil.copy(Path(__file__).with_name("calls.py"), start / "sitecustomize.py")
    place.environment |= {"PYTHONPATH": str(start), "CALLS_TOLD": str(told), "CALLS_OF": str(PACKAGE)}
    place.environment["CALLS_LEFT_OUT"] = ",".join(LOOK_ON)
    place.write("suite.yaml", SUITE + SLEEPS)
    up = place.run("up", "-n", "1")
    try:
        told.touch()
        run = place.run("run", "suite.yaml", "--run-id", "way")
    finally:
        down = place.run("down")
    assert (0, 0, 0) == (up.code, run.code, down.code), (up.err, run.err)
    journal = place.journal("way")
    verdicts = [line["time"] for line in journal if line["kind"] == "test_closed"]
    first, last, end = verdicts[_ASIDE - 1], verdicts[TESTS - _ASIDE], verdicts[-1]
    begin = next(line["time"] for line in reversed(journal) if line["kind"] == "attempt_started")
    still_from, still_to = begin + _STILL_AFTER, end - _STILL_BEFORE
    trace = Trace(middle_seconds=last - first, still_seconds=still_to - still_from)
    for line in told.read_text().splitlines():
        moment, file, function = line.split(" ", 2)
        at = float(moment)
        trace.whole[file, function] += 1
        trace.middle[file, function] += first <= at < last
        trace.still[file, function] += still_from <= at < still_to
    return trace


def test_a_command_passes_few_files_which_the_page_names_and_its_result_is_booked_once(workplace: Workplace) -> None:
    trace = _trace(workplace)

    tests = TESTS - 2 * _ASIDE + 1
    often = {call: count / tests for call, count in trace.middle.items() if count >= _OFTEN * tests}
    passed = {call: count for call, count in often.items() if not trace.by_timer(call)}
    on_the_way = {file for file, _ in passed}
    print(f"{len(on_the_way)} files, and how often each function is called for a test:")
    print("\n".join(f"{file} {function} {count:.1f}" for (file, function), count in sorted(passed.items())))
    assert TESTS + 1 == trace.whole["run/dispatcher.py", "Dispatcher._book"]
    assert _named() == on_the_way
    assert MOST_FILES >= len(on_the_way)


def _named() -> set[str]:
    """The files that the page has on the way of one test."""
    section = PAGE.read_text().partition("\n## The way of one test\n")[2].partition("\n## ")[0]
    return set(re.findall(r"`((?:\w+/)*\w+\.py)`", section))
