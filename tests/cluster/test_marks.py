"""Marks in a scheduler that is real, and drivers that hear of them."""

from __future__ import annotations

import asyncio

import pytest

from pulseq.cluster import marks
from pulseq.cluster.cluster import Cluster
from pulseq.cluster.health import reach_scheduler
from pulseq.cluster.marks import decode_marks, read_marks, write_marks
from pulseq.errors import InfrastructureError
from pulseq.marks import MOST_WHY_CHARACTERS, MarkState, NodeMark
from pulseq.protocol.entry_points import MARKS_KEY
from tests.dask_nodes import open_scheduler

DRAINING = NodeMark("n", MarkState.DRAINING, "firmware", "anna@desk", 5.0)
PATIENCE_SECONDS = 60.0


def test_what_was_marked_is_read_back_until_it_is_opened() -> None:
    async def mark() -> list[dict[str, NodeMark]]:
        async with open_scheduler() as scheduler, reach_scheduler(scheduler.address) as reached:
            seen = [await read_marks(reached)]
            for one in (DRAINING, NodeMark("n", MarkState.OPEN)):
                assert await write_marks(reached, [one]) is None
                seen.append(await read_marks(reached))
            return seen

    assert [{}, {"n": DRAINING}, {}] == asyncio.run(mark())


def test_a_driver_has_the_marks_of_before_and_hears_of_each_later_one() -> None:
    async def watch() -> list[NodeMark]:
        heard = asyncio.Queue[NodeMark]()
        cordoned = NodeMark("m", MarkState.CORDONED)
        async with open_scheduler() as scheduler, reach_scheduler(scheduler.address) as reached:
            await write_marks(reached, [DRAINING])
            cluster = Cluster()
            cluster.on_marked = heard.put_nowait
            await cluster.connect(scheduler.address, name="driver", foreign=True)
            try:
                await write_marks(reached, [cordoned, NodeMark("n", MarkState.OPEN)])
                async with asyncio.timeout(PATIENCE_SECONDS):
                    told = [await heard.get() for _ in range(3)]
                assert {"m": cordoned} == cluster.marks
            finally:
                await cluster.close()
        return told

    assert [("n", "draining"), ("m", "cordoned"), ("n", "open")] == [
        (mark.node_id, mark.state) for mark in asyncio.run(watch())
    ]


def test_a_reason_without_end_is_cut() -> None:
    async def mark() -> dict[str, NodeMark]:
        async with open_scheduler() as scheduler, reach_scheduler(scheduler.address) as reached:
            await write_marks(reached, [NodeMark("n", MarkState.CORDONED, "x" * 10**6)])
            return await read_marks(reached)

    assert MOST_WHY_CHARACTERS == len(asyncio.run(mark())["n"].why)


@pytest.mark.parametrize("told", [None, [], {"n": 5}, {"n": {"node_id": "n", "state": "asleep"}}])
def test_what_is_no_mark_marks_nothing(told: object) -> None:
    assert {} == decode_marks(told)


def test_what_somebody_else_has_put_there_keeps_no_driver_away() -> None:
    async def read() -> dict[str, NodeMark]:
        async with open_scheduler() as scheduler, reach_scheduler(scheduler.address) as reached:
            scheduler.set_metadata([MARKS_KEY], "mine")
            return await read_marks(reached)

    assert {} == asyncio.run(read())


def test_a_scheduler_that_is_not_there_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_PATIENCE_SECONDS", 0.5)

    async def read() -> None:
        async with reach_scheduler("tcp://127.0.0.1:1") as reached:
            await read_marks(reached)

    with pytest.raises(InfrastructureError, match=r"the scheduler does not answer"):
        asyncio.run(read())
