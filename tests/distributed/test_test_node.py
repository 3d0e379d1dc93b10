"""Nodes as the Python API has them, with every refusal in its whole message."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.distributed.test_node import TestNode, node_of
from pulseq.fleet import NodeSpec

DOCUMENTED = {
    "id": "node1",
    "host": "localhost",
    "port": 8000,
    "capabilities": {"os": "linux", "browser": "chrome", "memory": "8GB"},
    "max_concurrent_tests": 5,
}


def test_the_documented_configuration_is_accepted() -> None:
    capabilities = {"os": "linux", "browser": "chrome", "memory": "8GB"}
    assert NodeSpec("node1", "localhost", 8000, capabilities, 5) == node_of(DOCUMENTED).spec


def test_a_node_may_be_given_by_position() -> None:
    assert TestNode(id="node1", host="localhost", port=8000) == TestNode("node1", "localhost", 8000)


def test_a_node_runs_five_tests_at_once_where_nothing_is_said() -> None:
    assert 5 == TestNode("node1").max_concurrent_tests


def test_attributes_can_be_reassigned() -> None:
    node = TestNode("node1")
    node.capabilities = {"browser": ["chrome", "firefox"]}  # type: ignore[dict-item]

    assert {"browser": ("chrome", "firefox")} == node.spec.capabilities


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", "", "node: id: found empty text, expected text"),
        ("id", 7, "node: id: found 7, expected text; put it in quotes"),
        ("host", None, "node: host: found nothing, expected text"),
        ("port", -1, "node: port: found -1, expected a whole number from 0 to 65535"),
        ("port", "8000", "node: port: found '8000', expected a whole number from 0 to 65535, without quotes"),
        ("max_concurrent_tests", 0, "node: max_concurrent_tests: found 0, expected a whole number, 1 or more"),
        ("max_concurrent_tests", True, "node: max_concurrent_tests: found true, expected a whole number, 1 or more"),
        (
            "capabilities",
            ["gpu"],
            "node: capabilities: found a list, expected a mapping of capabilities to what the node offers, "
            "such as {browser: chrome}",
        ),
        (
            "capabilities",
            {"memory": ">=8GB"},
            "node: capabilities.memory: found '>=8GB', expected what the node has, not a comparison",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_and_changes_nothing(key: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        TestNode(**{"id": "node1", key: value})
    node = node_of(DOCUMENTED)
    with pytest.raises(ValueError) as assigned:
        setattr(node, key, value)

    assert (message, message) == (str(refusal.value), str(assigned.value))
    assert node_of(DOCUMENTED) == node


def test_an_attribute_that_there_is_not_is_refused() -> None:
    node = TestNode("node1")
    with pytest.raises(AttributeError, match="a TestNode has no attribute 'prt', expected one of id, host, port"):
        node.prt = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "found a int, expected a TestNode or a dict with its keys"),
        ({"host": "localhost"}, "node: found no id, expected keys among"),
        ({"id": "a", "prt": 1}, "node: found the unknown key 'prt', expected keys among"),
    ],
)
def test_what_is_no_node_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        node_of(value)
