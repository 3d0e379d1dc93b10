"""What failed attempts said, for the log."""

from __future__ import annotations

import logging

import pytest

from pulseq.events import AttemptFinished, AttemptStarted, TestClosed
from pulseq.models import AttemptResult, Reason, Status
from pulseq.run.failure_log import FailureLog


def _fail(log: FailureLog, test: str = "cart", task_run: str | None = "t", **more: object) -> None:
    told = {"status": Status.FAILED, "reason": Reason.ASSERTION, "error": "E   1 == 2", "duration": 0.5, **more}
    log.handle(AttemptStarted(test, "", 1, "n1", task_run))
    log.handle(AttemptFinished(AttemptResult(test, 1, "n1", **told)))  # type: ignore[arg-type]


def test_a_failure_is_told_in_its_task_run_with_what_it_wrote() -> None:
    log = FailureLog()

    _fail(log, output="checking out\n")

    (line,) = log.take()
    assert ("t", logging.ERROR) == (line.task_run, line.level)
    assert "cart: failed (assertion), attempt 1 on n1, 0.50 s\nE   1 == 2\n\noutput:\nchecking out" == line.text
    assert [] == log.take()


def test_output_that_the_error_has_is_not_told_again() -> None:
    log = FailureLog()

    _fail(log, error="exit code 3; its last output:\nno card", output="no card\n", reason=Reason.EXIT_CODE)

    assert 1 == log.take()[0].text.count("no card")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.PASSED, None), (Status.SKIPPED, Reason.XFAIL), (Status.ERROR, Reason.CANCELLED)],
)
def test_what_did_not_fail_is_not_told(status: Status, reason: Reason | None) -> None:
    log = FailureLog()

    _fail(log, status=status, reason=reason)

    assert [] == log.take()


def test_a_lost_node_is_a_warning() -> None:
    log = FailureLog()

    _fail(log, status=Status.ERROR, reason=Reason.NODE_LOST, error="node n1 was lost")

    assert [logging.WARNING] == [line.level for line in log.take()]


def test_a_test_that_no_node_fits_is_told_in_the_flow_run() -> None:
    log = FailureLog()

    log.handle(TestClosed("cart", "", Status.ERROR, Reason.UNSATISFIABLE, False, 0, None, "no node fits"))

    assert [("cart: error (unsatisfiable)\nno node fits", None)] == [(one.text, one.task_run) for one in log.take()]


def test_many_failures_are_told_up_to_a_limit_and_that_there_are_more() -> None:
    log = FailureLog(most=2)

    for number in range(9):
        _fail(log, f"t{number}")

    told = [line.text.split(":")[0] for line in log.take()]
    assert ["t0", "t1", "more went wrong"] == told


def test_hostile_words_stay_lines_of_a_log() -> None:
    log = FailureLog()

    _fail(log, "a\x1b[31m\nb", error="\x1b[2J\x00no\u202e")

    assert ["a b: failed (assertion), attempt 1 on n1, 0.50 s", "␀no\\u202e"] == log.take()[0].text.splitlines()
