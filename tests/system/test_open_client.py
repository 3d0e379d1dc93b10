"""Somebody has left the database open, as one does in a notebook, and runs go on."""

from __future__ import annotations

import pytest

from tests.results.holding import held_by_another_process
from tests.system.workplace import Workplace

SUITE = "suite: shop\ntests:\n  - {id: cart, simulate: {duration: 0, outcome: OUTCOME}}\n"


@pytest.mark.slow
def test_a_run_beside_an_open_client_says_what_to_do_and_is_told_from_its_journal(workplace: Workplace) -> None:
    def run(run_id: str, outcome: str) -> str:
        workplace.write("shop.yaml", SUITE.replace("OUTCOME", outcome))
        return workplace.run("run", "-n", "1", "shop.yaml", "--run-id", run_id).err

    run("r1", "passed")
    with held_by_another_process(workplace.database, read_only=True) as pid:
        said = run("r2", "failed")
        summary = workplace.run("summary")
        asked = workplace.run("sql", "select run_id from runs", "--format", "csv")
    synced = workplace.run("results", "sync")

    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith(f"note: results are not in the database yet, since process {pid} (python")
    assert "close it there, then `pulseq results sync`" in last
    assert 1 == said.count("not in the database")
    assert (0, True) == (summary.code, "1 failed" in summary.out)
    assert summary.err.startswith("note: run r2 is not in the database")
    assert f"process {pid} " in summary.err
    assert ["run_id", "r1"] == asked.out.split()
    assert asked.err.startswith("note: run r2 is not in the database")
    assert 0 == synced.code
    assert "" == workplace.run("summary").err
    assert [{"run_id": "r1"}, {"run_id": "r2"}] == workplace.sql("select run_id from runs order by 1")
