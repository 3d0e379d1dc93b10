"""The command line of the benchmarks, and rows that cannot be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import __main__ as main_module
from tests.benchmarks.__main__ import GROUPS, NAMES, ON_DEMAND, Group, end_by_signal, measure_rows, read_arguments
from tests.benchmarks.bench import Bench
from tests.benchmarks.environments import Environments
from tests.benchmarks.row import CannotMeasureError, Measured, Row, Samples
from tests.benchmarks.rows import limits


def test_all_rows_are_measured_but_those_that_look_for_limits() -> None:
    assert [name for name in NAMES if name not in ON_DEMAND] == read_arguments([]).rows


def test_limits_stands_for_the_rows_that_look_for_limits() -> None:
    names = [row.name for row in limits.ROWS]
    assert ["plan-seconds", *names] == read_arguments(["--rows", "plan-seconds,limits"]).rows


def test_no_two_rows_have_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert sum(len(group.rows) for group in GROUPS) == len(NAMES)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rows", "dispatch,dispach"], "--rows: found dispach, expected some of"),
        (["--repeat", "0"], "--repeat: found 0, expected at least 1"),
        (["--repeat", "often"], "--repeat: invalid int value"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        read_arguments(arguments)

    assert 2 == refusal.value.code
    assert told in capsys.readouterr().err


def test_a_row_that_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = (Row(name, "work", "against", "s", None) for name in ("bad", "good"))

    def fail(bench: Bench) -> Measured:
        raise RuntimeError("it broke")

    def succeed(bench: Bench) -> Measured:
        return {"good": Samples({"run": [1.0]}, {"run": [2.0]})}

    monkeypatch.setattr(main_module, "GROUPS", (Group((bad,), fail), Group((good,), succeed)))
    bench = Bench(1, True, tmp_path, Environments(tmp_path), frozenset({"bad", "good"}))
    failures: list[str] = []

    outcomes = list(measure_rows(bench, failures, []))

    assert ["good"] == [outcome.row.name for outcome in outcomes]
    assert ["bad: it broke"] == failures


def test_a_row_that_cannot_be_measured_is_told_with_its_reason_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(bench: Bench) -> Measured:
        raise CannotMeasureError("only root makes hosts")

    monkeypatch.setattr(main_module, "GROUPS", (Group((Row("one", "work", "against", "s", None),), measure),))
    skipped: list[str] = []

    assert [] == list(measure_rows(Bench(1, True, tmp_path, Environments(tmp_path), frozenset({"one"})), [], skipped))
    assert ["one: not measured: only root makes hosts"] == skipped


def test_a_signal_ends_it_by_way_of_what_has_to_be_ended() -> None:
    with pytest.raises(SystemExit) as end:
        end_by_signal(15, None)

    assert 143 == end.value.code
