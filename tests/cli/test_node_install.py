"""`pulseq node install`: which hosts are meant, and what is no host."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.node_install import _find_targets, _read_option
from pulseq.cluster.host_install import Target
from pulseq.errors import UsageError
from pulseq.fleet import SshSpec

NODES = """
nodes:
  - {id: here}
  - {id: lab1a, host: lab1.example, ssh: {user: tester, port: 2222}}
  - {id: lab1b, host: lab1.example, ssh: {user: tester, port: 2222}}
  - {id: lab2, host: lab2.example}
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    path = tmp_path / "nodes.yaml"
    path.write_text(NODES)
    return path


def test_hosts_are_named_as_ssh_has_them() -> None:
    options = (("ProxyJump", "gate"),)
    assert [
        Target("lab1", SshSpec(options=options)),
        Target("lab2", SshSpec(user="me", options=options)),
    ] == _find_targets(("lab1", "me@lab2", "lab1"), None, options)


def test_nodes_are_reached_as_their_file_says_each_host_once(nodes: Path) -> None:
    assert ["lab1.example", "lab2.example"] == [target.host for target in _find_targets((), nodes, ())]
    assert [Target("lab1.example", SshSpec(user="tester", port=2222))] == _find_targets(("lab1b", "lab1a"), nodes, ())


def test_a_node_that_the_file_does_not_have_is_refused_with_those_that_it_has(nodes: Path) -> None:
    with pytest.raises(UsageError, match=r"found no node 'lab3' .*expected one of lab1a, lab1b, lab2; did you mean"):
        _find_targets(("lab3",), nodes, ())


def test_a_file_of_local_nodes_alone_has_nothing_to_install_on(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text("nodes:\n  - {id: here}\n")
    with pytest.raises(UsageError, match="found no node on another host"):
        _find_targets((), tmp_path / "nodes.yaml", ())


def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match=r"found no host, expected .*HOST"):
        _find_targets((), None, ())


@pytest.mark.parametrize("host", ["a b", "-oProxyCommand=id", "@host", ""])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="expected a host as ssh takes it"):
        _find_targets((host,), None, ())


@pytest.mark.parametrize("text", ["a", "=b", "a=", ""])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--ssh-option: found .*, expected NAME=VALUE"):
        _read_option(text)


def test_an_option_is_a_name_and_a_value() -> None:
    assert ("ProxyJump", "a=b") == _read_option("ProxyJump=a=b")
