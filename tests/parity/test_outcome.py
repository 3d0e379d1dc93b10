"""The counts and verdicts of pytest's record and of PulseQ's output, in the same words."""

from __future__ import annotations

import pytest

from tests.parity.outcome import neutral_name, read_summary, verdicts_of_rows, verdicts_of_tests


def test_a_test_with_two_reports_that_count_has_two_verdicts() -> None:
    tests = {"passed": ["a", "b"], "error": ["a"], "warnings": ["b"]}

    assert {"a": ("error", "passed"), "b": ("passed",)} == verdicts_of_tests(tests)


@pytest.mark.parametrize(
    ("status", "reason", "xpassed", "verdict"),
    [
        ("passed", None, None, "passed"),
        ("passed", None, "", "xpassed"),
        ("skipped", "xfail", None, "xfailed"),
        ("skipped", "skip", None, "skipped"),
        ("error", "setup", None, "error"),
    ],
)
def test_a_row_has_the_category_that_pytest_has_for_it(
    status: str, reason: str | None, xpassed: str | None, verdict: str
) -> None:
    rows = [{"test_id": "a", "status": status, "reason": reason, "xpassed": xpassed}]

    assert {"a": (verdict,)} == verdicts_of_rows(rows)


def test_the_last_line_is_read_in_the_categories_of_pytest() -> None:
    output = "1 error; 0:02 elapsed\n════ 1 failed, 3 errors, 2 passed, 1 warning in 2.54 s ═════\njournal  x\n"

    assert {"failed": 1, "error": 3, "passed": 2, "warnings": 1} == read_summary(output)


def test_what_is_xfailed_among_the_skipped_is_not_counted_twice() -> None:
    assert {"passed": 2, "skipped": 1, "xfailed": 2} == read_summary(
        "═══ 2 passed, 3 skipped (2 xfailed) in 2.54 s ═══"
    )


def test_causes_of_errors_are_not_counted_apart() -> None:
    assert {"error": 3} == read_summary("═══ 3 errors (1 without a verdict, 2 cancelled) in 1:02 min ═══")


def test_subtests_are_counted_by_their_own_categories() -> None:
    assert {"passed": 2, "subtests passed": 4} == read_summary("═══ 2 passed, 4 subtests passed in 2 s ═══")


def test_without_a_last_line_nothing_is_known() -> None:
    assert read_summary("pulseq: no such file\n") is None


@pytest.mark.parametrize(
    ("name", "neutral"),
    [
        ("allure/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f-result.json", "allure/<id>-result.json"),
        (".benchmarks/Linux/0001_20260102_030405.json", ".benchmarks/Linux/0001_<number>.json"),
        ("sub/.coverage.host.pid123.XabcdefgxH", "sub/.coverage.<part>"),
        ("coverage.xml", "coverage.xml"),
    ],
)
def test_a_neutral_name_has_nothing_that_differs_between_runs(name: str, neutral: str) -> None:
    assert neutral == neutral_name(name)
