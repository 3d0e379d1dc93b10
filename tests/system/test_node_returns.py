"""Nodes that fall silent or die and are there again: their tests have one verdict each, and the right one."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.system.workplace import Workplace, finish, until

NODES = "framework: {heartbeat_interval: 0.5, node_timeout: 3}\nnodes:\n  - {id: n1}\n"

#: Ends the node that runs it, in the first statement of a test of its own.
KILLER = """
import os, signal
from pathlib import Path
import psutil, pytest

def nodes():
    for process in psutil.process_iter():
        try:
            if "pulseq.node.node_process" in process.cmdline() and process.environ().get("PLACE_OF_ALL") == PLACE:
                yield Path(os.readlink(f"/proc/{process.pid}/fd/2")).stem, process.pid
        except (psutil.Error, OSError):
            pass

PLACE = os.environ["PLACE_OF_ALL"]

@pytest.mark.parametrize("n", range(61))
def test_n(n):
    n == 20 and os.kill(dict(nodes())[os.environ["PULSEQ_NODE_ID"]], signal.SIGKILL)
"""


def _events(workplace: Workplace, kind: str) -> list[dict[str, Any]]:
    return [line["data"] for line in workplace.journal("r") if line["kind"] == kind]


def _verdicts(workplace: Workplace) -> dict[str, tuple[str, str | None, int]]:
    rows = workplace.sql("select test_id, status, reason, attempts from results")
    return {row["test_id"]: (row["status"], row["reason"], row["attempts"]) for row in rows}


def test_a_node_that_was_given_up_and_answers_again_runs_what_is_left(workplace: Workplace) -> None:
    tests = "".join(f"  - {{id: t{n}, command: [sleep, '2']}}\n" for n in range(4))
    suite = workplace.write("suite.yaml", f"suite: frozen\ntests:\n{tests}")
    run = workplace.start("run", suite, "--nodes", workplace.write("nodes.yaml", NODES), "--run-id", "r")
    until(lambda: bool(_events(workplace, "attempt_started")), "the first test runs")
    node = workplace.nodes()["n1"]

    os.kill(node.pid, signal.SIGSTOP)
    until(lambda: bool(_events(workplace, "node_lost")), "the node was given up")
    os.kill(node.pid, signal.SIGCONT)
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {f"t{n}": "passed" for n in range(4)} == {name: told[0] for name, told in _verdicts(workplace).items()}
    assert 1 == len(_events(workplace, "node_lost"))


@pytest.mark.slow
def test_a_node_that_died_and_is_back_is_lost_once(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", "suite: back\ntests:\n  - {id: long, command: [sleep, '8']}\n")
    run = workplace.start("run", suite, "--nodes", workplace.write("nodes.yaml", NODES), "--run-id", "r")
    until(lambda: bool(_events(workplace, "attempt_started")), "the test runs")
    until(lambda: bool(_events(workplace, "node_health")), "a look has seen the node")

    os.kill(workplace.nodes()["n1"].pid, signal.SIGKILL)
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"long": ("passed", None, 2)} == _verdicts(workplace)
    assert 1 == len(_events(workplace, "node_lost"))
    (lost,) = workplace.sql(
        "select duration, started_at > now() - interval 1 day as is_new from attempts where attempt = 1"
    )
    assert lost["is_new"]
    assert lost["duration"] > 0


@pytest.mark.parametrize("nodes", [pytest.param("1", marks=pytest.mark.slow), "2"])
@pytest.mark.slow
def test_an_item_that_kills_its_node_at_once_is_named_and_the_others_finish(workplace: Workplace, nodes: str) -> None:
    workplace.write("test_killer.py", KILLER)

    run = workplace.run("run", "test_killer.py", "-n", nodes, "--run-id", "r", PLACE_OF_ALL=str(workplace.path))

    assert run.code == 10, run.err
    bad = {name: told for name, told in _verdicts(workplace).items() if told[0] != "passed"}
    assert {"test_killer.py::test_n[20]": ("error", "node_lost", 2)} == bad
    assert 61 == len(_verdicts(workplace))
    assert 2 == len(_events(workplace, "node_lost"))
    starts = [(told["test_id"], told["attempt"]) for told in _events(workplace, "attempt_started")]
    assert len(starts) == len(set(starts))


@pytest.mark.slow
def test_a_node_that_never_answers_again_keeps_no_run_from_its_end(workplace: Workplace) -> None:
    workplace.write(
        "test_items.py",
        "import time, pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_n(n): time.sleep(0.2)\n",
    )
    nodes = NODES + "  - {id: n2}\n"
    run = workplace.start("run", "test_items.py", "--nodes", workplace.write("nodes.yaml", nodes), "--run-id", "r")
    until(
        lambda: {"n1", "n2"} <= {told["node_id"] for told in _events(workplace, "attempt_started")}, "both have begun"
    )

    os.kill(workplace.nodes()["n2"].pid, signal.SIGSTOP)
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"passed"} == {told[0] for told in _verdicts(workplace).values()}
    assert [] == workplace.processes()
