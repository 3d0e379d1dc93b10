"""A scheduler of the suite's own says which items belong together, as it does in pytest-xdist."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pluggy
import pytest

from pulseq.execution.runtime.pytest_scheduler import scheduler_of, shared_scope

SPEC, IMPLEMENTATION = pluggy.HookspecMarker("pytest"), pluggy.HookimplMarker("pytest")


class Xdist:
    @SPEC(firstresult=True)
    def pytest_xdist_make_scheduler(self, config: Any, log: Any) -> Any: ...


class Suite:
    @IMPLEMENTATION(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: Any, log: Any) -> Any:
        log.loadscopesched("made for", config.option.dist)
        return vars(config.option).copy()


def config_with(*plugins: object, specified: bool = True) -> Any:
    manager = pluggy.PluginManager("pytest")
    if specified:
        manager.add_hookspecs(Xdist)
    for plugin in plugins:
        manager.register(plugin)
    return SimpleNamespace(hook=manager.hook, option=SimpleNamespace(dist="no", tx=[], numprocesses=None))


def item_of(nodeid: str, group: str | None = None) -> Any:
    marks = () if group is None else (pytest.Mark("xdist_group", (group,), {}, _ispytest=True),)
    return SimpleNamespace(nodeid=nodeid, iter_markers=lambda name: marks)


def split_by_parameter(nodeid: str) -> str:
    return nodeid.rpartition("[")[2].rstrip("]")


@pytest.mark.parametrize(("mode", "expected"), [("no", "load"), ("loadscope", "loadscope")])
def test_the_hook_is_called_with_the_options_of_a_controller(mode: str, expected: str) -> None:
    config = config_with(Suite())
    assert scheduler_of(config, mode, 2) == {"dist": expected, "tx": ["popen", "popen"], "numprocesses": 2}
    assert vars(config.option) == {"dist": "no", "tx": [], "numprocesses": None}


def test_there_is_no_scheduler_where_nobody_makes_one() -> None:
    assert scheduler_of(config_with(), "load", 2) is None


def test_there_is_no_scheduler_without_pytest_xdist() -> None:
    assert scheduler_of(config_with(specified=False), "load", 2) is None
    assert scheduler_of(config_with(Suite(), specified=False), "load", 2) is None


def test_items_share_the_scope_that_the_scheduler_names() -> None:
    scheduler = SimpleNamespace(_split_scope=split_by_parameter)
    assert [shared_scope(item_of(name), "load", scheduler) for name in ("a.py::t[x]", "b.py::u[x]")] == ["x", "x"]


def test_an_item_that_is_its_own_scope_has_none() -> None:
    assert shared_scope(item_of("a.py::t"), "load", SimpleNamespace(_split_scope=str)) is None


def test_a_scheduler_of_groups_finds_them_in_node_ids() -> None:
    scheduler = SimpleNamespace(_split_scope=lambda nodeid: nodeid.rpartition("@")[2])
    assert shared_scope(item_of("a.py::t", "db"), "loadgroup", scheduler) == "db"


def test_a_scheduler_that_knows_no_scopes_changes_nothing() -> None:
    assert shared_scope(item_of("a.py::t"), "loadfile", SimpleNamespace()) == "a.py"
