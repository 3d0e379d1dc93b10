"""The run as plain lines."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from pulseq.events import (
    EntryCollected,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunNote,
    RunStarted,
    TestClosed,
    TestPlanned,
)
from pulseq.models import Reason, Status
from pulseq.reports.plain import PlainView

FAILED = (Status.FAILED, Reason.ASSERTION)


def lines_of(moments: list, verbosity: int, **more: float) -> list[str]:
    """What a view writes when the moments come at their times."""
    stream, now = io.StringIO(), [0.0]
    view = PlainView(stream, verbosity, lambda: now[0], **more)
    view.start()
    for when, event in moments:
        now[0] = when
        view.handle(event)
    view.stop()
    return stream.getvalue().splitlines()


def progress_lines(lines: list[str]) -> list[str]:
    return [line for line in lines if " tests; " in line]


def test_a_quiet_view_says_only_what_fails(plot, tell_story: Callable) -> None:
    story = tell_story([plot("good"), plot("bad", outcomes=(FAILED,), error="boom")])
    expected = ["FAILED  bad on bench-1 in 1.00 s (assertion)", "        boom"]
    assert expected == lines_of(story.moments, -1)


def test_a_verbose_view_has_a_line_for_every_test(plot, tell_story: Callable) -> None:
    plots = [plot("good"), plot("twice", 2.0, (FAILED, (Status.PASSED, None)), "browser=chrome")]
    lines = lines_of(tell_story(plots).moments, 1)
    expected = ["PASSED  good on bench-1 in 1.00 s", "FLAKY   twice (browser=chrome) on bench-1 in 2.00 s, 2 attempts"]
    assert expected == [line for line in lines if line.startswith(("PASSED", "FLAKY"))]


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_what_was_not_run_takes_no_lines(verbosity: int) -> None:
    why = "the run was interrupted"
    closed = [TestClosed(f"t{number}", "", Status.ERROR, Reason.CANCELLED, False, 0, None, why) for number in range(9)]

    assert [] == lines_of([(9.0, event) for event in closed], verbosity)


def test_a_run_that_ends_before_any_test_has_no_progress() -> None:
    stream, now = io.StringIO(), [0.0]
    view = PlainView(stream, 0, lambda: now[0])
    view.handle(TestPlanned("pytest", "", "", "pytest", "medium"))
    view.handle(TestClosed("pytest", "", Status.ERROR, Reason.CANCELLED, False, 0, None, "the run was stopped"))
    now[0] = 60.0
    view.tick()
    assert stream.getvalue() == ""


def test_the_run_its_nodes_and_notes_are_said_first(checkout) -> None:
    expected = [
        "checkout, run 20260528-2026-k3x9",
        "node bench-1: 4 slots, linux chrome 8GB python=3.12.1",
        "node bench-2: 2 slots, linux firefox 8GB gpu",
        "node mac-mini: 1 slot, macos safari 16GB",
        "note: 3 tests have no expected duration; the estimate starts late",
    ]
    assert expected == lines_of(checkout.moments, 0)[:5]


def test_there_is_a_line_of_progress_at_every_tenth(checkout) -> None:
    said = [line.partition(" ")[0] for line in progress_lines(lines_of(checkout.moments, 0))]
    assert [f"{12 * tenth}/120" for tenth in range(1, 11)] == said


def test_progress_tells_counts_time_and_the_end(checkout) -> None:
    line = progress_lines(lines_of(checkout.moments, 0))[0]
    assert line == "12/120 tests; 1 error, 11 passed; 0:02 elapsed; about 0:21 left"


def test_a_slow_run_has_a_line_of_progress_when_the_time_is_up() -> None:
    plan = [(0.0, TestPlanned(f"t{index}", "", "", "call", "medium")) for index in range(100)]
    done = [(index * 20.0, TestClosed(f"t{index}", "", Status.PASSED, None, False, 1)) for index in range(5)]
    lines = lines_of([(0.0, RunStarted("r", "s", 0.0, "1")), *plan, *done], 0, progress_seconds=30.0)
    assert [line.partition(" ")[0] for line in progress_lines(lines)] == ["3/100", "5/100"]


def test_a_tick_says_progress_when_nothing_else_happens() -> None:
    stream, now = io.StringIO(), [0.0]
    view = PlainView(stream, 0, lambda: now[0], progress_seconds=30.0)
    view.start()
    view.handle(TestPlanned("t", "", "", "call", "medium"))
    for now[0] in (10.0, 29.0, 31.0, 32.0):
        view.tick()
    assert len(progress_lines(stream.getvalue().splitlines())) == 1


def test_until_the_first_test_runs_what_it_waits_for_is_said() -> None:
    stream, now = io.StringIO(), [0.0]
    view = PlainView(stream, 0, lambda: now[0])
    view.handle(RunStarted("r", "shop", 0.0, "1", {"nodes": 2, "own_server": True}))
    view.start()
    for now[0] in (9.0, 11.0, 12.0):
        view.tick()
    view.handle(NodeJoined("n", "localhost", 1))
    view.handle(NodeJoined("m", "localhost", 1))
    view.handle(PrefectRunKnown("f", None))
    view.handle(TestPlanned("unit", "", "", "pytest", "medium"))
    for now[0] in (22.0, 23.0):
        view.tick()
    view.handle(EntryCollected("unit", "n", 18, 2))

    assert [
        "shop, run r",
        "waiting for the Prefect server and 2 nodes",
        "waiting for the Prefect server and 2 nodes; 0:11 elapsed",
        "node n: 1 slot",
        "node m: 1 slot",
        "waiting for pytest to collect its tests; 0:22 elapsed",
        "collected 18 tests (unit), 2 deselected",
    ] == stream.getvalue().splitlines()


def test_a_quick_run_does_not_say_progress_twice_within_a_second() -> None:
    plan = [(0.0, TestPlanned(f"t{index}", "", "", "call", "medium")) for index in range(100)]
    done = [(index * 0.02, TestClosed(f"t{index}", "", Status.PASSED, None, False, 1)) for index in range(100)]
    assert len(progress_lines(lines_of([*plan, *done], 0))) == 1


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_a_lost_node_is_always_told(verbosity: int) -> None:
    assert lines_of([(0.0, NodeLost("n", "no heartbeat for 60 s"))], verbosity) == [
        "node n lost: no heartbeat for 60 s"
    ]


def test_no_control_code_comes_through() -> None:
    moments = [
        (0.0, RunNote("\x1b[2Jgone\x07")),
        (
            0.0,
            TestClosed(
                "a\x1b]0;x\x07\r\n", "\x9b", Status.FAILED, Reason.ASSERTION, False, 1, "n\x00", "\x1b[31mE\x08"
            ),
        ),
    ]
    said = "".join(lines_of(moments, 1))
    assert [one for one in said if ord(one) < 32 or 127 <= ord(one) < 160] == []


def test_a_stream_that_knows_only_ascii_gets_ascii() -> None:
    raw = io.BytesIO()
    view = PlainView(io.TextIOWrapper(raw, "ascii"), 0, lambda: 0.0)
    view.handle(RunNote("größer"))
    view.stop()
    assert raw.getvalue() == b"note: gr\\xf6\\xdfer\n"


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_a_run_does_not_notice_when_the_reader_of_its_lines_goes_away(checkout, verbosity: int) -> None:
    class Gone(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise BrokenPipeError

    stream, now = Gone(), [0.0]
    view = PlainView(stream, verbosity, lambda: now[0])
    view.start()
    for when, event in checkout.moments:
        now[0] = when
        view.handle(event)
        view.tick()
    view.stop()
    assert (stream.writes, view.progress.done) == (1, 120)
