"""The parts of a summary that pytest's own has."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.events import EntryCollected, SessionFinished
from pulseq.models import PytestWarning
from pulseq.records import RunRecord
from pulseq.reports.summary import render_summary

OLD = PytestWarning("DeprecationWarning", "old", "t.py:3")


def lines_of(record: RunRecord, **more: object) -> list[str]:
    return render_summary(record, **more).plain().splitlines()


def heads_of(record: RunRecord, **more: object) -> list[str]:
    return [line.strip("─ ") for line in lines_of(record, **more) if line.startswith("─")]


def test_warnings_are_listed_with_who_told_them(plot, tell_story: Callable) -> None:
    record = tell_story([plot("a", told={"pytest_warnings": (OLD, OLD)}), plot("b")]).record
    record.apply(EntryCollected("unit", "n", 2, 0, (OLD,)))
    lines = lines_of(record)
    at = next(index for index, line in enumerate(lines) if "warnings summary" in line)
    assert lines[at + 1 : at + 4] == ["t.py:3: DeprecationWarning: old", "  3 times: unit, a", ""]
    assert "2 passed, 3 warnings" in lines[-3]


def test_of_very_many_warnings_the_number_is_told(plot, tell_story: Callable) -> None:
    warnings = tuple(PytestWarning("UserWarning", f"w{index}") for index in range(40))
    assert "  … and 10 more" in lines_of(tell_story([plot("a", told={"pytest_warnings": warnings})]).record)


def test_subtests_that_no_verdict_tells_are_named(plot, tell_story: Callable) -> None:
    plots = [plot("a", told={"subtests": {"passed": 2, "skipped": 1}}), plot("b", told={"subtests": {"passed": 2}})]
    lines = lines_of(tell_story(plots).record)
    assert lines[lines.index("subtests") + 1 :][:2] == ["  a  3 subtests: 2 passed, 1 skipped", ""]


def test_what_plug_ins_printed_stands_under_the_name_of_the_entry(plot, tell_story: Callable) -> None:
    record = tell_story([plot("a")]).record
    record.apply(SessionFinished("unit", "n", 1, "coverage is 3 %", "\nName  Cover\n\x1b[31ma.py  3 %\x1b[0m\n"))
    lines = lines_of(record)
    at = next(index for index, line in enumerate(lines) if line.startswith("─") and " unit " in line)
    assert lines[at + 1 : at + 5] == ["coverage is 3 %", "Name  Cover", "a.py  3 %", ""]


def test_a_quiet_summary_has_of_sessions_their_errors_alone(plot, tell_story: Callable) -> None:
    record = tell_story([plot("a", told={"pytest_warnings": (OLD,)})]).record
    record.apply(SessionFinished("unit", "n", 0, summary="a table"))
    record.apply(SessionFinished("e2e", "n", 1, "it failed", "another table"))
    lines = lines_of(record, verbosity=-1)
    assert (heads_of(record, verbosity=-1), "it failed" in lines, "another table" in lines) == (["e2e"], True, False)


def test_a_run_of_which_pytest_told_nothing_has_no_such_part(checkout) -> None:
    assert heads_of(checkout.record) == ["failures"]
