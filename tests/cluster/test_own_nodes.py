"""What the owner of many nodes needs; the rest is tested by the runs of tests/system."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKS = """
import resource, sys
from pulseq.cluster.own_nodes import allow_open_files
soft, hard, nodes = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    allow_open_files(nodes)
except Exception as error:
    sys.exit(str(error))
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def ask(soft: int, hard: int, nodes: int) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-c", ASKS, str(soft), str(hard), str(nodes)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


@pytest.mark.processes
@pytest.mark.parametrize(("soft", "expected"), [(1024, "1424 4000"), (3000, "3000 4000")])
def test_as_many_files_may_be_open_as_nodes_need(soft: int, expected: str) -> None:
    asked = ask(soft, 4000, 512)
    assert (asked.stdout.strip(), asked.stderr) == (expected, "")


@pytest.mark.processes
def test_more_nodes_than_there_may_be_files_are_refused_with_both_numbers() -> None:
    asked = ask(1024, 1024, 512)
    assert asked.returncode == 1
    assert asked.stderr.startswith("512 nodes take 1424 open files, and this process may have 1024: start fewer nodes")
