"""The fleet: from a nodes file, or a number of nodes on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pulseq.errors import UsageError
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec, SshSpec, Strategy
from pulseq.suites.documents import Document, Flaw, Flawed, find_repeated, find_repeated_ids
from pulseq.suites.reading import read_document
from pulseq.suites.schema import Expected, Keys, ReadBy, read, read_whole
from pulseq.suites.values import Capabilities, FileName, Flag, MapKey, PositiveSeconds, Text, Variables, Written, one_of

_LOOPBACK = {"127.0.0.1": "localhost", "::1": "localhost"}


def _read_options(value: Any) -> tuple[tuple[str, str], ...]:
    options: dict[str, str] = read(_Options, value)
    return tuple(options.items())


_Options = Annotated[dict[MapKey, Written], Expected("a mapping as of ssh_config, such as {ProxyJump: gate}")]


class SshKeys(Keys, thing="ssh"):
    user: Text
    port: Annotated[int, Expected("a whole number from 1 to 65535", ge=1, le=65535)]
    identity: Text
    options: Annotated[tuple[tuple[str, str], ...], ReadBy(_read_options)]
    python: Text
    directory: Text


class NodeKeys(Keys, thing="a node", needs=("id",)):
    id: FileName
    host: Text
    port: Annotated[int, Expected("a whole number from 0 to 65535", ge=0, le=65535)]
    capabilities: Capabilities
    max_concurrent_tests: Annotated[int, Expected("a whole number, 1 or more", ge=1)]
    joins: Flag
    ssh: SshKeys
    env: Variables
    python: Text


class AggregationKeys(Keys, thing="result_aggregation"):
    enabled: Flag
    interval: PositiveSeconds
    persist_results: Flag


class FrameworkKeys(Keys, thing="framework"):
    heartbeat_interval: PositiveSeconds
    node_timeout: PositiveSeconds
    load_balancing_strategy: Annotated[Strategy, ReadBy(one_of({strategy.value: strategy for strategy in Strategy}))]
    result_aggregation: AggregationKeys


class NodesFileKeys(Keys, thing="a nodes file", needs=("nodes",)):
    nodes: Annotated[tuple[NodeKeys, ...], Expected("a list of at least one node", min_length=1)]
    framework: FrameworkKeys


#: The field of FrameworkConfig that a key fills, where it is not called like the key.
_FIELDS = {
    "load_balancing_strategy": "strategy",
    "enabled": "aggregation_enabled",
    "interval": "aggregation_interval",
}


def load_fleet(path: Path) -> Fleet:
    """The nodes that a file describes, and how they are to be used.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
    """
    document = read_document(path, needs="nodes")
    ids = find_repeated_ids(document, "nodes", "an id that no other node has; the first is at line")
    values = read_whole(
        document, NodesFileKeys, [*ids, *_find_repeated_ports(document), *_find_ssh_without_host(document)]
    )
    nodes = tuple(_make_node(node) for node in values["nodes"])
    return Fleet(nodes, _make_framework(values.get("framework", {})), str(path))


def _make_node(values: Mapping[str, Any]) -> NodeSpec:
    return NodeSpec(**{**values, "ssh": SshSpec(**values.get("ssh", {}))})


def local_fleet(count: int) -> Fleet:
    """So many nodes on this machine, `node1` and on, with one slot each.

    Raises:
        UsageError: it is no number of nodes.
    """
    if count < 1:
        raise UsageError(f"found {count} nodes, expected at least 1")
    return Fleet(tuple(NodeSpec(f"node{number}") for number in range(1, count + 1)))


def _find_repeated_ports(document: Document) -> Iterator[Flaw]:
    """Each port that another node of the same host has."""
    places = [_place_of(node) for node in document.entries("nodes")]
    for index, other in find_repeated(places):
        line = document.find_line(("nodes", other, "port"))
        expected = f"a port of its own (0: any that is free); line {line} has it on the same host"
        yield Flaw(("nodes", index, "port"), f"{document.value['nodes'][index]['port']} again", expected)


def _find_ssh_without_host(document: Document) -> Iterator[Flaw]:
    """Each node that says how its host is reached, and not which: this machine is hardly meant."""
    for index, node in enumerate(document.entries("nodes")):
        if "ssh" in node and "host" not in node:
            yield Flaw(("nodes", index, "ssh"), "`ssh` without `host`", "`host: NAME` beside it, as ssh knows it")


def _place_of(node: Mapping[str, Any]) -> tuple[str, int] | None:
    host, port = str(node.get("host", "localhost")).lower(), node.get("port")
    return (_LOOPBACK.get(host, host), port) if port and type(port) is int else None


def _make_framework(values: Mapping[str, Any]) -> FrameworkConfig:
    flat = {**values, **values.get("result_aggregation", {})}
    return FrameworkConfig(**{_FIELDS.get(key, key): flat[key] for key in flat if key != "result_aggregation"})


def framework_from_mapping(mapping: Mapping[str, Any]) -> FrameworkConfig:
    """The `framework` section, given as a dict.

    Raises:
        ValueError: a value that cannot be used; the text is one sentence about the first of them.
    """
    try:
        return _make_framework(read(FrameworkKeys, mapping))
    except Flawed as error:
        raise ValueError(f"framework: {error.flaws[0]}") from None


def read_node_value(key: str, value: Any) -> Any:
    """One value of a node, by the key that a nodes file has for it.

    Raises:
        ValueError: it cannot be used; the text is one sentence.
    """
    try:
        return read(NodeKeys.kinds()[key], value)
    except Flawed as error:
        raise ValueError(f"node: {error.flaws[0].below(key)}") from None
