from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable
from pathlib import Path

from pulseq.cluster.health import reach_scheduler
from pulseq.node.probe import PROBE_OPERATION, Answer, answer_probes, measure_machine, probe_node
from tests.dask_nodes import open_scheduler, open_worker


def _probe(handler: Callable[[], Awaitable[object]] | None, seconds: float = 60) -> Answer | None:
    """What a scheduler's only worker answers, where its handler of a probe is this one."""

    async def ask() -> Answer | None:
        async with open_scheduler() as scheduler, open_worker(scheduler, "n") as worker:
            if handler is not None:
                worker.handlers[PROBE_OPERATION] = handler
            async with reach_scheduler(scheduler.address) as asked:
                return await probe_node(asked, worker.address, seconds)

    return asyncio.run(ask())


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


def test_an_answer_is_taken_with_its_latency_and_without_what_a_later_version_adds() -> None:
    async def tell() -> dict[str, float]:
        return {"load": 1.5, "running": 2, "of a later version": 1}

    answer = _probe(tell)

    assert answer is not None
    assert (1.5, 2, None) == (answer.load, answer.running, answer.disk_free)
    assert answer.latency > 0


def test_a_node_that_does_not_answer_in_time_has_no_answer() -> None:
    async def freeze() -> None:
        await asyncio.get_running_loop().create_future()

    assert _probe(freeze, 0.05) is None


def test_a_worker_that_knows_no_probe_has_no_answer() -> None:
    assert _probe(None) is None


def test_a_worker_that_has_left_has_no_answer() -> None:
    async def ask() -> Answer | None:
        async with open_scheduler() as scheduler:
            async with open_worker(scheduler, "n") as worker:
                address = worker.address
            async with reach_scheduler(scheduler.address) as asked:
                return await probe_node(asked, address, 0.05)

    assert asyncio.run(ask()) is None
