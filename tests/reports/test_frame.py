"""The picture of a run in progress."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import AttemptStarted, NodeJoined, RunStarted, TestClosed, TestPlanned
from pulseq.models import Reason, Status
from pulseq.reports.frame import draw_frame
from pulseq.reports.node_lines import ASCII
from pulseq.reports.progress import RunProgress

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def progress_of(moments: list) -> RunProgress:
    progress = RunProgress()
    for when, event in moments:
        progress.apply(event, when)
    return progress


def drawn(progress: RunProgress, now: float, width: int = 80, height: int = 16) -> list[str]:
    return [line.plain.rstrip() for line in draw_frame(progress, now, width, height)]


def test_the_head_names_suite_run_time_and_end(checkout) -> None:
    line = drawn(progress_of(checkout.until(9.3)), 9.3)[0]
    assert (*line.split(None, 2), len(line)) == ("checkout", "20260528-2026-k3x9", "0:09 · about 0:14 left", 80)


def test_the_counts_tell_verdicts_what_runs_and_what_waits(checkout) -> None:
    line = drawn(progress_of(checkout.until(9.3)), 9.3)[2]
    assert line == "49/120  2 failed  2 errors  45 passed  1 flaky  7 running  64 waiting"


def test_the_bar_has_a_share_for_each_verdict(checkout) -> None:
    bar = draw_frame(progress_of(checkout.until(9.3)), 9.3, 80, 16)[1]
    styles = [str(span.style) for span in bar.spans]
    assert styles == ["green", "magenta", "red", "cyan", "bright_black"]


def test_the_bar_is_full_when_everything_is_done(checkout) -> None:
    assert drawn(progress_of(checkout.moments), 99.0)[1] == "━" * 75 + " 100%"


def test_a_verdict_however_rare_has_its_column_in_the_bar(plot, tell_story: Callable) -> None:
    bad = plot("bad", outcomes=((Status.FAILED, Reason.ASSERTION),))
    story = tell_story([bad, *(plot(f"t{index}") for index in range(1000))])
    bar = draw_frame(progress_of(story.moments), 0.0, 80, 16)[1]
    assert [span.end - span.start for span in bar.spans if str(span.style) == "red"] == [1]


def test_until_the_first_test_runs_its_picture_says_what_that_waits_for() -> None:
    started = RunStarted("r", "shop", 0.0, "1", {"nodes": 1, "own_server": True})
    told = [started, NodeJoined("n", "localhost", 1), TestPlanned("a", "", "", "call", "medium")]
    moments = [(0.0, event) for event in told]

    assert "1 test  waiting for the Prefect server" == drawn(progress_of(moments), 1.0)[2]
    nowhere = TestClosed("b", "", Status.ERROR, Reason.UNSATISFIABLE, False, 0)
    without_node = [*moments, (0.0, TestPlanned("b", "", "", "call", "medium")), (0.0, nowhere)]
    assert "2 tests  1 error  waiting for the Prefect server" == drawn(progress_of(without_node), 1.0)[2]
    assert "0/1  1 running" == drawn(progress_of([*moments, (0.0, AttemptStarted("a", "", 1, "n"))]), 1.0)[2]


def test_a_picture_that_stands_has_no_clock(checkout) -> None:
    [line, *_] = draw_frame(progress_of(checkout.until(0.5)), 0.5, 80, 16, still=True)

    assert ["checkout", "20260528-2026-k3x9"] == line.plain.split()[:2]
    assert "0:0" not in line.plain.partition(" ·")[0]


def test_a_run_that_has_just_begun_has_a_picture() -> None:
    lines = drawn(progress_of([(0.0, RunStarted("r", "shop", 0.0, "1"))]), 1.0)
    assert [lines[0][:7], lines[2], lines[4]] == ["shop  r", "waiting for the Prefect server and a node", "no node yet"]


def test_a_terminal_that_knows_only_ascii_gets_ascii(checkout) -> None:
    lines = draw_frame(progress_of(checkout.until(9.3)), 9.3, 120, 16, ASCII)
    assert "".join(one for line in lines for one in line.plain if ord(one) > 126) == ""


@pytest.mark.parametrize("nodes", [0, 1, 3, 12, 30, 500])
@pytest.mark.parametrize(("width", "height"), [(20, 2), (80, 16), (120, 40)])
def test_the_picture_never_leaves_its_frame(nodes: int, width: int, height: int, plot, tell_story: Callable) -> None:
    fleet = {f"node-{index:03}": (1 + index % 12, {"os": "linux", "rack": index}) for index in range(nodes)}
    plots = [plot(f"t{index}") for index in range(900)] if fleet else []
    lines = draw_frame(progress_of(tell_story(plots, fleet).until(0.9)), 0.9, width, height)
    assert (len(lines) <= height, [line.plain for line in lines if line.cell_len > width]) == (True, [])


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(1, 30), st.integers(10, 200), st.integers(1, 50))
def test_no_name_breaks_the_picture(test: str, node: str, other: str, slots: int, width: int, height: int) -> None:
    moments = [
        RunStarted(other, test, 0.0, "1"),
        NodeJoined(node, other, slots, {other: test, test: 1}),
        NodeJoined(node + "2", other, slots, {other: node}),
        TestPlanned(test, other, node, "call", "medium"),
        AttemptStarted(test, other, 2, node),
        TestClosed(other, test, Status.FAILED, Reason.CRASH, False, 1, node, other),
    ]
    lines = draw_frame(progress_of([(0.0, event) for event in moments]), 1.0, width, height)
    loud = [one for line in lines for one in line.plain if ord(one) < 32 or 127 <= ord(one) < 160]
    assert (len(lines) <= height, [line for line in lines if line.cell_len > width], loud) == (True, [], [])
