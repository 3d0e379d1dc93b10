"""What a scheduler and its nodes do when a run's driver has gone; all of them are real."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from distributed import Client, Scheduler
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cluster.run_watch import RunWatch, driver_name, run_of
from pulseq.node import agent_registry
from pulseq.node.agent_registry import register_agent
from pulseq.node.node_agent import NodeAgent
from pulseq.protocol.work import run_topic
from tests.dask_nodes import open_scheduler, open_worker

UUID = "0b7c0f2e-c7a1-11f0-9d5c-0242ac110002"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_drivers_id_tells_its_run(run_id: str) -> None:
    assert run_id == run_of(f"Client-{driver_name(run_id)}-{UUID}")


@pytest.mark.parametrize("client", [f"Client-{UUID}", f"Client-worker-{UUID}", "", "pulseq-run-"])
def test_a_client_that_is_no_driver_tells_none(client: str) -> None:
    assert run_of(client) is None


async def _come_and_go(scheduler: Scheduler, name: str) -> None:
    """A client comes, says something of its run, and has gone."""
    client = Client(scheduler.address, name=name, asynchronous=True, set_as_default=False)
    async with client:
        await client.log_event(run_topic("r1"), "said")
        assert scheduler.get_events(run_topic("r1"))
    while client.id in scheduler.clients:  # noqa: ASYNC110 - its end has no event
        await asyncio.sleep(0.001)


async def _outlived(directory: Path, name: str) -> tuple[bool, bool]:
    """Whether the node still knows the run `r1`, and the scheduler what it said, after a client of this name left."""
    watch = RunWatch()
    async with open_scheduler() as scheduler, open_worker(scheduler, "n") as worker:
        scheduler.add_plugin(watch)
        agent = NodeAgent(worker, node_id="n", slots=1, temp_root=directory)
        register_agent(agent)
        agent.begin_run("r1")
        await _come_and_go(scheduler, name)
        while watch._farewells:
            await asyncio.wait(watch._farewells)
            await asyncio.sleep(0)
        return agent.knows("r1"), bool(scheduler.get_events(run_topic("r1")))


@pytest.mark.parametrize(
    ("name", "outlived"),
    [(driver_name("r1"), (False, False)), (driver_name("r2"), (True, True)), ("user", (True, True))],
)
def test_a_run_is_forgotten_with_its_driver_and_with_no_other_client(
    name: str, outlived: tuple[bool, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_registry, "_agent", None)  # and again afterwards: it is this process's

    assert outlived == asyncio.run(_outlived(tmp_path, name))
