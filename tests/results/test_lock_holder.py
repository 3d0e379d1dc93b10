"""Who has a database open, as DuckDB tells it (tests/results/test_database.py has the real thing)."""

from __future__ import annotations

import pytest

from pulseq.results.lock_holder import name_holder

SET = 'IO Error: Could not set lock on file "/a/results.duckdb": '


@pytest.mark.parametrize(
    ("said", "holder"),
    [
        (
            f"{SET}Conflicting lock is held in /usr/bin/python3.11 (PID 4711) by user ada. See",
            "process 4711 (python3.11)",
        ),
        (f"{SET}Conflicting lock is held in unknown (PID 12). See", "process 12 (unknown)"),
        (f"{SET}Lock is already held in current process, likely another DuckDB instance", "this process itself"),
        ("Can't open with different configuration than existing connections", "this process itself"),
        (f"{SET}Resource temporarily unavailable", "another process"),
    ],
)
def test_the_holder_is_named_as_far_as_it_is_known(said: str, holder: str) -> None:
    assert name_holder(said).startswith(holder)
