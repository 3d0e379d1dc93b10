"""The order in which a session changes its nodes; its runs are tried in tests/system/test_python_api and others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster
from pulseq.distributed.session_runs import SessionRuns
from pulseq.errors import InfrastructureError
from pulseq.fleet import FrameworkConfig, NodeSpec
from pulseq.models import CapabilityValue
from pulseq.project import ProjectSpec


def test_a_node_that_is_being_removed_is_added_again_when_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> list[str]:
        runs, told = SessionRuns(FrameworkConfig(), ProjectSpec()), list[str]()
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def remove_node(_node_id: str) -> None:
            begun.set()
            await may_end.wait()
            told.append("removed")

        async def add_node(_spec: NodeSpec, *, patience_seconds: float) -> Mapping[str, CapabilityValue]:
            told.append("added")
            return {}

        monkeypatch.setattr(runs.backend, "remove_node", remove_node)
        monkeypatch.setattr(runs.backend, "add_node", add_node)
        monkeypatch.setattr(runs.backend, "_cluster", Cluster())
        removing = asyncio.create_task(runs.remove_node("a"))
        await begun.wait()
        asyncio.get_running_loop().call_later(0, may_end.set)
        await asyncio.gather(removing, runs.add_node(NodeSpec("a")))
        return told

    assert ["removed", "added"] == asyncio.run(story())


def test_a_node_that_was_not_added_in_time_is_none_of_any_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of those that go on, nor of those that begin later."""
    runs, retired = SessionRuns(FrameworkConfig(), ProjectSpec()), list[str]()

    async def add_node(spec: NodeSpec, *, patience_seconds: float) -> Mapping[str, CapabilityValue]:
        assert runs._admits(spec.id)  # while it is waited for
        raise InfrastructureError("it has not joined")

    monkeypatch.setattr(runs.backend, "add_node", add_node)
    nodes = SimpleNamespace(retire=retired.append)
    runs._sessions.append(cast(Any, SimpleNamespace(dispatcher=SimpleNamespace(nodes=nodes))))
    with pytest.raises(InfrastructureError, match="it has not joined"):
        asyncio.run(runs.add_node(NodeSpec("late", "lab.example")))

    assert (["late"], False) == (retired, runs._admits("late"))
