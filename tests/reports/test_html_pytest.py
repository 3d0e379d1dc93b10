"""What a page is given of what pytest told: all of it, within bounds."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.events import SessionFinished
from pulseq.records import RunRecord
from pulseq.reports.html_pytest import SessionWords, tell_properties, tell_sessions
from pulseq.reports.run_digest import RunDigest


def test_a_session_is_told_with_its_error_and_what_was_printed() -> None:
    record = RunRecord()
    record.apply(SessionFinished("unit", "n", 1, "it failed", "a\nb\n"))
    assert tell_sessions(RunDigest(record)).items == [SessionWords("unit", "it failed", "a\nb")]


def test_sessions_share_the_room_of_a_page() -> None:
    record = RunRecord()
    for number in range(20):
        record.apply(SessionFinished(f"e{number}", "n", 0, summary="<\n" * 100_000))
    sessions = tell_sessions(RunDigest(record)).items
    assert sum(len(one.summary or "") for one in sessions) < 300_000
    assert (bool(sessions[0].summary), sessions[-1].summary) == (True, None)


def test_properties_of_suites_come_before_those_of_tests(plot, tell_story: Callable) -> None:
    recorded = (("property", "ticket", "7"), ("attribute", "owner", "me"))
    record = tell_story([plot("a", told={"properties": recorded}), plot("b")]).record
    record.apply(SessionFinished("unit", "n", 0, properties=(("build", "1"),)))
    expected = [("unit", [("build", "1")]), ("a", [("ticket", "7"), ("owner", "me")])]
    assert tell_properties(RunDigest(record)).items == expected


def test_properties_without_end_are_cut(plot, tell_story: Callable) -> None:
    recorded = tuple(("property", f"p{index}", "x" * 5_000) for index in range(100))
    plots = [plot(f"t{index}", told={"properties": recorded}) for index in range(300)]
    told = tell_properties(RunDigest(tell_story(plots).record))
    assert len(told.items) + told.more == 300
    assert sum(len(value) for _, pairs in told.items for _, value in pairs) < 200_000
