"""What holds for all runs on a node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.models import AttemptOrder, CommandBody, PytestSpec, TestCase
from pulseq.node.node_agent import NodeAgent
from pulseq.node.run_on_node import RunOnNode
from pulseq.node.surroundings import Surroundings
from pulseq.protocol.coding import encode
from pulseq.protocol.to_node import BodyVariables, Collect, DropArtifacts, LeaveRun, Order


def test_like_a_login_bodies_have_nothing_of_what_the_node_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_IN_THE_SHELL", "1")
    worker = SimpleNamespace(executors={"default": None})
    command = TestCase("a", CommandBody(("env",)), cwd=str(tmp_path))

    async def story() -> str:
        agent = NodeAgent(cast(Any, worker), node_id="n", slots=1, temp_root=tmp_path, variables={"OF_NODE": "1"})
        around = Surroundings.of(BodyVariables({"PASSED": "1"}, like_a_login=True), agent.variables)
        try:
            executor = await agent.executor_for(around)
            assert executor is await agent.executor_for(around)
            order = AttemptOrder("r", command, variables=around.variables)
            return (await (await executor.start_attempt(order)).result()).output
        finally:
            await agent.end_bodies()

    names = {line.partition("=")[0] for line in asyncio.run(story()).splitlines()}
    assert {"OF_NODE", "PASSED", "HOME", "USER", "PULSEQ_NODE_ID"} <= names
    assert "ONLY_IN_THE_SHELL" not in names
    assert {path.name for path in tmp_path.iterdir()} == set()


def test_what_attempts_of_a_run_left_is_awaited_until_its_driver_has_it_or_leaves(tmp_path: Path) -> None:
    worker = SimpleNamespace(executors={"default": None})
    left = tmp_path / "left" / "own"

    async def leave_something(agent: NodeAgent) -> str:
        left.mkdir(parents=True)
        (left / "a.txt").write_text("a")
        [file], _ = await agent._runs["r"]._ends.kept.take(str(left.parent), 1_000)
        return file.sha256

    async def story() -> list[bool]:
        agent = NodeAgent(cast(Any, worker), node_id="n", slots=1, temp_root=tmp_path)
        run = agent._runs["r"] = RunOnNode(agent, "r", Surroundings.of(BodyVariables(), {}), None)
        sha256 = await leave_something(agent)
        awaited = [agent.awaits_artifacts(60)]
        await run.do(DropArtifacts(frozenset({sha256})))
        awaited.append(agent.awaits_artifacts(60))
        await leave_something(agent)
        awaited.append(agent.awaits_artifacts(60))
        await agent.take(encode(Order("r", LeaveRun())))
        return [*awaited, agent.awaits_artifacts(60)]

    assert [True, False, True, False] == asyncio.run(story())


def test_a_node_that_does_not_know_a_run_collects_nothing_for_it(tmp_path: Path) -> None:
    agent = NodeAgent(cast(Any, SimpleNamespace(executors={"default": None})), node_id="n", slots=1, temp_root=tmp_path)
    spec = PytestSpec("r", "e", ("tests",), (), False, str(tmp_path), None)

    async def collect() -> None:
        try:
            await agent.take(encode(Order("r", Collect(spec))))
        finally:
            await agent.end_bodies()

    # What the driver takes for a node that is gone: without the run it has neither variables nor secrets.
    with pytest.raises(ConnectionError, match="node n does not know run r"):
        asyncio.run(collect())
