"""What a node says of its machine."""

from __future__ import annotations

import asyncio
import time
import types
from pathlib import Path
from typing import Any

import pytest

from pulseq.node import probe as subject
from pulseq.node.probe import Probe, measure_machine
from pulseq.protocol.node_probe import MEASURES, PROBE_OPERATION

MACHINE = {"load", "memory_available", "memory_total", "disk_free", "disk_total"}


def answers_of(probe: Probe, asked: int = 1) -> list[dict[str, Any]]:
    """What it answers, one time after the other."""

    async def ask() -> list[dict[str, Any]]:
        worker = types.SimpleNamespace(handlers={})
        probe.hang_on(worker)
        told = []
        for _ in range(asked):
            told.append(await worker.handlers[PROBE_OPERATION]())
            await probe.background.settle()
        return told

    return asyncio.run(ask())


def test_a_node_says_how_its_machine_does_and_what_it_is_at(tmp_path: Path) -> None:
    (told,) = answers_of(Probe("n", tmp_path, lambda: {"running": 3, "leaked_processes": 1}))

    assert MACHINE | {"running", "leaked_processes", "time"} == told.keys()
    assert (told["running"], told["leaked_processes"]) == (3, 1)
    assert 0 < told["memory_available"] <= told["memory_total"]
    assert 0 <= told["disk_free"] <= told["disk_total"]
    assert abs(told["time"] - time.time()) < 60


def test_processes_are_counted_beside_the_answers_and_not_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def count(node_id: str) -> int:
        asked.append(node_id)
        return len(asked)

    monkeypatch.setattr(subject, "count_strays", count)

    told = answers_of(Probe("n", tmp_path, dict), asked=3)

    assert [None, 1, 1] == [one.get("stray_processes") for one in told]
    assert ["n"] == asked


def test_the_disk_of_the_store_is_told_where_there_is_one(tmp_path: Path) -> None:
    (told,) = answers_of(Probe("n", tmp_path, dict, lambda: tmp_path))
    assert (told["store_free"], told["store_total"]) == (told["disk_free"], told["disk_total"])


def test_a_directory_that_is_gone_leaves_the_disk_out(tmp_path: Path) -> None:
    assert {"load", "memory_available", "memory_total"} == measure_machine(tmp_path / "none").keys()


def test_all_that_is_answered_is_understood(tmp_path: Path) -> None:
    told = answers_of(Probe("n", tmp_path, lambda: {"running": 0, "leaked_processes": 0}, lambda: tmp_path), asked=2)
    assert {*MEASURES, "time"} == told[-1].keys()
