"""What a page is given of what pytest told: all of it, within bounds."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.events import SessionFinished
from pulseq.models import PytestWarning
from pulseq.records import RunRecord
from pulseq.reports.html_pytest import SessionWords, tell_pytest
from pulseq.reports.run_digest import RunDigest


def test_warnings_are_told_with_who_told_them(plot, tell_story: Callable) -> None:
    warnings = (PytestWarning("UserWarning", "look", "t.py:3"),)
    told = tell_pytest(RunDigest(tell_story([plot("a", told={"pytest_warnings": warnings})]).record)).warnings
    assert (told.items, told.more) == ([("t.py:3: UserWarning: look", "a")], 0)


def test_of_very_many_warnings_the_number_is_told(plot, tell_story: Callable) -> None:
    warnings = tuple(PytestWarning("UserWarning", str(index)) for index in range(203))
    told = tell_pytest(RunDigest(tell_story([plot("a", told={"pytest_warnings": warnings})]).record)).warnings
    assert (len(told.items), told.more) == (200, 3)


def test_a_session_is_told_with_its_error_and_what_was_printed() -> None:
    record = RunRecord()
    record.apply(SessionFinished("unit", "n", 1, "it failed", "a\nb\n"))
    assert tell_pytest(RunDigest(record)).sessions.items == [SessionWords("unit", "it failed", "a\nb", False)]


def test_sessions_share_the_room_of_a_page() -> None:
    record = RunRecord()
    for number in range(20):
        record.apply(SessionFinished(f"e{number}", "n", 0, summary="<\n" * 100_000))
    sessions = tell_pytest(RunDigest(record)).sessions.items
    assert sum(len(one.summary) for one in sessions) < 300_000
    assert (sessions[0].left_out, sessions[-1].left_out) == (False, True)


def test_properties_of_suites_come_before_those_of_tests(plot, tell_story: Callable) -> None:
    recorded = (("property", "ticket", "7"), ("attribute", "owner", "me"))
    record = tell_story([plot("a", told={"properties": recorded}), plot("b")]).record
    record.apply(SessionFinished("unit", "n", 0, properties=(("build", "1"),)))
    expected = [("unit", [("build", "1")]), ("a", [("ticket", "7"), ("owner", "me")])]
    assert tell_pytest(RunDigest(record)).properties.items == expected


def test_properties_without_end_are_cut(plot, tell_story: Callable) -> None:
    recorded = tuple(("property", f"p{index}", "x" * 5_000) for index in range(100))
    plots = [plot(f"t{index}", told={"properties": recorded}) for index in range(300)]
    told = tell_pytest(RunDigest(tell_story(plots).record)).properties
    assert len(told.items) + told.more == 300
    assert sum(len(value) for _, pairs in told.items for _, value in pairs) < 200_000
