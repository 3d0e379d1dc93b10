"""The summary of a run, on a terminal and in plain lines."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from pulseq.events import (
    AttemptFinished,
    EntryCollected,
    Event,
    NodeJoined,
    RunFinished,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.reports.summary import render_summary
from pulseq.reports.terminal import Terminal

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
FAILED = (Status.FAILED, Reason.ASSERTION)
PASSED = (Status.PASSED, None)


def lines_of(record: RunRecord, **more: object) -> list[str]:
    return render_summary(record, **more).plain().splitlines()


def test_what_matters_most_comes_first(checkout) -> None:
    lines = lines_of(checkout.record, locations={"journal": "j.jsonl"})
    heads = ("─", "no verdict of their own", "flaky", "slowest", "nodes", "2 failed", "journal", "flow run")
    assert list(heads) == [head for line in lines for head in heads if line.lstrip("═ ").startswith(head)]


def test_the_line_of_counts_reads_like_pytests(checkout) -> None:
    [line] = [line for line in render_summary(checkout.record).plain(120).splitlines() if "passed, " in line]
    assert (
        line.strip("═ ")
        == "2 failed, 2 errors (1 without a verdict), 114 passed, 1 skipped, 1 xfailed, 1 flaky in 24.1 s"
    )


def test_the_line_of_counts_is_shorter_where_the_terminal_is_narrow(checkout) -> None:
    [line] = [line for line in lines_of(checkout.record) if "passed, " in line]
    assert (line.strip("═ "), len(line)) == (
        "2 failed, 2 errors, 114 passed, 1 skipped, 1 xfailed, 1 flaky in 24.1 s",
        80,
    )


def test_a_failure_is_told_with_where_it_ran_and_its_last_lines(plot, tell_story: Callable) -> None:
    failed = plot("pay", 1.5, (FAILED, FAILED), location="suite.yaml:4", error="line 1\nline 2", output="a\nb\n")
    lines = lines_of(tell_story([failed], {"n": (1, {})}).record)
    expected = [
        "failed (assertion)  pay",
        "  suite.yaml:4 · on n · 2 attempts · 1.50 s",
        "  line 1",
        "  line 2",
        "  output:",
        "  │ a",
        "  │ b",
        "",
    ]
    assert expected == lines[1:9]


def test_output_that_the_error_holds_already_is_not_told_again(plot, tell_story: Callable) -> None:
    lines = lines_of(tell_story([plot("pay", outcomes=(FAILED,), error="x said y", output="said")]).record)
    assert "  output:" not in lines


def test_warnings_of_an_attempt_are_told(plot, tell_story: Callable) -> None:
    lines = lines_of(tell_story([plot("pay", outcomes=(FAILED,), warnings=("no metric 'x'",))]).record)
    assert "  warning: no metric 'x'" in lines


def test_a_test_that_no_node_fits_is_told_apart_with_the_nearest_miss(checkout) -> None:
    lines = lines_of(checkout.record)
    at = lines.index("no verdict of their own")
    expected = [
        "  unsatisfiable  login-edge (browser=edge)",
        "      no node fits browser=edge; nearest is bench-1: browser is chrome",
    ]
    assert (expected, False) == (lines[at + 1 : at + 3], any("login-edge" in line for line in lines[:at]))


def test_a_flaky_test_is_told_with_what_it_said_first(checkout) -> None:
    lines = render_summary(checkout.record).plain(120).splitlines()
    told = "  search-index  passed on attempt 2; first: AssertionError: assert 4 == 5"
    assert told == lines[lines.index("flaky") + 1]


def test_what_a_passed_test_should_warn_of_is_told(plot, tell_story: Callable) -> None:
    story = tell_story([plot("a"), plot("b", warnings=("metric 'x' is missing", "slow"))], {"n": (1, {})})
    lines = lines_of(story.record)
    assert lines[lines.index("warnings") + 1] == "  b  metric 'x' is missing; slow"


def test_the_slowest_tests_are_in_order_and_as_many_as_asked_for(checkout) -> None:
    lines = lines_of(checkout.record, durations=2)
    at = lines.index("slowest 2 of 119")
    assert lines[at + 1 : at + 4] == ["      3.00 s  login-slow  bench-1", "      2.48 s  price-073  bench-1", ""]


def test_nodes_are_told_with_their_share_of_the_work(plot, tell_story: Callable) -> None:
    lines = lines_of(tell_story([plot("a", 1.5)], {"n1": (1, {}), "n2": (1, {})}).record)
    expected = [
        f"  n1  1 test   busy      1.50 s  {'━' * 18}{'─' * 6}  75%",
        f"  n2  0 tests  busy      0.00 s  {'─' * 24}   0%",
    ]
    assert expected == lines[lines.index("nodes") + 1 :][:2]


def test_without_durations_there_is_no_list_of_slow_tests(checkout) -> None:
    assert [line for line in lines_of(checkout.record, durations=0) if line.startswith("slowest")] == []


def test_a_quiet_summary_has_a_line_a_failure_and_the_counts(plot, tell_story: Callable) -> None:
    lines = lines_of(tell_story([plot("a", outcomes=(FAILED,)), plot("b")]).record, verbosity=-1)
    assert [line.strip("═ ") for line in lines[1:4]] == ["failed (assertion)  a", "", "1 failed, 1 passed in 1.50 s"]


def test_many_failures_are_told_in_full_up_to_a_bound_then_by_name(plot, tell_story: Callable) -> None:
    plots = [plot(f"t{index:03}", outcomes=(FAILED,), error="boom") for index in range(100)]
    lines = lines_of(tell_story(plots).record)
    full, named = lines.count("  boom"), sum(line.startswith("failed (assertion)") for line in lines)
    assert (full, named, "  … and 50 more" in lines) == (20, 50, True)


def test_a_verbose_summary_tells_more_of_each_failure(plot, tell_story: Callable) -> None:
    story = tell_story([plot("a", outcomes=(FAILED,), error="\n".join(f"line {index}" for index in range(40)))])
    assert [lines_of(story.record, verbosity=level)[3] for level in (0, 1)] == ["  … 26 earlier lines", "  line 0"]


def test_an_interrupted_run_says_what_is_not_finished(checkout) -> None:
    record = fold(event for _, event in checkout.until(5.0))
    record.apply(RunFinished(0.0, 5.0, 2, "interrupted"))
    [line] = [line for line in lines_of(record) if "passed" in line and " in " in line]
    expected = "1 failed, 1 error, 24 passed, 94 not finished in 5.00 s · interrupted"
    assert expected == line.strip("═ ")


def test_a_run_of_nothing_says_so() -> None:
    assert [line.strip("═ ") for line in lines_of(RunRecord())] == ["no test has a verdict"]


def test_places_and_the_flow_run_come_last(checkout) -> None:
    expected = ["journal   j.jsonl", "flow run  http://127.0.0.1:4200/runs/flow-run/f1"]
    assert expected == lines_of(checkout.record, locations={"journal": "j.jsonl"})[-2:]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_the_same_words_as_plain_lines(checkout, width: int) -> None:
    console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system="standard", record=True)
    console.print(render_summary(checkout.record))
    shown = console.export_text().split()
    assert "".join(render_summary(checkout.record).plain(width).split()) == "".join(shown)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_width(width: int, plot, tell_story: Callable) -> None:
    plots = [plot("数" * 100, node="n"), plot("x" * 300)]
    fleet = {"n" * 60: (1, {})}
    lines = render_summary(tell_story(plots, fleet).record).plain(width).splitlines()
    assert [line for line in lines if cell_len(line) > width and not line.startswith("flow run")] == []


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(Status), st.sampled_from(Reason), st.booleans())
def test_no_text_of_a_test_controls_the_terminal(
    test_id: str, node: str, error: str, status: Status, reason: Reason, flaky: bool
) -> None:
    warning = PytestWarning(error, test_id, node)
    result = AttemptResult(
        *(test_id, 1, node, status, node, reason),
        error=error,
        output=error,
        warnings=(error,),
        pytest_warnings=(warning,),
        subtests={"skipped": 1},
    )
    record = fold(
        [
            RunStarted(test_id, error, 0.0, "1"),
            NodeJoined(node, node, 1, {error: node}),
            TestPlanned(test_id, node, error, "call", "medium", location=error),
            EntryCollected(error, node, 1, 1, (warning,)),
            AttemptFinished(result),
            SessionFinished(error, node, 1, error, error),
            TestClosed(test_id, node, status, reason, flaky, 2, node, error),
            RunFinished(1.0, 1.0, 1, error),
        ]
    )
    said = render_summary(record, locations={"journal": error}).plain()
    assert [one for one in said if one != "\n" and (ord(one) < 32 or 127 <= ord(one) < 160)] == []


def _stopped(*begun: float) -> RunRecord:
    """A run of 300 tests that was stopped while as many of them as there are times had been running so long."""
    cancelled = (Status.ERROR, Reason.CANCELLED)
    events: list[Event] = [RunStarted("r1", "shop", 0.0, "0")]
    for number in range(300):
        events.append(TestPlanned(f"t{number}", "", "", "command", "medium"))
        if number < len(begun):
            result = AttemptResult(f"t{number}", 1, "n", *cancelled[:1], reason=cancelled[1])
            events.append(AttemptFinished(replace(result, started_at=1.0, duration=begun[number])))
        events.append(TestClosed(f"t{number}", "", *cancelled, False, number < len(begun)))
    return fold([*events, RunFinished(9.0, 9.0, 2, "interrupted")])


def test_what_was_not_run_is_one_line_and_no_slow_test() -> None:
    lines = lines_of(_stopped())

    assert "300 not run" == lines[0]
    assert 5 > len(lines)


def test_what_was_ended_while_it_ran_is_told_the_longest_first() -> None:
    lines = lines_of(_stopped(1.0, 8.0))

    assert ["300 not run; 2 of them were ended while running", "      8.00 s  t1  n", "      1.00 s  t0  n"] == lines[
        :3
    ]
    assert not any("slowest" in line for line in lines)


def test_the_end_alone_is_what_it_came_to_and_where(checkout) -> None:
    summary = render_summary(checkout.record, locations={"journal": "j"}, end_alone=True)

    whole = render_summary(checkout.record, locations={"journal": "j"}).plain()
    assert 4 == len(summary.plain().splitlines())
    assert whole.endswith(summary.plain())


def test_a_long_place_can_be_copied_from_a_terminal_whole(checkout) -> None:
    stream = io.StringIO()
    command = "pulseq run " + "a-directory-with-a-long-name/" * 8 + "suite.yaml"
    terminal = Terminal(file=stream, width=80)

    terminal.print(render_summary(checkout.record, locations={"again": command}))

    assert command in stream.getvalue()
