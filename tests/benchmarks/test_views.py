"""What views are compared with answers what they answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.results.database import Database
from tests.benchmarks.bench import Bench
from tests.benchmarks.environments import Environments
from tests.benchmarks.rows.views import METRICS, RUNS, compare, fill


@pytest.mark.parametrize("row", [RUNS, METRICS])
def test_a_view_and_the_sql_by_hand_answer_the_same(tmp_path: Path, row: str) -> None:
    database = Database(tmp_path / "results.duckdb")
    fill(database, 400)
    bench = Bench(1, True, tmp_path, Environments(tmp_path / "environments"), frozenset({row}))

    with database.read() as connection:
        samples = compare(bench, connection, row, "")

    assert [1, 1] == [len(samples.ours["view"]), len(samples.theirs["by hand"])]
