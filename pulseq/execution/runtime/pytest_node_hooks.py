"""The hooks of pytest-xdist, for suites that have them where it is not installed; their names are in `pytest_xdist`."""

from __future__ import annotations

from typing import Any

import pytest


class NodeHooks:
    """The specifications of its hooks, where pytest-xdist is not there to bring them."""

    @pytest.hookspec()
    def pytest_xdist_setupnodes(self, config: Any, specs: Any) -> None:
        """Called before any node is set up."""

    @pytest.hookspec()
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        """Called when the way to a node is there."""

    @pytest.hookspec()
    def pytest_configure_node(self, node: Any) -> None:
        """Called before a node starts: what is put into `node.workerinput` goes there."""

    @pytest.hookspec()
    def pytest_testnodeready(self, node: Any) -> None:
        """Called when a node has begun its session."""

    @pytest.hookspec()
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Called when a node has ended: in order, with its `workeroutput`, or by an error."""

    @pytest.hookspec()
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Any) -> None:
        """Called when a node has collected."""

    @pytest.hookspec(firstresult=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any, sched: Any) -> None:
        """Called for an item whose node crashed while it ran."""


def add_node_hooks(manager: Any) -> None:
    """Make the hooks known, unless pytest-xdist has."""
    caller = getattr(manager.hook, "pytest_configure_node", None)
    if caller is None or not caller.has_spec():
        manager.add_hookspecs(NodeHooks)
