"""The program of a node: what it takes along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

_LOADED = """
import json, sys
import pulseq.node.node_process
print(json.dumps(sorted(sys.modules)))
"""


def test_it_loads_nothing_that_a_driver_alone_needs() -> None:
    """A node may be alone on its machine, and there may be many: what it loads is its memory."""
    told = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(json.loads(told.stdout))

    driver = ("suites", "planning", "results", "reports", "cluster", "standing", "run", "distributed", "cli")
    assert set() == {name for name in loaded if name.split(".")[:2] in [["pulseq", room] for room in driver]}
    assert set() == loaded & {"duckdb", "pytest", "fastapi", "sqlalchemy", "prefect.server"}
