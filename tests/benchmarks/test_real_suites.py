"""What was counted on either side of a real suite."""

from __future__ import annotations

import pytest

from tests.benchmarks.rows.real_suites import SUITES, SuiteRun, check_counts, read_counts


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("6766 passed, 81 skipped, 1 xfailed, 3 warnings in 87.20s (0:01:27)", (6766, 0, 0, 82)),
        ("= 1 failed, 2 passed, 1 xpassed, 1 error in 0.10s =", (3, 1, 1, 0)),
        ("2 passed, 4 deselected, 2 errors in 1.00s", (2, 0, 2, 0)),
        ("no tests ran in 0.01s", (0, 0, 0, 0)),
    ],
)
def test_the_last_line_of_pytest_is_counted_in_our_words(line: str, counts: tuple[int, ...]) -> None:
    assert counts == read_counts(f"7 passed in a line before\n{line}\n")


def test_equal_counts_are_told_once() -> None:
    run = SuiteRun(1.0, (5, 1, 0, 2))

    assert "5 passed, 1 failed, 0 errors, 2 skipped" == check_counts({"ours": [run], "theirs": [run, run]})


def test_counts_that_differ_are_refused_with_all_of_them() -> None:
    with pytest.raises(
        RuntimeError, match=r"the counts differ: .*'ours', \[\(5, 0, 0, 0\)\].*'theirs', \[\(4, 1, 0, 0\)\]"
    ):
        check_counts({"ours": [SuiteRun(1.0, (5, 0, 0, 0))], "theirs": [SuiteRun(1.0, (4, 1, 0, 0))]})


def test_rows_of_suites_carry_the_suite_and_its_bound() -> None:
    told = {row.name: str(row.goal) for suite in SUITES for row in suite.rows if row.goal}

    assert "≤ 0.8" == told["networkx-one-node"]
    assert {"≤ 1"} == {goal for name, goal in told.items() if name.endswith("-interpreters")}
    others = {name: goal for name, goal in told.items() if not name.endswith("-interpreters")}
    assert {"≤ 0.9"} == {goal for name, goal in others.items() if not name.startswith("networkx")}
