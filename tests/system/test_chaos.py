"""Nodes die again and again under a run: whatever happens, its promises hold."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.chaos_check import find_broken_promises
from tests.system.workplace import Workplace, finish, until

TESTS = 60
KILLS = 4
NODES = "nodes:\n" + "".join(f"  - {{id: n{i}}}\n" for i in range(3))


def _suite() -> str:
    tests = "".join(f"  - {{id: t{i}, command: [sleep, '0.1']}}\n" for i in range(TESTS - 10))
    flaky = "".join(
        f"  - {{id: f{i}, max_retries: 2, command: [sh, -c, 'test $PULSEQ_ATTEMPT -gt 1']}}\n" for i in range(5)
    )
    return f"suite: chaos\ntests:\n{tests}{flaky}  - {{id: unit, pytest: tests}}\n"


def _verdicts(workplace: Workplace) -> int:
    return sum(line["kind"] == "test_closed" for line in workplace.journal("chaos"))


def _kill_a_node(workplace: Workplace, rng: random.Random) -> None:
    nodes = workplace.nodes()
    if nodes:
        os.kill(nodes[rng.choice(sorted(nodes))].pid, signal.SIGKILL)


def _kill_as_it_goes(workplace: Workplace, run: subprocess.Popen[str], rng: random.Random) -> None:
    for verdicts in sorted(rng.sample(range(1, TESTS - 5), KILLS)):
        until(lambda wanted=verdicts: _verdicts(workplace) >= wanted or run.poll() is not None, "the run goes on")
        _kill_a_node(workplace, rng)


@pytest.mark.parametrize("seed", [1])
def test_every_promise_holds_while_nodes_are_killed(workplace: Workplace, prefect_api: str, seed: int) -> None:
    workplace.write("tests/test_few.py", "".join(f"def test_{i}(): pass\n" for i in range(5)))
    suite, nodes = workplace.write("suite.yaml", _suite()), workplace.write("nodes.yaml", NODES)
    run = workplace.start("run", suite, "--nodes", nodes, "--run-id", "chaos", "--output", "json")

    _kill_as_it_goes(workplace, run, random.Random(seed))
    ended = finish(run)

    # Where two kills hit one test, it is given up as a killer of nodes: that is no failure of its own.
    assert ended.code in (0, 10), ended.err
    assert ended.json["counts"]["total"] == TESTS, ended.err
    assert ended.json["counts"]["passed"] + ended.json["counts"]["no_verdict"] == TESTS
    assert find_broken_promises(workplace, "chaos", prefect_api) == []


def test_the_checker_tells_what_is_wrong(workplace: Workplace, prefect_api: str) -> None:
    suite = workplace.write("suite.yaml", "suite: s\ntests:\n  - {id: a, simulate: {duration: 0}}\n")
    assert workplace.run("run", suite, "-n", "1", "--run-id", "good").code == 0
    assert find_broken_promises(workplace, "good", prefect_api) == []

    journal = workplace.home / "runs" / "good" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    closed = next(line for line in lines if b'"test_closed"' in line)
    journal.write_bytes(b"".join(line for line in lines if line is not closed))
    (Path(workplace.environment["TMPDIR"]) / "pulseq-left").mkdir()
    (workplace.path / "rebuilt.duckdb").unlink()

    broken = find_broken_promises(workplace, "good", prefect_api)

    assert "('a', '') was planned and has no verdict" in broken
    assert "the rows of results are not those that the journal tells" in broken
    assert any("pulseq-left is left" in line for line in broken)
