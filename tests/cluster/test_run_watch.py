from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cluster.run_watch import RunWatch, driver_name, run_of
from pulseq.protocol.coding import decode
from pulseq.protocol.entry_points import take_message
from pulseq.protocol.to_node import LeaveRun, Order

UUID = "0b7c0f2e-c7a1-11f0-9d5c-0242ac110002"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_drivers_id_tells_its_run(run_id: str) -> None:
    assert run_id == run_of(f"Client-{driver_name(run_id)}-{UUID}")


@pytest.mark.parametrize("client", [f"Client-{UUID}", f"Client-worker-{UUID}", "", "pulseq-run-"])
def test_a_client_that_is_no_driver_tells_none(client: str) -> None:
    assert run_of(client) is None


class Scheduler:
    """The part of Dask's scheduler that the plug-in speaks to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.forgotten: list[str] = []
        self._broker = self

    async def broadcast(self, *, msg: dict[str, Any], on_error: str) -> None:
        assert on_error == "ignore"
        self.told.append(msg)

    def truncate(self, topic: str) -> None:
        self.forgotten.append(topic)


def farewell(client: str) -> Scheduler:
    async def leave() -> Scheduler:
        scheduler = Scheduler()
        RunWatch().remove_client(scheduler, client)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        await asyncio.sleep(0)
        return scheduler

    return asyncio.run(leave())


def test_nodes_are_told_to_leave_the_run_of_a_driver_that_has_gone() -> None:
    scheduler = farewell(f"Client-{driver_name('r1')}-{UUID}")

    (message,) = scheduler.told
    assert ("run", take_message) == (message["op"], pickle.loads(message["function"]))
    (order,) = pickle.loads(message["args"])
    assert Order("r1", LeaveRun()) == decode(order, Order)


def test_what_a_run_has_said_is_forgotten_with_it() -> None:
    assert ["pulseq-run-r1"] == farewell(f"Client-{driver_name('r1')}-{UUID}").forgotten


def test_a_client_that_is_no_driver_leaves_without_a_word() -> None:
    assert [] == farewell(f"Client-{UUID}").told
