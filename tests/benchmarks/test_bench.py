"""What every row measures with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.bench import Bench, clean_environment, run_command
from tests.benchmarks.environments import Environments


def _bench(path: Path, *, quick: bool = False) -> Bench:
    return Bench(3, quick, path, Environments(path / "environments"), frozenset({"asked"}))


def test_sides_take_turns(tmp_path: Path) -> None:
    turns: list[str] = []

    def side(name: str) -> int:
        turns.append(name)
        return len(turns)

    samples = _bench(tmp_path).interleave(lambda: side("a"), lambda: side("b"))

    assert list("ababab") == turns
    assert [[1, 3, 5], [2, 4, 6]] == samples


@pytest.mark.parametrize(("quick", "size"), [(True, 5), (False, 500)])
def test_quick_takes_the_small_size(tmp_path: Path, quick: bool, size: int) -> None:
    assert size == _bench(tmp_path, quick=quick).size(500, 5)


def test_a_group_is_wanted_where_one_of_its_rows_is(tmp_path: Path) -> None:
    bench = _bench(tmp_path)

    assert bench.wants("other", "asked")
    assert not bench.wants("other")


def test_settings_of_the_caller_do_not_reach_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEQ_HOME", "elsewhere")
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere")

    assert {"PULSEQ_HOME": "here"} == {
        name: value
        for name, value in clean_environment(PULSEQ_HOME="here").items()
        if name in ("PULSEQ_HOME", "PREFECT_API_URL")
    }


def test_a_command_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nwhy it did$"):
        run_command([sys.executable, "-c", "print('why it did'); raise SystemExit(3)"], cwd=tmp_path)


def test_a_code_that_is_accepted_is_no_failure(tmp_path: Path) -> None:
    assert 3 == run_command([sys.executable, "-c", "raise SystemExit(3)"], cwd=tmp_path, accept=(0, 3)).returncode
