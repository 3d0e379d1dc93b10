from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.events import AttemptFinished, AttemptStarted, PrefectRunKnown, RunFinished, TestClosed
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.flow_runs import fold_flow_runs, is_being_written, read_flow_runs
from pulseq.results.journal import JournalWriter

FLOW = PrefectRunKnown("flow", None)
END = RunFinished(2.0, 1.0, 0, "passed")


def _start(test: str, task_run: str | None, attempt: int = 1) -> AttemptStarted:
    return AttemptStarted(test, "", attempt, "n", task_run)


def _finish(
    test: str, status: Status = Status.PASSED, reason: Reason | None = None, attempt: int = 1
) -> AttemptFinished:
    return AttemptFinished(AttemptResult(test, attempt, "n", status, reason=reason))


def test_a_task_run_has_the_results_of_its_tests() -> None:
    (story,) = fold_flow_runs([FLOW, _start("a", "t"), _finish("a"), _start("b", "t"), _finish("b"), END])

    assert {("a", ""): Status.PASSED, ("b", ""): Status.PASSED} == {
        key: result and result.status for key, result in story.task_runs["t"].results.items()
    }
    assert (END, False) == (story.finished, story.task_runs["t"].retried)


def test_the_last_attempt_of_a_task_run_counts() -> None:
    events = [_start("a", "t"), _finish("a", Status.FAILED), _start("a", "t", 2), _finish("a", attempt=2)]

    task_run = fold_flow_runs([FLOW, *events])[0].task_runs["t"]

    assert (True, [Status.PASSED]) == (
        task_run.retried,
        [result and result.status for result in task_run.results.values()],
    )


def test_a_test_that_failed_in_another_task_run_is_retried_but_one_that_lost_its_node_is_not() -> None:
    failed = [_start("a", "t"), _start("b", "t"), _finish("a", Status.FAILED, Reason.ASSERTION)]
    lost = [_finish("b", Status.ERROR, Reason.NODE_LOST)]
    again = [_start("a", "u", 2), _finish("a", attempt=2), _start("b", "v", 2), _finish("b", attempt=2)]

    task_runs = fold_flow_runs([FLOW, *failed, *lost, *again])[0].task_runs

    assert {"t": False, "u": True, "v": False} == {id: story.retried for id, story in task_runs.items()}


def test_an_attempt_that_was_given_up_stays_so_whatever_comes_late() -> None:
    events = [_start("a", "t"), _finish("a", Status.ERROR, Reason.NODE_LOST), _start("a", "u", 2), _finish("a")]

    story = fold_flow_runs([FLOW, *events])[0]

    assert [Reason.NODE_LOST] == [result and result.reason for result in story.task_runs["t"].results.values()]
    assert [None] == [*story.task_runs["u"].results.values()]


def test_a_teardown_that_fails_later_counts() -> None:
    events = [_start("a", "t"), _finish("a"), _finish("a", Status.ERROR, Reason.SETUP)]

    assert [Status.ERROR] == [
        result and result.status for result in fold_flow_runs([FLOW, *events])[0].task_runs["t"].results.values()
    ]


def test_a_resumed_run_has_two_flow_runs_each_with_its_own() -> None:
    closed = TestClosed("b", "", Status.PASSED, None, False, 1)
    first, second = fold_flow_runs(
        [FLOW, _start("a", "t"), PrefectRunKnown("again", None), _start("b", "u"), _finish("b"), closed, END]
    )

    assert ({"t"}, None, {}) == (set(first.task_runs), first.finished, first.verdicts)
    assert ({"u"}, END, {("b", ""): closed}) == (set(second.task_runs), second.finished, second.verdicts)


def test_what_was_in_no_task_run_is_none_of_prefects() -> None:
    assert {} == fold_flow_runs([FLOW, _start("a", None), _finish("a"), _finish("b")])[0].task_runs
    assert [] == fold_flow_runs([_start("a", "t")])


def test_a_task_run_is_named_after_its_test_or_its_files_and_its_node() -> None:
    alone, pack, wide = (
        fold_flow_runs([FLOW, *(_start(test, "t") for test in tests)])[0].task_runs["t"].name
        for tests in (["a"], ["test_x.py::one", "test_x.py::two"], ["test_x.py::one", "test_y.py::one"])
    )

    assert ("a @ n", "test_x.py (2 tests) @ n", "test_x.py and 1 more file (2 tests) @ n") == (alone, pack, wide)


def test_a_journal_is_being_written_as_long_as_its_driver_has_it(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with JournalWriter(journal) as writer:
        writer.append(FLOW)
        writer.commit()
        assert is_being_written(journal)

    assert not is_being_written(journal)
    assert ["flow"] == [story.id for story in read_flow_runs(journal)]


def test_a_journal_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_flow_runs(tmp_path / "journal.jsonl")
