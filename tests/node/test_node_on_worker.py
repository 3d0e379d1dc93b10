"""What makes a node of a Dask worker."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import distributed
import pytest
from distributed import Worker

from pulseq import __version__
from pulseq.errors import InfrastructureError
from pulseq.node.node_on_worker import NodePlan, describe_node, run_node
from pulseq.protocol.coding import PROTOCOL
from tests.dask_nodes import open_scheduler


def plan(tmp_path: Path) -> NodePlan:
    return NodePlan(node_id="n", slots=2, temp_root=tmp_path / "root", capabilities={"os": "beos", "phone": "r58"})


def test_a_node_says_what_it_is_and_what_it_has(tmp_path: Path) -> None:
    said = describe_node(plan(tmp_path))

    assert ("n", 2, "local", PROTOCOL, os.getpid()) == tuple(
        said[name] for name in ("id", "slots", "way", "protocol", "pid")
    )
    assert (__version__, distributed.__version__) == (said["version"], said["dask"])
    assert ("beos", "r58") == (said["capabilities"]["os"], said["capabilities"]["phone"])
    assert "arch" in said["capabilities"]


def test_each_start_of_a_node_has_a_number_of_its_own(tmp_path: Path) -> None:
    assert describe_node(plan(tmp_path))["incarnation"] != describe_node(plan(tmp_path))["incarnation"]


def test_a_worker_registers_as_a_node_and_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_scheduler() as scheduler:
            worker = Worker(
                scheduler.address,
                name="w",
                nthreads=1,
                host="127.0.0.1",
                memory_limit=0,
                dashboard=False,
                dashboard_address="127.0.0.1:0",
                local_directory=str(tmp_path / "worker"),
            )
            async with run_node(worker, plan(tmp_path)) as agent, worker:
                said = scheduler.identity(n_workers=-1)["workers"][worker.address]["pulseq"]
                assert ("n", agent.incarnation) == (said["id"], said["incarnation"])
                assert 0o700 == (tmp_path / "root").stat().st_mode & 0o777
            assert not (tmp_path / "root").exists()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_one_that_cannot_run_tests_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_self: object) -> None:
        raise InfrastructureError("this node cannot run tests: no")

    async def story() -> None:
        async with open_scheduler() as scheduler, Worker(scheduler.address, host="127.0.0.1") as worker:
            monkeypatch.setattr("pulseq.execution.executor.Executor.start", fail)
            with pytest.raises(InfrastructureError, match="cannot run tests"):
                async with run_node(worker, plan(tmp_path)):
                    raise AssertionError("it is no node")

    asyncio.run(asyncio.wait_for(story(), 60))
    assert not (tmp_path / "root").exists()
