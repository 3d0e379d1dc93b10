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


def test_a_watch_that_dies_stops_the_run_with_its_reason(workplace: Workplace) -> None:
    workplace.write("suite.yaml", "suite: long\ntests: [{id: long, command: [sleep, '600']}]\n")
    workplace.write("nodes.yaml", NODES)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", "suite.yaml", "--nodes", "nodes.yaml", "--run-id", "r"],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workplace.started.append(process)
    _, told = process.communicate(timeout=PATIENCE_SECONDS)

    why = "the run was stopped: looking at the nodes has failed with LookupError: no eyes"
    assert (3, True) == (process.returncode, why in told), told
    closed = next(line["data"] for line in workplace.journal("r") if line["kind"] == "test_closed")
    assert ("error", "cancelled") == (closed["status"], closed["reason"])
    # Its result may have come home before the run was over.
    assert closed["error"] in (why, "cancelled: it was ended before it was done")
