from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import AttemptFinished, AttemptStarted, Event, RunFinished, TestClosed, TestExpanded, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.codec import Entry
from pulseq.results.staging import Batch, clean, json_text, microseconds

PLANNED = TestPlanned("a", "", "a", "call", "low")
STARTED = AttemptStarted("a", "", 1, "n", "task")


def rows(*events: Event) -> dict[str, Any]:
    batch = Batch()
    for seq, event in enumerate(events, 1):
        batch.add(Entry(seq, 5.0, event, 0))
    return dict(batch.rows())


def finished(status: Status, reason: Reason | None = None) -> AttemptFinished:
    return AttemptFinished(AttemptResult("a", 1, "n", status, reason=reason))


def test_a_batch_of_nothing_has_no_rows() -> None:
    assert rows() == {}


def test_an_attempt_that_ended_is_not_running() -> None:
    assert list(rows(STARTED, finished(Status.PASSED))) == ["odd_attempts"]


def test_an_attempt_names_the_task_run_that_carried_it() -> None:
    (row,) = rows(STARTED, finished(Status.PASSED))["odd_attempts"]
    assert row[-6] == "task"


def test_the_later_result_of_an_attempt_replaces_the_earlier() -> None:
    staged = rows(finished(Status.PASSED), finished(Status.ERROR, Reason.SETUP))["odd_attempts"]
    assert [(row[0], row[6]) for row in staged] == [(2, "error")]


@pytest.mark.parametrize("reason", [Reason.NODE_LOST, Reason.CANCELLED])
def test_what_comes_after_an_attempt_was_given_up_is_late(reason: Reason) -> None:
    staged = rows(finished(Status.ERROR, reason), finished(Status.PASSED))["odd_attempts"]
    assert [(row[1], row[6]) for row in staged] == [(False, "error"), (True, "passed")]


def test_an_expanded_entry_takes_all_of_its_rows_with_it() -> None:
    closed = TestClosed("a", "", Status.PASSED, None, False, 1)
    staged = rows(PLANNED, STARTED, finished(Status.PASSED), closed, STARTED, TestExpanded("a", "", 3))
    assert staged == {"stage_expanded": [("a", "")]}


def test_nothing_runs_after_the_end_of_the_run() -> None:
    assert rows(STARTED, RunFinished(1.0, 1.0, 2, "interrupted")) == {}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, 0), (1.5, 1_500_000), (-1.0, -1_000_000), (1e300, None), (-1e300, None), (float("nan"), None)],
)
def test_seconds_become_microseconds_where_a_calendar_has_them(seconds: float, expected: int | None) -> None:
    assert microseconds(seconds) == expected


@given(st.text(st.characters()))
def test_cleaned_text_is_utf_8_and_clean_already(text: str) -> None:
    assert clean(clean(text)) == clean(text).encode().decode()


def test_json_text_is_clean_in_keys_and_values() -> None:
    assert json_text({"\ud800": ["\udc80", {"é": 1}]}) == '{"\\\\ud800":["\\\\udc80",{"é":1}]}'
