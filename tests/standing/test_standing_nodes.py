from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pulseq.cluster.health import reach_scheduler
from pulseq.cluster.marks import write_marks
from pulseq.errors import InfrastructureError
from pulseq.marks import MarkState, NodeMark
from pulseq.processes.local_process import LocalProcess
from pulseq.security.credentials import Credentials
from pulseq.standing.standing_nodes import NodeView, ask_nodes, ask_nodes_and_marks, view_node
from tests.dask_nodes import open_node, open_scheduler, open_worker

LABELS = {"id": "node1", "slots": 2, "capabilities": {"os": "linux"}, "version": "1", "pid": 1}


def test_a_node_is_seen_with_the_runs_that_have_work_there() -> None:
    keys = [["pulseq-test", "r1", "d1"], ("pulseq-test", "r2", "d1"), ("pulseq-test", "r1", "d2"), "other", ("a", "b")]

    view = view_node({"pulseq": LABELS, "last_seen": 5.0}, keys)

    assert NodeView(2, {"os": "linux"}, ("r1", "r2"), 3, 5.0, {"version": "1"}) == view


def test_nodes_are_asked_how_they_do_and_the_scheduler_what_is_said_of_them() -> None:
    mark = NodeMark("away", MarkState.CORDONED, "firmware")

    async def ask() -> tuple[NodeView, NodeView, dict[str, NodeMark]]:
        async with (
            open_scheduler() as scheduler,
            open_node(scheduler, "n", host="lab1"),
            open_worker(scheduler, "mute", {"id": "mute", "slots": 1, "capabilities": {}}),
            reach_scheduler(scheduler.address) as reached,
        ):
            await write_marks(reached, [mark])
            views, marks = await ask_nodes_and_marks(scheduler.address)
        return views["n"], views["mute"], marks

    node, mute, marks = asyncio.run(ask())
    assert {"away": mark} == marks
    assert node.answer is not None
    assert node.answer.memory_total
    assert node.answer.clock is not None
    assert (node.labels["host"], mute.answer) == ("lab1", None)


def test_a_scheduler_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(InfrastructureError, match=r"the scheduler at 'tcp://127.0.0.1:1' does not answer"):
        asyncio.run(ask_nodes("tcp://127.0.0.1:1"))


@pytest.mark.system
def test_a_scheduler_without_nodes_has_none(tmp_path: Path) -> None:
    async def ask() -> dict[str, NodeView]:
        told = {"host": "127.0.0.1", "port": 0, "worker_ttl_seconds": 60, "outlives_runs": True}
        process = await LocalProcess.start(
            "scheduler",
            "pulseq.cluster.scheduler_process",
            {**told, "temp_root": str(tmp_path / "t")},
            log_path=tmp_path / "scheduler.log",
        )
        try:
            told = await process.ready(60)
            return await ask_nodes(told["address"], Credentials.of(told["credentials"]))
        finally:
            await process.stop()

    assert asyncio.run(ask()) == {}
