"""Plug-ins that know pytest-xdist find its names: nodes, variables, scopes."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_xdist import Node, WorkerManager, name_worker, scope_of


def item_of(nodeid: str, *groups: pytest.Mark) -> Any:
    return SimpleNamespace(nodeid=nodeid, iter_markers=lambda name: groups if name == "xdist_group" else ())


def group(*args: Any, **kwargs: Any) -> pytest.Mark:
    return pytest.Mark("xdist_group", args, kwargs, _ispytest=True)


@pytest.mark.parametrize(
    ("mode", "nodeid", "expected"),
    [
        ("loadscope", "a.py::TestA::t", "a.py::TestA"),
        ("loadscope", "a.py::t", "a.py"),
        ("loadscope", "a.py::t[x::y]", "a.py"),
        ("loadscope", "a.txt", "a.txt"),
        ("loadfile", "d/a.py::TestA::t[x::y]", "d/a.py"),
        ("loadgroup", "a.py::t", None),
        ("load", "a.py::TestA::t", None),
        ("no", "a.py::t", None),
    ],
)
def test_the_scope_of_an_item_follows_from_its_name(mode: str, nodeid: str, expected: str | None) -> None:
    assert expected == scope_of(item_of(nodeid), mode)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([group("db")], "db"),
        ([group(name="db")], "db"),
        ([group()], "default"),
        ([group("net"), group("db"), group("net")], "db_net"),
    ],
)
def test_the_group_of_an_item_is_that_of_all_its_markers(marks: list[pytest.Mark], expected: str) -> None:
    assert expected == scope_of(item_of("a.py::t", *marks), "loadgroup")


def test_a_worker_is_named_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")
    for name in names:
        monkeypatch.setenv(name, "")
    name_worker("gw3", 4, "run-1")
    assert ["gw3", "4", "run-1"] == [os.environ[name] for name in names]


def test_a_plug_in_finds_out_who_a_node_is() -> None:
    manager = WorkerManager("config", ["gw0", "gw1"], "run-1")
    node = Node("config", manager, "gw1")
    assert ("gw1", "gw1", True) == (node.gateway.id, node.gateway.spec.id, node.gateway.spec.popen)
    assert {"workerid": "gw1", "workercount": 2, "testrunuid": "run-1"}.items() <= node.workerinput.items()
    assert sys.executable == node.workerinfo["executable"] == node.gateway._rinfo().executable
    assert "<Node gw1>" == repr(node)


def test_a_node_has_given_nothing_back_before_it_has_ended() -> None:
    assert not hasattr(Node("config", WorkerManager("config", ["gw0"], "run-1"), "gw0"), "workeroutput")
