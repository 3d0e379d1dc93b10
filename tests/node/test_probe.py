from __future__ import annotations

import asyncio
import types
from pathlib import Path
from typing import Any

import pytest

from pulseq.node.probe import answer_probes, measure_machine
from pulseq.protocol.probe import PROBE_OPERATION, Answer, probe_node


class _Scheduler:
    """A scheduler whose only worker answers a broadcast as the test says."""

    def __init__(self, answer: Any, seconds: float = 0) -> None:
        self._answer, self._seconds = answer, seconds

    async def broadcast(self, *, msg: dict[str, Any], workers: list[str], on_error: str) -> dict[str, Any]:
        assert ({"op": PROBE_OPERATION}, "ignore") == (msg, on_error)
        await asyncio.sleep(self._seconds)
        return {} if self._answer is None else dict.fromkeys(workers, self._answer)


def _probe(answer: Any, *, seconds: float = 0) -> Answer | None:
    return asyncio.run(probe_node(_Scheduler(answer, seconds), "tcp://h:1", 0.05 if seconds else 60))


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


def test_an_answer_is_taken_with_its_latency() -> None:
    answer = _probe({"load": 1.5, "running": 2, "of a later version": 1})

    assert answer is not None
    assert (1.5, 2, None) == (answer.load, answer.running, answer.disk_free)
    assert answer.latency > 0


@pytest.mark.parametrize(("told", "seconds"), [(None, 0), ({}, 3600)], ids=["left", "frozen"])
def test_a_node_that_does_not_answer_in_time_has_no_answer(told: Any, seconds: float) -> None:
    assert _probe(told, seconds=seconds) is None
