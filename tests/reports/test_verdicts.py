"""Tests with their verdicts, sorted apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.events import TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import TestRecord
from pulseq.reports.verdicts import (
    error_of,
    evidence,
    gist_of,
    judged,
    kept_from_verdict,
    own_failures,
    say_first_failure,
    verdicts_of,
)

FAILED = (Status.FAILED, Reason.ASSERTION)
LOST = (Status.ERROR, Reason.NODE_LOST)
PASSED = (Status.PASSED, None)


@pytest.mark.parametrize(
    ("reason", "sorted_into"),
    [
        (Reason.TIMEOUT, [own_failures, judged]),
        (Reason.SETUP, [own_failures, judged]),
        (Reason.NODE_LOST, [kept_from_verdict, judged]),
        (Reason.UNSATISFIABLE, [kept_from_verdict, judged]),
        (Reason.INTERNAL, [kept_from_verdict, judged]),
        (Reason.CANCELLED, []),
    ],
)
def test_an_error_is_the_tests_own_or_it_was_kept_from_a_verdict_or_not_run(
    plot, tell_story: Callable, reason: Reason, sorted_into: list[Callable]
) -> None:
    verdicts = verdicts_of(tell_story([plot("a", outcomes=((Status.ERROR, reason),))]).record)
    assert sorted_into == [sort for sort in (own_failures, kept_from_verdict, judged) if sort(verdicts)]


def test_an_attempt_lost_with_its_node_is_no_evidence(plot, tell_story: Callable) -> None:
    [(test, _)] = verdicts_of(tell_story([plot("a", outcomes=(LOST, FAILED, PASSED))]).record)
    assert [result.reason for result in evidence(test)] == [Reason.ASSERTION]


def test_the_first_failure_is_the_first_that_counts(plot, tell_story: Callable) -> None:
    [(test, _)] = verdicts_of(tell_story([plot("a", outcomes=(LOST, FAILED, PASSED))]).record)
    assert say_first_failure(test) == "AssertionError: assert 4 == 5"


def test_a_test_that_never_failed_has_no_first_failure(plot, tell_story: Callable) -> None:
    [(test, _)] = verdicts_of(tell_story([plot("a")]).record)
    assert say_first_failure(test) == ""


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

    assert told == error_of(test, TestClosed("a", "", Status.FAILED, Reason.ASSERTION, False, 1, "n1", said))


def test_what_kept_a_test_from_a_verdict_is_told_and_not_what_its_last_attempt_said() -> None:
    last = AttemptResult("a", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error="E  a")
    test = TestRecord(TestPlanned("a", "", "a", "call", "medium"), {1: last})

    said = error_of(test, TestClosed("a", "", Status.ERROR, Reason.UNSATISFIABLE, False, 1, "n1", "no node fits"))

    assert "no node fits" == said


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

    assert told == gist_of(test, TestClosed("a", "", Status.FAILED, Reason.EXCEPTION, False, 1, "n1", said))
