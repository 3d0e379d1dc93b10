"""A question to one worker of a real scheduler, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pulseq.cluster.health import reach_scheduler
from pulseq.protocol.node_probe import PROBE_OPERATION, Answer, probe_node
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


def test_an_answer_is_taken_with_its_latency_and_without_what_a_later_version_adds() -> None:
    async def tell() -> dict[str, object]:
        return {"load": 1.5, "running": 2, "of a later version": 1, "lacks": "space"}

    answer = _probe(tell)

    assert answer is not None
    assert (1.5, 2, None, "space") == (answer.load, answer.running, answer.disk_free, answer.lacks)
    assert answer.latency > 0


def test_numbers_that_cannot_be_are_as_if_they_were_not_told() -> None:
    nonsense = {
        "load": float("nan"),
        "running": -1,
        "disk_free": 2**63,
        "disk_total": "much",
        "time": float("inf"),
        "lacks": 3,
    }

    async def tell() -> dict[str, object]:
        return {**nonsense, "leaked_processes": 2**40, "memory_total": 8_000_000_000}

    answer = _probe(tell)

    assert answer is not None
    assert Answer(answer.latency, memory_total=8_000_000_000) == answer


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
