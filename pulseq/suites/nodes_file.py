"""The fleet: from a nodes file, or a number of nodes on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulseq.errors import UsageError
from pulseq.models import Fleet, FrameworkConfig, NodeSpec, Strategy
from pulseq.suites.documents import Document, Flaw, Flawed, describe, shorten
from pulseq.suites.readers import (
    Reader,
    one_of,
    read_capabilities,
    read_flag,
    read_keys,
    read_positive_seconds,
    read_text,
    whole_number,
)
from pulseq.suites.reading import read_document

_LOOPBACK = {"127.0.0.1": "localhost", "::1": "localhost"}
#: Ids name log files and worker processes.
_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _read_node_id(value: Any) -> str:
    """A node's id, which also names its log file."""
    node_id = read_text(value)
    if not _NODE_ID.fullmatch(node_id):
        raise Flawed.at(
            f"'{shorten(node_id)}'",
            "up to 100 letters, digits, '.', '_' and '-', the first of them a letter or digit",
        )
    return node_id


_NODE_READERS: Mapping[str, Reader[Any]] = {
    "id": _read_node_id,
    "host": read_text,
    "port": whole_number(0, 65535),
    "capabilities": read_capabilities,
    "max_concurrent_tests": whole_number(1),
}


def load_fleet(path: Path) -> Fleet:
    """The nodes that a file describes, and how they are to be used.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
    """
    document = read_document(path, needs="nodes")
    readers: dict[str, Reader[Any]] = {"nodes": _leave_for_later, "framework": read_framework}
    top = read_keys(document.value, readers, required=["nodes"], thing="a nodes file")
    flaws = [*document.flaws, *top.flaws]
    nodes: list[NodeSpec] = []
    for part in _read_nodes(document):
        if isinstance(part, Flaw):
            flaws.append(part)
        else:
            nodes.append(part)
    if flaws:
        raise document.refuse(flaws)
    return Fleet(tuple(nodes), top.values.get("framework", FrameworkConfig()), str(path))


def local_fleet(count: int) -> Fleet:
    """So many nodes on this machine, `node1` and on, with one slot each.

    Raises:
        UsageError: it is no number of nodes.
    """
    if count < 1:
        raise UsageError(f"found {count} nodes, expected at least 1")
    return Fleet(tuple(NodeSpec(f"node{number}") for number in range(1, count + 1)))


def _leave_for_later(value: Any) -> Any:
    return value


def _read_nodes(document: Document) -> Iterator[NodeSpec | Flaw]:
    entries = document.value.get("nodes", [NodeSpec])
    if not isinstance(entries, list) or not entries:
        yield Flaw(("nodes",), describe(entries), "a list of at least one node")
        return
    if "nodes" not in document.value:
        return
    ids: dict[str, int] = {}
    ports: dict[tuple[str, int], int] = {}
    for index, entry in enumerate(entries):
        reading = read_keys(entry, _NODE_READERS, required=["id"], thing="a node")
        yield from (flaw.below("nodes", index) for flaw in reading.flaws)
        yield from _find_repetitions(document, index, reading.values, ids, ports)
        if not reading.flaws:
            yield NodeSpec(**reading.values)


def _find_repetitions(
    document: Document,
    index: int,
    values: Mapping[str, Any],
    ids: dict[str, int],
    ports: dict[tuple[str, int], int],
) -> Iterator[Flaw]:
    """An id that another node has, and a port that another node of the same host has."""
    node_id, port = values.get("id"), values.get("port", 0)
    if node_id is not None and ids.setdefault(node_id, index) != index:
        line = document.find_line(("nodes", ids[node_id], "id"))
        expected = f"an id that no other node has; the first is at line {line}"
        yield Flaw(("nodes", index, "id"), f"'{shorten(node_id)}' again", expected)
    host = values.get("host", "localhost").lower()
    place = (_LOOPBACK.get(host, host), port)
    if port and ports.setdefault(place, index) != index:
        line = document.find_line(("nodes", ports[place], "port"))
        expected = f"a port of its own (0: any that is free); line {line} has it on the same host"
        yield Flaw(("nodes", index, "port"), f"{port} again", expected)


def read_framework(value: Any) -> FrameworkConfig:
    """The `framework` section: how often nodes are looked at, and how tests find theirs.

    Raises:
        Flawed: with all that is wrong with it.
    """
    readers: dict[str, Reader[Any]] = {
        "heartbeat_interval": read_positive_seconds,
        "node_timeout": read_positive_seconds,
        "load_balancing_strategy": one_of({strategy.value: strategy for strategy in Strategy}),
        "result_aggregation": _read_aggregation,
    }
    values = read_keys(value, readers, thing="framework").finish()
    strategy = values.pop("load_balancing_strategy", Strategy.ADAPTIVE)
    return FrameworkConfig(strategy=strategy, **values.pop("result_aggregation", {}), **values)


def _read_aggregation(value: Any) -> dict[str, Any]:
    readers: dict[str, Reader[Any]] = {
        "enabled": read_flag,
        "interval": read_positive_seconds,
        "persist_results": read_flag,
    }
    values = read_keys(value, readers, thing="result_aggregation").finish()
    fields = {"enabled": "aggregation_enabled", "interval": "aggregation_interval"}
    return {fields.get(key, key): item for key, item in values.items()}


def framework_from_mapping(mapping: Mapping[str, Any]) -> FrameworkConfig:
    """The `framework` section, given as a dict.

    Raises:
        ValueError: a value that cannot be used; the text is one sentence about the first of them.
    """
    try:
        return read_framework(mapping)
    except Flawed as error:
        raise ValueError(f"framework: {error.flaws[0]}") from None


def read_node_value(key: str, value: Any) -> Any:
    """One value of a node, by the key that a nodes file has for it.

    Raises:
        ValueError: it cannot be used; the text is one sentence.
    """
    try:
        return _NODE_READERS[key](value)
    except Flawed as error:
        raise ValueError(f"node: {error.flaws[0].below(key)}") from None
