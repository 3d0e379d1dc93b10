"""What a node says of its machine."""

from __future__ import annotations

import asyncio
import types
from pathlib import Path

from pulseq.node.probe import answer_probes, measure_machine
from pulseq.protocol.node_probe import PROBE_OPERATION


def test_a_node_says_how_its_machine_does(tmp_path: Path) -> None:
    worker = types.SimpleNamespace(handlers={})
    answer_probes(worker, tmp_path, lambda: 3)

    told = asyncio.run(worker.handlers[PROBE_OPERATION]())

    assert {"load", "memory_available", "memory_total", "disk_free", "disk_total", "running"} == told.keys()
    assert told["running"] == 3
    assert 0 < told["memory_available"] <= told["memory_total"]
    assert 0 <= told["disk_free"] <= told["disk_total"]


def test_a_directory_that_is_gone_leaves_the_disk_out(tmp_path: Path) -> None:
    assert {"load", "memory_available", "memory_total"} == measure_machine(tmp_path / "none").keys()
