"""Several runs, one database, and people who look at it meanwhile."""

from __future__ import annotations

import threading

import duckdb
import pytest

from tests.system.workplace import Workplace, finish, until


def _suite(workplace: Workplace, tests: int) -> str:
    lines = "".join(f"  - {{id: t{i}, simulate: {{duration: 0.05}}}}\n" for i in range(tests))
    return str(workplace.write("suite.yaml", f"suite: many\ntests:\n{lines}"))


def test_three_runs_at_once_share_a_database_that_is_asked_all_the_while(workplace: Workplace) -> None:
    suite = _suite(workplace, 60)
    workplace.run("run", suite, "-n", "1", "--run-id", "r0")
    runs = [workplace.start("run", suite, "-n", "1", "--run-id", f"r{i}", "--output", "json") for i in (1, 2, 3)]
    done = threading.Event()
    errors: list[str] = []
    asked = 0

    def ask() -> None:
        nonlocal asked
        while not done.wait(1.0):
            answer = workplace.run("sql", "select count(*) from results")
            asked += 1
            if answer.code != 0:
                errors.append(answer.err)

    asking = threading.Thread(target=ask)
    asking.start()
    ended = [finish(run) for run in runs]
    done.set()
    asking.join()

    assert [run.code for run in ended] == [0, 0, 0], [run.err for run in ended]
    assert errors == []
    assert asked > 0
    rows = workplace.sql(
        "select run_id, count(*) as n, count(distinct test_id) as tests from results group by 1 order by 1"
    )
    assert rows == [{"run_id": f"r{i}", "n": 60, "tests": 60} for i in range(4)]


@pytest.mark.slow
def test_a_client_that_holds_the_database_keeps_no_run_from_its_verdicts(workplace: Workplace) -> None:
    suite = _suite(workplace, 20)
    workplace.run("run", suite, "-n", "1", "--run-id", "r0")
    with duckdb.connect(str(workplace.database)):
        run = workplace.run("run", suite, "-n", "1", "--run-id", "r1")

    assert run.code == 0, run.err
    assert "results sync" in run.err
    assert workplace.run("results", "sync").code == 0
    rows = workplace.sql("select run_id, count(*) as n from results group by 1 order by 1")
    assert rows == [{"run_id": "r0", "n": 20}, {"run_id": "r1", "n": 20}]


@pytest.mark.slow
def test_two_thousand_short_tests_complete_in_flat_memory(workplace: Workplace) -> None:
    lines = "".join(f"  - {{id: t{i}, simulate: {{duration: 0.01}}}}\n" for i in range(2000))
    suite = workplace.write("suite.yaml", f"suite: many\ntests:\n{lines}")
    run = workplace.start("run", suite, "-n", "4", "--run-id", "r1", "--output", "json")
    sizes: list[int] = []

    def watch() -> bool:
        closed = sum(1 for line in workplace.journal("r1") if line["kind"] == "test_closed")
        if closed >= 200 * (len(sizes) + 1):
            sizes.append(_resident(run.pid))
        return run.poll() is not None

    until(watch, "the run has ended")
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert ended.json["counts"]["passed"] == 2000
    (row,) = workplace.sql("select count(*) as n, count(distinct test_id) as tests from results")
    assert row == {"n": 2000, "tests": 2000}
    # The first ingest loads DuckDB, once; a result kept whole would be some kilobytes.
    assert max(sizes[-3:]) - sizes[0] < 100_000_000


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, IndexError, ValueError):
        return 0
