"""The way of one test, from the queue to its verdict: few files, and those that the page on architecture names.

`pytest -s` of this file prints them.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pulseq
from tests.system.workplace import Workplace

PACKAGE = Path(pulseq.__file__).parent
PAGE = PACKAGE.parent / "docs" / "explanation" / "architecture.md"
MOST_FILES = 45
TESTS = 40
#: So many at the beginning and at the end are not looked at: the run itself begins and ends there.
_ASIDE = 8
#: What is done with events for those who look on, later or beside the way: views, the API, the database.
LOOK_ON = ("EventLog._show", "Delivery._keep_telling", "EventLog.ingest_here")
#: What is called less often than this for each test is called by a timer, or for many at once.
_OFTEN = 0.9
SUITE = "suite: way\ntests:\n" + "".join(f"  - {{id: t{number}, command: [echo, hello]}}\n" for number in range(TESTS))

Call = tuple[str, str]


def _trace(place: Workplace) -> tuple[Counter[Call], Counter[Call]]:
    """Each function that was called in a run, by its file: how often in all, and while those in the middle ran."""
    start, told = place.path / "start", place.path / "told"
    start.mkdir()
    shutil.copy(Path(__file__).with_name("calls.py"), start / "sitecustomize.py")
    place.environment |= {"PYTHONPATH": str(start), "CALLS_TOLD": str(told), "CALLS_OF": str(PACKAGE)}
    place.environment["CALLS_LEFT_OUT"] = ",".join(LOOK_ON)
    place.write("suite.yaml", SUITE)
    up = place.run("up", "-n", "1")
    try:
        told.touch()
        run = place.run("run", "suite.yaml", "--run-id", "way")
    finally:
        down = place.run("down")
    assert (0, 0, 0) == (up.code, run.code, down.code), (up.err, run.err)
    verdicts = [line["time"] for line in place.journal("way") if line["kind"] == "test_closed"]
    first, last = verdicts[_ASIDE - 1], verdicts[-_ASIDE]
    whole, middle = Counter[Call](), Counter[Call]()
    for line in told.read_text().splitlines():
        at, file, function = line.split(" ", 2)
        whole[file, function] += 1
        middle[file, function] += first <= float(at) < last
    return whole, middle


def test_a_command_passes_few_files_which_the_page_names_and_its_result_is_booked_once(workplace: Workplace) -> None:
    whole, middle = _trace(workplace)

    tests = TESTS - 2 * _ASIDE + 1
    often = {call: count / tests for call, count in middle.items() if count >= _OFTEN * tests}
    on_the_way = {file for file, _ in often}
    print(f"{len(on_the_way)} files, and how often each function is called for a test:")
    print("\n".join(f"{file} {function} {count:.1f}" for (file, function), count in sorted(often.items())))
    assert TESTS == whole["run/dispatcher.py", "Dispatcher._book"]
    assert _named() == on_the_way
    assert MOST_FILES >= len(on_the_way)


def _named() -> set[str]:
    """The files that the page has on the way of one test."""
    section = PAGE.read_text().partition("\n## The way of one test\n")[2].partition("\n## ")[0]
    return set(re.findall(r"`((?:\w+/)*\w+\.py)`", section))
