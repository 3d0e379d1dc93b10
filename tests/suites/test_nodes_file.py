"""Fleets from nodes files, with every refusal in its whole message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import ConfigurationError, UsageError
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec, SshSpec, Strategy
from pulseq.suites.nodes_file import framework_from_mapping, load_fleet, local_fleet

CONTRACT = """\
nodes:
  - {id: node1, host: localhost, port: 8000, capabilities: {os: linux, browser: chrome, memory: 8GB}, max_concurrent_tests: 5}
framework:
  heartbeat_interval: 30          # s
  node_timeout: 60                # s
  load_balancing_strategy: round_robin
  result_aggregation: {enabled: true, interval: 5, persist_results: true}
"""  # noqa: E501


def refuse(write: Any, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        load_fleet(write(text, "nodes.yaml"))
    return [str(problem) for problem in refusal.value.problems]


def test_the_contract_s_nodes_load(write: Any) -> None:
    capabilities = {"os": "linux", "browser": "chrome", "memory": "8GB"}
    assert load_fleet(write(CONTRACT, "nodes.yaml")) == Fleet(
        nodes=(NodeSpec("node1", "localhost", 8000, capabilities, 5),),
        framework=FrameworkConfig(30.0, 60.0, Strategy.ROUND_ROBIN, True, 5.0, True),
        source="nodes.yaml",
    )


def test_what_is_not_said_is_as_the_models_have_it(write: Any) -> None:
    fleet = load_fleet(write("nodes: [{id: a}]", "nodes.yaml"))
    assert fleet == Fleet((NodeSpec("a"),), FrameworkConfig(), "nodes.yaml")


def test_toml_has_the_same_keys(write: Any) -> None:
    text = "[[nodes]]\nid = 'a'\ncapabilities = {python = 3.10, cpus = 4, gpu = true, browser = ['x', 'y']}\n"
    [node] = load_fleet(write(text, "nodes.toml")).nodes
    assert node.capabilities == {"python": "3.10", "cpus": 4, "gpu": True, "browser": ("x", "y")}


def test_equal_ports_on_other_hosts_and_free_ports_are_fine(write: Any) -> None:
    text = "nodes: [{id: a, port: 1}, {id: b, host: lab, port: 1}, {id: c, port: 0}, {id: d, port: 0}]"
    assert len(load_fleet(write(text, "nodes.yaml")).nodes) == 4


@pytest.mark.parametrize(
    ("keys", "key", "found", "expected"),
    [
        ("id: 1", "id", "1", "text; put it in quotes"),
        ("id: a, host: ''", "host", "empty text", "text"),
        ("id: a, port: 70000", "port", "70000", "a whole number from 0 to 65535"),
        ("id: a, port: '80'", "port", "'80'", "a whole number from 0 to 65535, without quotes"),
        ("id: a, max_concurrent_tests: 0", "max_concurrent_tests", "0", "a whole number, 1 or more"),
        ("id: a, prt: 80", "prt", "an unknown key", "a key of a node; did you mean 'port'?"),
        ("host: x", "id", "nothing", "this key, which a node needs"),
        (
            "id: a, capabilities: [gpu]",
            "capabilities",
            "a list",
            "a mapping of capabilities to what the node offers, such as {browser: chrome}",
        ),
        ("id: a, capabilities: {b: []}", "capabilities.b", "an empty list", "at least one value"),
        ("id: a, capabilities: {b: '>=8GB'}", "capabilities.b", "'>=8GB'", "what the node has, not a comparison"),
        (
            "id: a, capabilities: {b: [[c]]}",
            "capabilities.b",
            "a list",
            "a word, a number, a size, a version, true, false, or a list of these",
        ),
        (
            "id: a, capabilities: {b: {c: d}}",
            "capabilities.b",
            "a mapping",
            "a word, a number, a size, a version, true, false, or a list of these",
        ),
        (
            "id: a, capabilities: {b: }",
            "capabilities.b",
            "nothing",
            "a word, a number, a size, a version, true, false, or a list of these",
        ),
    ],
)
def test_a_node_is_refused(write: Any, keys: str, key: str, found: str, expected: str) -> None:
    assert refuse(write, f"nodes:\n  - {{{keys}}}\n") == [
        f"nodes.yaml:2: nodes[0].{key}: found {found}, expected {expected}"
    ]


@pytest.mark.parametrize(
    ("keys", "key", "found", "expected"),
    [
        ("heartbeat_interval: 0", "heartbeat_interval", "0", "a number of seconds above 0"),
        ("node_timeout: -1", "node_timeout", "-1", "a number of seconds above 0"),
        (
            "load_balancing_strategy: round-robin",
            "load_balancing_strategy",
            "'round-robin'",
            "one of round_robin, least_loaded, longest_first, adaptive; did you mean 'round_robin'?",
        ),
        (
            "result_aggregation: true",
            "result_aggregation",
            "true",
            "result_aggregation, as a mapping of keys to values",
        ),
        ("result_aggregation: {enabled: 1}", "result_aggregation.enabled", "1", "true or false"),
        ("result_aggregation: {interval: 0}", "result_aggregation.interval", "0", "a number of seconds above 0"),
        ("nod_timeout: 5", "nod_timeout", "an unknown key", "a key of framework; did you mean 'node_timeout'?"),
    ],
)
def test_a_framework_is_refused(write: Any, keys: str, key: str, found: str, expected: str) -> None:
    text = f"nodes: [{{id: a}}]\nframework:\n  {keys}\n"
    assert refuse(write, text) == [f"nodes.yaml:3: framework.{key}: found {found}, expected {expected}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("framework: {}", "nodes.yaml:1: nodes: found nothing, expected this key, which a nodes file needs"),
        ("nodes: []", "nodes.yaml:1: nodes: found an empty list, expected a list of at least one node"),
        ("nodes: {a: b}", "nodes.yaml:1: nodes: found a mapping, expected a list of at least one node"),
        ("nodes: a", "nodes.yaml:1: nodes: found 'a', expected a list of at least one node"),
        ("nodes: [a]", "nodes.yaml:1: nodes[0]: found 'a', expected a node, as a mapping of keys to values"),
    ],
)
def test_nodes_are_a_list_of_mappings(write: Any, text: str, problem: str) -> None:
    assert refuse(write, text) == [problem]


def test_an_id_and_a_port_that_another_node_has_are_told(write: Any) -> None:
    text = """\
    nodes:
      - {id: a, port: 8000}
      - {id: b, host: 127.0.0.1, port: 8000}
      - {id: a, port: 8001}
    """
    assert refuse(write, text) == [
        "nodes.yaml:3: nodes[1].port: found 8000 again, expected a port of its own (0: any that is free); "
        "line 2 has it on the same host",
        "nodes.yaml:4: nodes[2].id: found 'a' again, expected an id that no other node has; the first is at line 2",
    ]


def test_how_a_host_is_reached_without_saying_which_is_told(write: Any) -> None:
    text = """\
    nodes:
      - {id: here, host: localhost, ssh: {port: 2222}}
      - id: lab1
        ssh: {user: tester}
      - {id: lab2, ssh: {}}
    """
    told = "found `ssh` without `host`, expected `host: NAME` beside it, as ssh knows it"
    assert refuse(write, text) == [f"nodes.yaml:4: nodes[1].ssh: {told}", f"nodes.yaml:5: nodes[2].ssh: {told}"]


def test_local_nodes_are_numbered_and_have_one_slot_each() -> None:
    assert local_fleet(2) == Fleet((NodeSpec("node1"), NodeSpec("node2")))


def test_there_is_at_least_one_local_node() -> None:
    with pytest.raises(UsageError) as refusal:
        local_fleet(0)
    assert str(refusal.value) == "found 0 nodes, expected at least 1"


def test_a_framework_may_be_a_dict() -> None:
    config = framework_from_mapping({"node_timeout": 9, "result_aggregation": {"enabled": False}})
    assert config == FrameworkConfig(node_timeout=9.0, aggregation_enabled=False)


def test_a_dict_with_a_bad_value_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError) as refusal:
        framework_from_mapping({"node_timeout": 0})
    assert str(refusal.value) == "framework: node_timeout: found 0, expected a number of seconds above 0"


@pytest.mark.parametrize("node_id", ["/etc", "../up", ".hidden", "a b", "x" * 101])
def test_a_node_id_that_could_be_a_path_is_refused(tmp_path: Path, node_id: str) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(f"nodes:\n  - {{id: '{node_id}'}}\n")

    with pytest.raises(ConfigurationError, match="letters, digits"):
        load_fleet(path)


def test_how_a_host_is_reached_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(
        "nodes:\n"
        "  - {id: lab1, host: lab1.example}\n"
        "  - id: lab2\n"
        "    host: lab2.example\n"
        "    ssh: {user: tester, port: 2222, identity: ~/.ssh/lab, options: {ProxyJump: gate, Compression: 'yes'},\n"
        "          python: /opt/pulseq/bin/python, directory: /var/lib/pulseq}\n"
        "    env: {DISPLAY: ':1'}\n"
        "    python: /opt/app/bin/python\n"
        "  - {id: gpu1, host: gpu1.example, joins: true}\n"
    )
    lab1, lab2, gpu1 = load_fleet(path).nodes
    assert lab1.ssh == SshSpec()
    assert lab2.ssh == SshSpec(
        user="tester",
        port=2222,
        identity="~/.ssh/lab",
        options=(("ProxyJump", "gate"), ("Compression", "yes")),
        python="/opt/pulseq/bin/python",
        directory="/var/lib/pulseq",
    )
    assert (lab2.env, lab2.python) == ({"DISPLAY": ":1"}, "/opt/app/bin/python")
    assert gpu1.joins


@pytest.mark.parametrize(
    ("ssh", "told"),
    [("{port: 0}", "a whole number from 1 to 65535"), ("{users: a}", "user"), ("a@b", "ssh, as a mapping")],
)
def test_what_ssh_cannot_be_is_told(tmp_path: Path, ssh: str, told: str) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(f"nodes: [{{id: a, host: b, ssh: {ssh}}}]\n")
    with pytest.raises(ConfigurationError, match=told):
        load_fleet(path)
