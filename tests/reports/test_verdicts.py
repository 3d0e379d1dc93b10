"""Tests with their verdicts, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.events import TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, TestRecord
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.verdicts import ClosedTest

FAILED = (Status.FAILED, Reason.ASSERTION)
LOST = (Status.ERROR, Reason.NODE_LOST)
PASSED = (Status.PASSED, None)


def the_test(record: RunRecord) -> ClosedTest:
    [test] = RunDigest(record).tests
    return test


def test_an_attempt_lost_with_its_node_is_no_evidence(plot, tell_story: Callable) -> None:
    test = the_test(tell_story([plot("a", outcomes=(LOST, FAILED, PASSED))]).record)
    assert [result.reason for result in test.evidence] == [Reason.ASSERTION]


def test_the_first_failure_is_the_first_that_counts(plot, tell_story: Callable) -> None:
    test = the_test(tell_story([plot("a", outcomes=(LOST, FAILED, PASSED))]).record)
    assert test.first_failure == "AssertionError: assert 4 == 5"


def test_a_test_that_never_failed_has_no_first_failure(plot, tell_story: Callable) -> None:
    assert the_test(tell_story([plot("a")]).record).first_failure == ""


@pytest.mark.parametrize(
    ("counts", "said", "hides"),
    [
        ({}, "", False),
        ({"passed": 1}, "1 subtest: 1 passed", False),
        ({"passed": 2, "skipped": 1}, "3 subtests: 2 passed, 1 skipped", True),
        ({"failed": 1, "xfailed": 1, "sung": 9}, "2 subtests: 1 failed, 1 xfailed", True),
    ],
)
def test_subtests_are_said_in_a_few_words(
    plot, tell_story: Callable, counts: dict[str, int], said: str, hides: bool
) -> None:
    test = the_test(tell_story([plot("a", told={"subtests": counts})]).record)
    assert (test.said_of_subtests, test.hides_subtests) == (said, hides)


@pytest.mark.parametrize(
    ("said", "whole", "told"),
    [
        ("c\n\nd", "E  a\nb\nc\n\nd\n", "E  a\nb\nc\n\nd\n"),
        ("KeyError: 'k'", "E  KeyError: 'k'\n\na.py:3: KeyError", "E  KeyError: 'k'\n\na.py:3: KeyError"),
        (None, "E  a", "E  a"),
        ("gone", None, "gone"),
        (None, None, ""),
    ],
)
def test_a_verdict_that_has_an_errors_end_is_told_with_all_of_it(
    said: str | None, whole: str | None, told: str
) -> None:
    last = AttemptResult("a", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error=whole)
    test = TestRecord(TestPlanned("a", "", "a", "call", "medium"), {1: last})

    assert told == ClosedTest(test, TestClosed("a", "", Status.FAILED, Reason.ASSERTION, False, 1, "n1", said)).error


def test_what_kept_a_test_from_a_verdict_is_told_and_not_what_its_last_attempt_said() -> None:
    last = AttemptResult("a", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error="E  a")
    test = TestRecord(TestPlanned("a", "", "a", "call", "medium"), {1: last})

    closed = TestClosed("a", "", Status.ERROR, Reason.UNSATISFIABLE, False, 1, "n1", "no node fits")

    assert "no node fits" == ClosedTest(test, closed).error


CHAINED = "E   KeyError: 'k'\n\nDuring handling of the above exception …\n\nE   ValueError: no such key"


@pytest.mark.parametrize(
    ("said", "whole", "told"),
    [
        ("ValueError: no such key", CHAINED, "ValueError: no such key"),
        ("E  ValueError: a\nE  b\n\na.py:3", "E  ValueError: a\nE  b\n\na.py:3", "ValueError: a"),
        (None, None, ""),
    ],
)
def test_the_one_line_of_a_verdict_is_the_one_of_pytests_summary(
    said: str | None, whole: str | None, told: str
) -> None:
    last = AttemptResult("a", 1, "n1", Status.FAILED, reason=Reason.EXCEPTION, error=whole)
    test = TestRecord(TestPlanned("a", "", "a", "pytest", "medium"), {1: last})

    assert told == ClosedTest(test, TestClosed("a", "", Status.FAILED, Reason.EXCEPTION, False, 1, "n1", said)).gist()
