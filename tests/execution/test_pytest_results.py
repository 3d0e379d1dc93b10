"""From a runner's words to results: what is optional, what is bounded, what came before the last attempt."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.execution.pytest_results import (
    attempt_result,
    attempt_results,
    collection_of,
    late_result,
    session_result,
)
from pulseq.models import PytestWarning, Reason, Status
from pulseq.pytest_sessions import PytestOrder, SessionResult

ORDER = PytestOrder("unit::t.py::test_a", "v", "t.py::test_a", attempt=2)
WARNING = {"category": "DeprecationWarning", "message": "old", "location": "t.py:3", "when": "runtest"}


def done(**more: Any) -> dict[str, Any]:
    measured = {"duration": 1.0, "response_time": 1.0, "memory": 2.0, "cpu": 3.0, "started_at": 100.0, "metrics": {}}
    told = {"status": "passed", "reason": None, "error": None, "output": "", "output_bytes": 0, "warnings": []}
    return measured | told | more


def rerun(**more: Any) -> dict[str, Any]:
    told = {"status": "failed", "reason": "assertion", "error": "E no", "output": "é", "duration": 0.5}
    return told | {"started_at": 90.0} | more


def test_a_runner_that_tells_nothing_more_leaves_the_rest_empty() -> None:
    result = attempt_result(ORDER, "n", done())
    assert (result.pytest_warnings, result.xpassed, result.properties, result.subtests) == ((), None, (), {})
    assert attempt_results(ORDER, "n", done()) == (result,)


def test_what_pytest_recorded_of_an_item_is_kept() -> None:
    result = attempt_result(
        ORDER,
        "n",
        done(
            pytest_warnings=[WARNING],
            xpassed="",
            properties=[["property", "ticket", "7"], ["attribute", "owner", "me"]],
            subtests={"passed": 2, "failed": 0, "skipped": 1, "xfailed": 0},
        ),
    )
    assert result.pytest_warnings == (PytestWarning("DeprecationWarning", "old", "t.py:3", "runtest"),)
    assert (result.xpassed, result.subtests) == ("", {"passed": 2, "skipped": 1})
    assert result.properties == (("property", "ticket", "7"), ("attribute", "owner", "me"))


def test_what_was_measured_is_not_overwritten_by_an_item() -> None:
    result = attempt_result(ORDER, "n", done(metrics={"response_time": 9.0, "rows": 7.0}))
    assert (result.metrics["response_time"], result.metrics["rows"]) == (1.0, 7.0)
    assert result.warnings[0].startswith("the metric 'response_time' is measured by PulseQ")


def test_what_a_test_records_without_end_is_bounded() -> None:
    result = attempt_result(
        ORDER,
        "n",
        done(
            pytest_warnings=[WARNING | {"message": "x" * 5_000}] * 150,
            properties=[["property", "name", "y" * 50_000]] * 150,
            xpassed="z" * 5_000,
        ),
    )
    assert (len(result.pytest_warnings), len(result.pytest_warnings[0].message)) == (100, 2_000)
    assert (len(result.properties), len(result.properties[0][2])) == (100, 10_000)
    assert result.xpassed == "z" * 1_999 + "…"


def test_attempts_of_a_plug_in_come_first_and_the_last_one_counts() -> None:
    results = attempt_results(ORDER, "n", done(reruns=[rerun(), rerun(status="error", reason="setup")]))
    expected = [
        (2, Status.FAILED, Reason.ASSERTION, True),
        (3, Status.ERROR, Reason.SETUP, True),
        (4, Status.PASSED, None, False),
    ]
    assert expected == [(one.attempt, one.status, one.reason, one.rerun) for one in results]


def test_an_attempt_of_a_plug_in_has_its_own_words_and_times() -> None:
    first, _ = attempt_results(ORDER, "n", done(reruns=[rerun()]))
    told = (first.key, first.error, first.output, first.output_bytes, first.started_at, first.duration)
    assert told == (("unit::t.py::test_a", "v"), "E no", "é", 2, 90.0, 0.5)


@pytest.mark.parametrize(
    ("own", "late", "expected"),
    [
        (("passed", None, None), ("passed", None, None), ("passed", None)),
        (("passed", None, None), ("skipped", "skip", "later"), ("skipped", "later")),
        (("passed", None, None), ("error", "setup", "later"), ("error", "later")),
        (("skipped", "skip", "why"), ("skipped", "skip", "later"), ("skipped", "why")),
        (("skipped", "skip", "why"), ("error", "setup", "later"), ("error", "later")),
        (("error", "setup", "first"), ("error", "setup", "later"), ("error", "first\n\nlater")),
        (("failed", "assertion", "first"), ("error", "setup", "later"), ("failed", "first\n\nlater")),
        (("failed", "assertion", "first"), ("skipped", "skip", "later"), ("failed", "first")),
    ],
)
def test_a_late_teardown_leaves_the_worse_of_both(
    own: tuple[Any, ...], late: tuple[Any, ...], expected: tuple[Any, ...]
) -> None:
    before, after = (done(**dict(zip(("status", "reason", "error"), told, strict=True))) for told in (own, late))

    result = late_result(attempt_result(ORDER, "n", before), after)

    assert expected == (result.status.value, result.error)


def test_what_a_late_teardown_says_follows_on_what_the_test_said() -> None:
    first = attempt_result(ORDER, "n", done(output="é", output_bytes=2, warnings=["a"], pytest_warnings=[WARNING]))

    result = late_result(first, done(output="ö", warnings=["b"], pytest_warnings=[WARNING] * 150))

    assert ("é\nö", 4, ("a", "b")) == (result.output, result.output_bytes, result.warnings)
    assert len(result.pytest_warnings) == 100


def test_a_collection_has_its_warnings() -> None:
    message = {"items": [], "verdicts": [], "deselected": 4, "ordered": True, "seconds": 1.0}
    warned = collection_of(message | {"warnings": [WARNING | {"when": "collect"}]})
    assert collection_of(message).warnings == ()
    assert collection_of(message).ordered
    assert warned.warnings == (PytestWarning("DeprecationWarning", "old", "t.py:3", "collect"),)


def test_the_end_of_a_session_is_told_and_bounded() -> None:
    summary, properties = "x" * 300_000, [["build", "7"]]
    message = {"exit_status": 1, "error": "coverage is 3 %", "summary": summary, "warnings": [WARNING]}
    plain, told = session_result({"exit_status": 0}), session_result(message | {"properties": properties})
    assert plain == SessionResult(0)
    assert (told.exit_status, told.error, len(told.summary)) == (1, "coverage is 3 %", 200_000)
    assert (told.warnings, told.properties) == ((PytestWarning(**WARNING),), (("build", "7"),))
