"""A suite may have the hooks of pytest-xdist where that is not installed."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.execution.runtime.pytest_node_hooks import add_node_hooks
from pulseq.execution.runtime.pytest_xdist import NODE_HOOKS


def test_the_hooks_are_known_and_adding_them_again_is_no_trouble() -> None:
    manager = pytest.PytestPluginManager()
    add_node_hooks(manager)
    specification = manager.hook.pytest_configure_node.spec
    add_node_hooks(manager)
    assert specification is manager.hook.pytest_configure_node.spec
    assert all(getattr(manager.hook, name).has_spec() for name in NODE_HOOKS)


def test_hooks_that_pytest_xdist_has_brought_are_left_alone() -> None:
    class Theirs:
        @pytest.hookspec()
        def pytest_configure_node(self, node: Any) -> None:
            """As pytest-xdist has it."""

    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(Theirs)
    add_node_hooks(manager)
    assert Theirs is manager.hook.pytest_configure_node.spec.namespace
