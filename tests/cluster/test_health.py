"""A look at a scheduler's members; the scheduler is a double here, and a real one in tests/system."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulseq.cluster.health import Sighting, look_at_nodes, reach_scheduler
from pulseq.errors import InfrastructureError

NODE = {"pulseq": {"id": "n", "slots": 2}, "last_seen": 990.0}
STRANGER = {"last_seen": 990.0}


class _Scheduler:
    def __init__(self, workers: dict[str, Any], error: Exception | None = None) -> None:
        self._workers, self._error = workers, error

    async def identity(self, *, n_workers: int) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        return {"workers": self._workers}

    async def broadcast(self, **_: Any) -> dict[str, Any]:
        return {"tcp://h:1": {"load": 2.5}}


def _look(scheduler: _Scheduler, now: float = 1000.0) -> list[Sighting]:
    return asyncio.run(look_at_nodes(scheduler, probe_seconds=60, clock=lambda: now))


def test_nodes_are_seen_and_other_workers_are_not() -> None:
    (seen,) = _look(_Scheduler({"tcp://h:1": NODE, "tcp://h:2": STRANGER}))

    assert ("n", "tcp://h:1", 2, 10.0) == (seen.node_id, seen.address, seen.slots, seen.heartbeat_age)
    assert seen.answer is not None
    assert seen.answer.load == 2.5


def test_a_node_that_does_not_answer_is_seen_without_an_answer() -> None:
    (seen,) = _look(_Scheduler({"tcp://h:3": NODE}))

    assert seen.answer is None


def test_a_heartbeat_from_the_future_is_a_difference_of_clocks() -> None:
    assert [0.0] == [seen.heartbeat_age for seen in _look(_Scheduler({"tcp://h:1": NODE}), now=0.0)]


@pytest.mark.parametrize("error", [OSError("gone"), TimeoutError()], ids=repr)
def test_a_scheduler_that_does_not_answer_is_told_of(error: Exception) -> None:
    with pytest.raises(InfrastructureError, match=f"the scheduler does not answer .{type(error).__name__}"):
        _look(_Scheduler({}, error))


def test_what_is_no_address_of_a_scheduler_is_told_of() -> None:
    async def reach() -> None:
        async with reach_scheduler("nonsense://somewhere") as scheduler:
            await look_at_nodes(scheduler, probe_seconds=60)

    with pytest.raises(InfrastructureError, match="the scheduler does not answer"):
        asyncio.run(reach())
