"""What counts as a difference between two outcomes."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import Difference, find_differences, unstable_tests, without_unstable
from tests.parity.outcome import Outcome


def outcome(**fields: Any) -> Outcome:
    usual: dict[str, Any] = {"mode": "pulseq", "seconds": 1.0, "exit_code": 0}
    return Outcome(**(usual | fields))


def test_equal_outcomes_have_no_difference() -> None:
    one = outcome(counts={"passed": 1}, verdicts={"a": ("passed",)}, files=("x",), reports={"r": [1]})

    assert find_differences(one, one) == []


def test_seconds_are_no_difference() -> None:
    assert find_differences(outcome(seconds=1.0), outcome(seconds=9.0)) == []


def test_exit_codes_differ() -> None:
    assert [Difference("exit", "1", "0")] == find_differences(outcome(exit_code=1), outcome())


def test_each_category_of_the_summary_is_compared() -> None:
    found = find_differences(outcome(counts={"passed": 2, "warnings": 1}), outcome(counts={"passed": 1, "rerun": 1}))

    assert ["counts:passed", "counts:warnings", "counts:rerun"] == [difference.what for difference in found]


def test_a_test_that_is_not_there_differs() -> None:
    found = find_differences(outcome(verdicts={"a": ("passed",)}), outcome(verdicts={"b": ("failed",)}))

    assert [Difference("test:a", "passed", "absent"), Difference("test:b", "absent", "failed")] == found


def test_one_verdict_of_two_is_one_difference_with_a_name_of_its_own() -> None:
    pytest_side = outcome(counts={"passed": 2, "error": 1}, verdicts={"a": ("error", "passed"), "b": ("passed",)})
    ours = outcome(counts={"passed": 1, "error": 1}, verdicts={"a": ("error",), "b": ("passed",)})

    assert [Difference("one-verdict", "2 passed, 1 error", "1 passed, 1 error")] == find_differences(pytest_side, ours)


def test_a_lesser_verdict_of_two_is_a_difference() -> None:
    found = find_differences(outcome(verdicts={"a": ("error", "passed")}), outcome(verdicts={"a": ("passed",)}))

    assert [Difference("test:a", "error + passed", "passed")] == found


def test_two_verdicts_on_both_sides_are_equal() -> None:
    both = outcome(counts={"passed": 1, "error": 1}, verdicts={"a": ("error", "passed")})

    assert find_differences(both, both) == []


def test_an_id_that_pytest_has_twice_is_looked_for_twice() -> None:
    found = find_differences(outcome(verdicts={"a": ("passed", "passed")}), outcome(verdicts={"a": ("passed",)}))

    assert [Difference("test:a", "passed + passed", "passed")] == found


def test_the_row_of_the_session_is_not_counted_but_told() -> None:
    ours = outcome(counts={"passed": 1, "error": 1}, verdicts={"a": ("passed",), "pytest::[session]": ("error",)})

    found = find_differences(outcome(counts={"passed": 1}, verdicts={"a": ("passed",)}), ours)

    assert [Difference("test:pytest::[session]", "absent", "error")] == found


def test_a_file_is_looked_for_as_often_as_it_was_left() -> None:
    found = find_differences(outcome(files=("a", "b", "b")), outcome(files=("b", "c")))

    assert [
        Difference("file:a", "1", "0"),
        Difference("file:b", "2", "1"),
        Difference("file:c", "0", "1"),
    ] == found


def test_of_a_report_only_what_differs_is_told() -> None:
    found = find_differences(outcome(reports={"r": {"a": 1, "b": 2}}), outcome(reports={"r": {"a": 1, "b": 3}}))

    assert [Difference("report:r", '{"b": 2}', '{"b": 3}')] == found


def test_a_run_that_did_not_end_is_the_one_difference() -> None:
    assert [Difference("run", "ended", "too slow")] == find_differences(outcome(), outcome(failure="too slow"))


def test_a_run_without_any_test_is_the_one_difference_and_says_what_it_said() -> None:
    found = find_differences(outcome(verdicts={"a": ("passed",)}), outcome(exit_code=10, output="no nodes\n"))

    assert [Difference("run", "exit 0, 1 tests", "exit 10, no test: no nodes")] == found


def test_what_pytest_does_differently_twice_is_unstable_and_no_difference() -> None:
    first = outcome(counts={"passed": 1, "failed": 1}, verdicts={"a": ("passed",), "b": ("failed",)}, exit_code=1)
    second = outcome(counts={"passed": 2}, verdicts={"a": ("passed",), "b": ("passed",)})

    assert {"b"} == unstable_tests(first, second)
    assert without_unstable(find_differences(first, second), first, second) == []


def test_what_pytest_does_alike_twice_stays_a_difference() -> None:
    first, ours = outcome(verdicts={"a": ("passed",)}), outcome(verdicts={"a": ("failed",)})

    assert [Difference("test:a", "passed", "failed")] == without_unstable(find_differences(first, ours), first, first)
