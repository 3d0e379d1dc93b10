"""What nobody waits for dies in a real run: the run stops, and says why, instead of going on without it."""

from __future__ import annotations

import subprocess
import sys

from tests.system.workplace import PATIENCE_SECONDS, Workplace

#: The command line, with a watch over the nodes that dies at its first look.
PROGRAM = """
import sys
from pulseq.cluster import lookout

async def fail(_):
    raise LookupError("no eyes")

lookout.see = fail
sys.argv[0] = "pulseq"
from pulseq.cli.entry import main
sys.exit(main())
"""
NODES = """
nodes: [{id: one, host: localhost}]
framework: {heartbeat_interval: 0.5, node_timeout: 3}
"""


#: The same, with a part of a node that dies the first time.
NODE_PROGRAM = """
import sys
from pathlib import Path
from pulseq.node import probe

def fail(_):
    if Path("died").exists() or not Path("begun").exists():
        return 0
    Path("died").touch()
    raise LookupError("no eyes")

probe.count_strays, probe.STRAYS_EVERY_SECONDS = fail, 0.1
sys.argv[0] = "pulseq"
from pulseq.cli.entry import main
sys.exit(main())
"""
UNTIL_DIED = """
suite: waiting
tests: [{id: waiting, command: "touch begun; while [ ! -e died ]; do sleep 0.02; done; sleep 1", shell: true}]
"""


def run_program(workplace: Workplace, program: str) -> tuple[int, str]:
    """Its exit code, and what it says."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "run", "suite.yaml", "--nodes", "nodes.yaml", "--run-id", "r"],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workplace.started.append(process)
    said, told = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said + told


def test_a_watch_that_dies_stops_the_run_with_its_reason(workplace: Workplace) -> None:
    workplace.write("suite.yaml", "suite: long\ntests: [{id: long, command: [sleep, '600']}]\n")
    workplace.write("nodes.yaml", NODES)
    code, told = run_program(workplace, PROGRAM)

    why = "the run was stopped: looking at the nodes has failed with LookupError: no eyes"
    assert (3, True) == (code, why in told), told
    closed = next(line["data"] for line in workplace.journal("r") if line["kind"] == "test_closed")
    assert ("error", "cancelled") == (closed["status"], closed["reason"])
    # Its result may have come home before the run was over.
    assert closed["error"] in (why, "cancelled: it was ended before it was done")


def test_a_node_of_which_something_dies_is_lost_with_the_reason_and_another_one_has_its_tests(
    workplace: Workplace,
) -> None:
    workplace.write("suite.yaml", UNTIL_DIED)
    workplace.write("nodes.yaml", NODES.replace("node_timeout: 3", "node_timeout: 60"))
    code, told = run_program(workplace, NODE_PROGRAM)

    why = "counting processes that bodies left behind has failed there with LookupError: no eyes"
    assert (0, True) == (code, f"node one takes no part any more: {why}" in told), told
    lines = [line["data"] for line in workplace.journal("r") if line["kind"] == "attempt_finished"]
    attempts = [(line["result"]["attempt"], line["result"].get("reason")) for line in lines]
    assert [(1, "node_lost"), (2, None)] == attempts
