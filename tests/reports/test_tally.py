"""Counting verdicts."""

from __future__ import annotations

from pulseq.events import EntryCollected, SessionFinished, TestClosed
from pulseq.models import PytestWarning, Reason, Status
from pulseq.reports.tally import Tally, count_closed, count_verdicts

PASSED = TestClosed("a", "", Status.PASSED, None, False, 1)
FLAKY = TestClosed("b", "", Status.PASSED, None, True, 2)
XFAILED = TestClosed("c", "", Status.SKIPPED, Reason.XFAIL, False, 1)
LOST = TestClosed("d", "", Status.ERROR, Reason.NODE_LOST, False, 2)
CANCELLED = TestClosed("e", "", Status.ERROR, Reason.CANCELLED, False, 1)


def tally_of(*verdicts: TestClosed) -> Tally:
    tally = Tally()
    for closed in verdicts:
        tally.add(closed)
    return tally


def test_every_verdict_is_counted_once_and_its_kind_again() -> None:
    expected = Tally(passed=2, errors=1, skipped=1, not_run=1, xfailed=1, flaky=1, no_verdict=1)
    assert expected == tally_of(PASSED, FLAKY, XFAILED, LOST, CANCELLED)


def test_the_total_counts_no_test_twice_and_none_that_was_not_run() -> None:
    tally = tally_of(PASSED, FLAKY, XFAILED, LOST, CANCELLED)
    assert (4, 5) == (tally.total, tally.closed)


def test_a_verdict_that_is_taken_back_leaves_no_trace() -> None:
    tally = tally_of(FLAKY, LOST, CANCELLED)
    for closed in (FLAKY, LOST, CANCELLED):
        tally.add(closed, -1)
    assert Tally() == tally


def test_the_words_name_the_worst_first_and_why_errors_are_none_of_the_tests() -> None:
    words = [said for _, said in tally_of(PASSED, FLAKY, XFAILED, LOST, CANCELLED).words()]
    assert ["1 error (1 without a verdict)", "2 passed", "1 xfailed", "1 flaky", "1 not run"] == words


def test_short_words_are_the_counts_alone() -> None:
    words = [said for _, said in tally_of(LOST, XFAILED).words(short=True)]
    assert words == ["1 error", "1 xfailed"]


def test_the_words_are_pytests_and_leave_out_what_is_zero() -> None:
    tally = Tally(passed=4, failed=1, skipped=3, xfailed=1, xpassed=1, deselected=4, warnings=12, reruns=1)
    words = ", ".join(said for _, said in tally.words())
    assert words == "1 failed, 3 passed, 2 skipped, 1 xfailed, 1 xpassed, 4 deselected, 12 warnings, 1 rerun"
    assert [said for _, said in Tally(warnings=1).words()] == ["1 warning"]


def test_what_pytest_tells_besides_is_counted_from_the_record(plot, tell_story) -> None:
    warning = PytestWarning("UserWarning", "w")
    record = tell_story(
        [
            plot("a", told={"xpassed": "", "pytest_warnings": (warning, warning)}),
            plot("b", outcomes=((Status.FAILED, Reason.ASSERTION),), told={"xpassed": "not any more", "rerun": True}),
        ]
    ).record
    for node in ("n1", "n2"):
        record.apply(EntryCollected("unit", node, 2, 3, (warning,)))
    record.apply(SessionFinished("unit", "n1", 0, warnings=(warning,), categories=(("quarantined", 2),)))
    record.apply(SessionFinished("unit", "n2", 0, categories=(("known", 1), ("quarantined", 3))))
    tally = count_verdicts(record)
    assert (tally.xpassed, tally.deselected, tally.warnings, tally.reruns) == (1, 3, 4, 1)
    assert [words for _, words in tally.words()][-2:] == ["5 quarantined", "1 known"]


def test_a_record_is_counted_by_its_closed_tests(checkout) -> None:
    closed = [test.closed for test in checkout.record.tests.values() if test.closed]
    assert closed
    assert count_closed(closed) == count_verdicts(checkout.record)


def test_what_is_said_of_no_verdict_at_all() -> None:
    assert "no test has a verdict" == Tally().say()
    assert "1 not run" == tally_of(CANCELLED).say()
