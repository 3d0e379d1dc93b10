"""What the owner of many nodes needs; the rest is tested by the runs of tests/system."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pulseq.cluster.own_nodes import OwnNodes
from pulseq.fleet import Fleet, NodeSpec

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


@pytest.mark.system
def test_a_node_that_ends_since_its_scheduler_has_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    async def end_scheduler() -> list[str]:
        own = OwnNodes(
            Fleet((NodeSpec("n"),)),
            run_directory=tmp_path,
            heartbeat_seconds=1.0,
            node_timeout_seconds=30.0,
            environment={},
        )
        start_node = own._starter.start_node

        async def start(spec: NodeSpec, *others: Any) -> Any:
            started.append(spec.id)
            return await start_node(spec, *others)

        monkeypatch.setattr(own._starter, "start_node", start)
        ended: list[str] = []
        own.on_node_ended = lambda node_id, _: ended.append(node_id)
        own.on_node_given_up = lambda node_id, _: ended.append(f"{node_id} is given up")
        try:
            await own.start()
            await own.join()
            assert own._scheduler is not None
            os.kill(own._scheduler.pid, signal.SIGKILL)
            await own.background.settle()
        finally:
            await own.stop()
        return ended

    assert (["n"], ["n"]) == (asyncio.run(end_scheduler()), started)
