"""What pytest told beside verdicts, gathered and said."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.events import SessionFinished
from pulseq.models import PytestWarning
from pulseq.records import RunRecord
from pulseq.reports.pytest_words import group_warnings, spoken_sessions

OLD = PytestWarning("DeprecationWarning", "old\nvery", "t.py:3")
LOOK = PytestWarning("UserWarning", "look")


def test_a_warning_is_told_once_with_how_often_and_by_whom(plot, tell_story: Callable) -> None:
    plots = [plot(f"t{index}", told={"pytest_warnings": (OLD, OLD)}) for index in range(7)]
    plots.append(plot("last", told={"pytest_warnings": (LOOK,)}))
    told = [(one.words, one.circumstances) for one in group_warnings(tell_story(plots).record)]
    assert told == [
        ("t.py:3: DeprecationWarning: old very", "14 times: t0, t1, t2, t3, t4 and 2 more"),
        ("UserWarning: look", "last"),
    ]


def test_only_sessions_with_something_to_say_are_told_with_their_node_where_there_are_several() -> None:
    record = RunRecord()
    for session in (
        SessionFinished("unit", "n1", 0, summary="a table"),
        SessionFinished("unit", "n2", 1, "it failed"),
        SessionFinished("unit", "n3", 0, summary=" \n"),
        SessionFinished("e2e", "n1", 0, summary="x"),
    ):
        record.apply(session)
    assert [heading for heading, _ in spoken_sessions(record)] == ["unit on n1", "unit on n2", "e2e"]
