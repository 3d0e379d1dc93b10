"""What holds for all runs on a node."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.blobs import digest_of
from pulseq.errors import InfrastructureError
from pulseq.models import AttemptOrder, CommandBody, TestCase
from pulseq.node.host_projects import HostProjects
from pulseq.node.node_agent import NodeAgent
from pulseq.node.run_on_node import RunOnNode
from pulseq.node.surroundings import Surroundings
from pulseq.node.workspaces import Claim, Workspaces
from pulseq.protocol.coding import encode
from pulseq.protocol.from_node import NodeFailed, NodeMessage
from pulseq.protocol.project_files import BlobPart, Manifest, ProjectFile, Workspace
from pulseq.protocol.to_node import (
    BeginRun,
    BodyVariables,
    Collect,
    DropArtifacts,
    LeaveRun,
    MakeWorkspace,
    OfferProject,
    Order,
    PutBlobs,
)
from pulseq.pytest_sessions import PytestSpec


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


def test_a_run_that_is_left_while_it_begins_leaves_no_tree_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes of one host: the one makes the tree, the other is told to begin, and to leave at once."""
    joins, may_join, join = threading.Event(), threading.Event(), Workspaces.join

    def join_late(workspaces: Workspaces, run_id: str, place: Path) -> Claim | None:
        joins.set()
        assert may_join.wait(60)
        return join(workspaces, run_id, place)

    def open_agent(name: str) -> NodeAgent:
        projects = HostProjects(tmp_path / "host")
        projects.open()
        worker = SimpleNamespace(executors={"default": None})
        return NodeAgent(cast(Any, worker), node_id=name, slots=1, temp_root=tmp_path, projects=projects)

    async def bring(agent: NodeAgent) -> Workspace:
        text = b"1"
        manifest = Manifest("/home/me/shop", (ProjectFile("a.py", digest_of(text), 1, 0o644, 0),))
        await agent._do("r", Order("r", OfferProject(manifest, 10**9)))
        await agent._do("r", Order("r", PutBlobs((BlobPart(digest_of(text), 1, 0, 1),), text)))
        done = await agent._do("r", Order("r", MakeWorkspace()))
        return Workspace(manifest.root, cast(Any, done).place)

    async def story() -> bool:
        maker, joiner = open_agent("maker"), open_agent("joiner")
        workspace = await bring(maker)
        assert Path(workspace.place, "a.py").exists()
        monkeypatch.setattr(Workspaces, "join", join_late)
        beginning = asyncio.create_task(joiner.take(encode(Order("r", BeginRun(workspace)))))
        await asyncio.to_thread(joins.wait, 60)
        leaving = asyncio.create_task(joiner.take(encode(Order("r", LeaveRun()))))
        for _ in range(5):
            await asyncio.sleep(0)  # it has come as far as it can by then
        may_join.set()
        await asyncio.gather(beginning, leaving)
        await maker.take(encode(Order("r", LeaveRun())))
        for agent in (maker, joiner):
            assert not agent._runs
            await agent.end_bodies()
        return Path(workspace.place).exists()

    assert not asyncio.run(story())


def test_where_something_dies_that_nobody_waits_for_all_runs_hear_of_it_and_new_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, list[NodeMessage]] = {}
    agent = NodeAgent(cast(Any, SimpleNamespace(executors={"default": None})), node_id="n", slots=1, temp_root=tmp_path)
    monkeypatch.setattr(agent, "send", lambda run_id, messages: told.update({run_id: messages}))

    async def story() -> None:
        for run_id in ("r", "s"):
            agent._runs[run_id] = RunOnNode(agent, run_id, Surroundings.of(BodyVariables(), {}))

        async def die() -> None:
            raise LookupError("no more")

        agent._runs["r"]._background.start(die(), "giving back dispatch 1")
        await agent.failed.wait()
        try:
            await agent.take(encode(Order("t", BeginRun())))
        finally:
            await agent.end_bodies()

    with pytest.raises(InfrastructureError, match="has failed there with LookupError: no more"):
        asyncio.run(story())
    failed = NodeFailed("giving back dispatch 1 has failed there with LookupError: no more")
    assert {"r": [failed], "s": [failed]} == told
