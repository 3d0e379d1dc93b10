"""What becomes of a node whose worker is retired; scheduler and workers are real."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from distributed import Client, get_worker
from distributed.worker_state_machine import SecedeEvent

from pulseq.cluster.retire_watch import RetireWatch
from pulseq.protocol.entry_points import MARKS_KEY
from tests.dask_nodes import open_node, open_scheduler


class _Dispatch:
    """What the worker runs; a new one in each loop."""

    begun: asyncio.Event
    may_end: asyncio.Event


async def _work(key: tuple[str, str, str]) -> None:
    get_worker().handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id="ours"))
    _Dispatch.begun.set()
    await _Dispatch.may_end.wait()


async def _retire(before: dict[str, Any], then: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The marks of its node while a worker that runs a dispatch is being retired, and after that."""
    _Dispatch.begun, _Dispatch.may_end = asyncio.Event(), asyncio.Event()
    async with open_scheduler() as scheduler, open_node(scheduler, "n") as worker:
        await RetireWatch().start(scheduler)
        for node_id, mark in before.items():
            scheduler.set_metadata([MARKS_KEY, node_id], mark)
        async with Client(scheduler.address, asynchronous=True, set_as_default=False) as client:
            key = ("pulseq-test", "r", "1")
            dispatch = client.submit(_work, key, key=key, pure=False)
            async with asyncio.timeout(60):
                await _Dispatch.begun.wait()
                while not scheduler.workers[worker.address].long_running:  # noqa: ASYNC110 - nor does that
                    await asyncio.sleep(0.001)
                retiring = asyncio.ensure_future(scheduler.retire_workers([worker.address]))
                while worker.status.name != "closing_gracefully":  # noqa: ASYNC110 - it does not tell
                    await asyncio.sleep(0.001)
                meanwhile = dict(scheduler.get_metadata([MARKS_KEY], {}))
                for node_id, mark in (then or {}).items():
                    scheduler.set_metadata([MARKS_KEY, node_id], mark)
                assert not retiring.done()
                _Dispatch.may_end.set()
                await dispatch
                assert [worker.address] == list(await retiring)
        return meanwhile, scheduler.get_metadata([MARKS_KEY], {})


def test_it_is_drained_until_it_is_gone() -> None:
    meanwhile, after = asyncio.run(_retire({}))
    assert ("draining", "its worker is being retired") == (meanwhile["n"]["state"], meanwhile["n"]["why"])
    assert "open" == after["n"]["state"]


@pytest.mark.parametrize("state", ["draining", "cordoned"])
def test_what_a_person_said_of_it_stays(state: str) -> None:
    mark = {"node_id": "n", "state": state, "why": "new firmware", "who": "anna@desk", "at": 1.0}
    assert ({"n": mark}, {"n": mark}) == asyncio.run(_retire({"n": mark}))


def test_what_a_person_says_of_it_meanwhile_stays_too() -> None:
    mark = {"node_id": "n", "state": "cordoned", "why": "new firmware", "who": "anna@desk", "at": 1.0}
    assert {"n": mark} == asyncio.run(_retire({}, {"n": mark}))[1]
