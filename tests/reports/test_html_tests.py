"""What a page is given of the tests of a run."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Reason, Status
from pulseq.reports.html_tests import Allowance, tell_tests
from pulseq.reports.run_digest import RunDigest

FAILED = (Status.FAILED, Reason.ASSERTION)
ERROR = (Status.ERROR, Reason.TIMEOUT)
SKIPPED = (Status.SKIPPED, Reason.SKIP)
PASSED = (Status.PASSED, None)


@given(st.lists(st.text(max_size=200)), st.integers(0, 1000))
def test_an_allowance_is_never_exceeded(texts: list[str], left: int) -> None:
    allowance = Allowance(left)
    taken = [shown for text in texts if (shown := allowance.take(text)) is not None]
    assert sum(len(shown.encode()) for shown in taken) <= left


def test_a_text_for_which_there_is_no_room_is_left_whole_or_out() -> None:
    allowance = Allowance(10)
    assert [allowance.take("x" * 8), allowance.take("y" * 8), allowance.take("zz")] == ["x" * 8, None, "zz"]


def test_a_very_long_text_keeps_its_beginning_and_its_end() -> None:
    shown = Allowance().take("first\n" + "x\n" * 100_000 + "last")
    assert shown is not None
    lines = shown.splitlines()
    assert (lines[0], lines[-1], "… 176010 characters left out …" in lines) == ("first", "last", True)


def test_rows_are_ordered_worst_first_then_slowest_first(plot, tell_story: Callable) -> None:
    plots = [
        plot("quick", 1.0),
        plot("skipped", 1.0, (SKIPPED,)),
        plot("slow", 2.0),
        plot("error", 1.0, (ERROR,)),
        plot("failed", 1.0, (FAILED,)),
    ]
    told = [row.test.name for row in tell_tests(RunDigest(tell_story(plots).record)).rows.items]
    assert told == ["failed", "error", "slow", "quick", "skipped"]


def test_a_row_says_when_and_how_long_the_deciding_attempt_ran(plot, tell_story: Callable) -> None:
    [row] = tell_tests(RunDigest(tell_story([plot("a", 65.0, (FAILED, PASSED))], {"n": (1, {})}).record)).rows.items
    assert row.started is not None
    assert row.test.last is not None
    assert (row.test.last.attempt, round(row.started), row.test.last.duration) == (2, 66, 65.0)


def test_a_test_that_never_ran_has_no_start(plot, tell_story: Callable) -> None:
    [row] = tell_tests(RunDigest(tell_story([plot("a", outcomes=())]).record)).rows.items
    assert (row.test.last, row.started) == (None, None)


def test_only_failures_that_are_told_at_length_are_linked(plot, tell_story: Callable) -> None:
    told = tell_tests(RunDigest(tell_story([plot(f"t{index:03}", outcomes=(FAILED,)) for index in range(302)]).record))
    linked = [row.anchor for row in told.rows.items if row.anchor]
    assert (300, 2, 300) == (len(told.failures.items), told.failures.more, len(linked))


def test_lists_say_how_many_more_there_are(plot, tell_story: Callable) -> None:
    told = tell_tests(RunDigest(tell_story([plot(f"t{index}", outcomes=()) for index in range(203)]).record))
    assert (200, 3) == (len(told.without_verdict.items), told.without_verdict.more)


def test_a_passed_test_with_a_warning_is_listed_with_it(plot, tell_story: Callable) -> None:
    plots = [plot("a", warnings=("no metric 'x'",)), plot("b"), plot("c", outcomes=(FAILED,), warnings=("told there",))]
    told = tell_tests(RunDigest(tell_story(plots).record))
    assert [("a", "no metric 'x'")] == [(one.name, *one.warnings) for one in told.warned.items]


def test_output_that_the_error_holds_already_is_not_told_again(plot, tell_story: Callable) -> None:
    told = tell_tests(RunDigest(tell_story([plot("a", outcomes=(FAILED,), error="x said y", output="said")]).record))
    [failure] = told.failures.items
    assert (failure.error, failure.output) == ("x said y", "")
