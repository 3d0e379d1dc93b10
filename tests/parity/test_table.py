"""The table for people and the JSON for programs."""

from __future__ import annotations

import json

from tests.parity.check import Checked, Compared, compare_modes, leave_out_unstable
from tests.parity.outcome import Outcome
from tests.parity.suite import Suite
from tests.parity.table import describe_checked, render_table

_SUITE = Suite("shop", (), plugins=("cov",))
_PYTEST = Outcome("pytest", 1.0, 0, {"passed": 2}, {"a": ("passed",), "b": ("passed",)})
_OURS = Outcome("pulseq fork", 2.04, 1, {"passed": 1, "failed": 1}, {"a": ("passed",), "b": ("failed",)})


def test_each_mode_has_a_row_with_counts_and_seconds() -> None:
    rows = [line for line in render_table([compare_modes(_SUITE, _PYTEST, [_OURS])]).splitlines() if line[:1] == "|"]

    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert ["suite", "plug-ins", "mode", "exit", "counts", "seconds", "equal"] == cells[0]
    assert ["shop", "cov", "pytest", "0", "2 passed", "1.0", "–"] == cells[2]
    assert ["shop", "cov", "pulseq fork", "1", "1 failed, 1 passed", "2.0", "4 differ"] == cells[3]


def test_below_the_table_stands_each_difference() -> None:
    assert "  test:b: passed → failed" in render_table([compare_modes(_SUITE, _PYTEST, [_OURS])]).splitlines()


def test_a_difference_that_pytest_xdist_has_too_says_so() -> None:
    theirs = Outcome("xdist", 1.0, 1, _OURS.counts, _OURS.verdicts)

    assert "  exit: 0 → 1 (as pytest-xdist)" in render_table([compare_modes(_SUITE, _PYTEST, [theirs, _OURS])])


def test_a_difference_of_pytest_xdist_does_not_fail_a_suite() -> None:
    theirs = Outcome("xdist", 1.0, 1)

    assert not compare_modes(_SUITE, _PYTEST, [theirs]).fails
    assert compare_modes(_SUITE, _PYTEST, [_OURS]).fails


def test_a_test_that_pytest_does_not_repeat_is_told_as_unstable() -> None:
    checked = leave_out_unstable(compare_modes(_SUITE, _PYTEST, [_OURS]), _OURS)

    assert not checked.fails
    assert "shop + cov: unstable in pytest itself: b" in render_table([checked])


def test_a_suite_that_cannot_be_installed_fails_and_says_why() -> None:
    checked = Checked(_SUITE, failure="no network\nat all")

    assert checked.fails
    assert "shop + cov: not compared: no network\nat all" in render_table([checked])


def test_a_suite_is_ready_for_json() -> None:
    described = describe_checked(Checked(_SUITE, (Compared(_PYTEST),), frozenset({"b"})))

    assert described == json.loads(json.dumps(described))
    assert [{"passed": 2}] == [mode["counts"] for mode in described["modes"]]
