"""A Prefect server on PostgreSQL with the settings of `deployments/server`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.postgres import find_postgres, read_environment, run_postgres, run_prefect
from tests.system.workplace import Workplace, until

TESTS = 200
SUITE = "suite: many\ntests:\n" + "".join(f"  - {{id: t{i}, simulate: {{duration: 0}}}}\n" for i in range(TESTS))


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server on a PostgreSQL of its own."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    directory: Path = tmp_path_factory.mktemp("prefect-on-postgres")
    with run_postgres(programs) as database, run_prefect(database, directory, read_environment()) as url:
        yield url


def test_every_test_is_a_task_run_that_the_server_records(bare_workplace: Workplace, api: str) -> None:
    bare_workplace.write("many.yaml", SUITE)
    bare_workplace.environment["PREFECT_API_URL"] = api

    run = bare_workplace.run("run", "many.yaml", "-n", "2", "--granularity", "test", "--run-id", "run")

    assert run.code == 0, run.err
    passed = {"task_runs": {"state": {"name": {"any_": ["Passed"]}}}}
    until(
        lambda: httpx.post(f"{api}/task_runs/count", json=passed, timeout=60).json() == TESTS,
        "all task runs are recorded",
    )
