"""A node as the Python API has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pulseq.fleet import NodeSpec
from pulseq.models import CapabilityValue
from pulseq.suites.nodes_file import read_node_value

#: Tests that a node runs at once where nothing else is said.
DEFAULT_CONCURRENT_TESTS = 5


@dataclass
class TestNode:
    """A labelled machine that runs tests.

    Attributes may be assigned anew; each value is checked, and one that is refused changes nothing. What a
    runner has started already stays as it was then.

    Args:
        id: its name, unique in a runner; letters, digits, `.`, `_` and `-`.
        host: `localhost` for one that is started here; any other joins by itself.
        port: where its worker listens; 0 is any free port.
        capabilities: what it offers; what can be read off the machine is filled in.
        max_concurrent_tests: how many tests it runs at once.

    Raises:
        ValueError: a value that cannot be used; the text says what was found and what was expected.
    """

    __test__ = False

    id: str
    host: str = "localhost"
    port: int = 0
    capabilities: Mapping[str, CapabilityValue] = field(default_factory=dict)
    max_concurrent_tests: int = DEFAULT_CONCURRENT_TESTS

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _KEYS:
            raise AttributeError(f"a TestNode has no attribute {name!r}, expected one of {', '.join(_KEYS)}")
        object.__setattr__(self, name, read_node_value(name, value))

    @property
    def spec(self) -> NodeSpec:
        """The node as it is now, frozen."""
        return NodeSpec(self.id, self.host, self.port, dict(self.capabilities), self.max_concurrent_tests)


_KEYS = tuple(one.name for one in fields(TestNode))


def node_of(node: TestNode | Mapping[str, Any]) -> TestNode:
    """A node, given as one or as a dict with its keys.

    Raises:
        ValueError: neither, or with a key that a node does not have.
    """
    if isinstance(node, TestNode):
        return node
    if not isinstance(node, Mapping):
        raise ValueError(f"found a {type(node).__name__}, expected a TestNode or a dict with its keys")
    unknown = [str(key) for key in node if key not in _KEYS]
    if unknown or "id" not in node:
        found = f"the unknown key {unknown[0]!r}" if unknown else "no id"
        raise ValueError(f"node: found {found}, expected keys among {', '.join(_KEYS)}, and an id")
    return TestNode(**node)
