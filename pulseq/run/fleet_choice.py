"""Which nodes a run gets."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pulseq.cluster.ssh_command import split_host
from pulseq.errors import UsageError
from pulseq.fleet import SLOT_A_PROCESSOR, Fleet, NodeSpec, SshSpec
from pulseq.suites.default_suite import own_nodes_files
from pulseq.suites.documents import describe
from pulseq.suites.nodes_file import load_fleet, local_fleet
from pulseq.suites.reading import SUFFIXES

#: What the name of a host may have and the id of a node may not.
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def choose_fleet(
    arguments: Sequence[str],
    *,
    nodes_file: Path | None,
    count: str | None,
    scheduler: str | None,
    hosts: Sequence[str] = (),
) -> Fleet:
    """The fleet that was asked for, else the one beside the suite, else a node a processor.

    Args:
        hosts: as `--on` names them: `HOST` or `USER@HOST`.

    Raises:
        UsageError: two answers to one question, or a number of nodes that is none.
        ConfigurationError: problems in the nodes file.
    """
    answers = (("-n", count), ("--nodes", nodes_file), ("--scheduler", scheduler), ("--on", hosts))
    asked = [name for name, value in answers if value]
    if len(asked) > 1:
        raise UsageError(f"found {' and '.join(asked)}, expected one of them: each says where tests run")
    if nodes_file is not None:
        return load_fleet(nodes_file)
    if hosts:
        return fleet_on(hosts)
    if count is None and scheduler is None and (beside := fleet_beside(arguments)) is not None:
        return load_fleet(beside)
    return local_fleet(read_count(count))


def fleet_on(hosts: Sequence[str]) -> Fleet:
    """A node on each of these hosts, named after it, with a slot a processor.

    Raises:
        UsageError: one is no host, or there twice.
    """
    nodes: list[NodeSpec] = []
    for text in hosts:
        try:
            user, host = split_host(text)
        except ValueError as error:
            raise UsageError(f"--on: {error}") from None
        name = _NO_NAME.sub("-", host).strip("-.") or "host"
        if any(node.id == name for node in nodes):
            raise UsageError(f"--on: found {host!r} twice, expected each host once; a nodes file can have more")
        node = NodeSpec(name, host, ssh=SshSpec(user=user), max_concurrent_tests=SLOT_A_PROCESSOR)
        nodes.append(replace(node, max_concurrent_tests=read_count(None)) if node.is_local else node)
    return Fleet(tuple(nodes))


def fleet_beside(arguments: Sequence[str]) -> Path | None:
    """`NAME.nodes.yaml` or `../nodes/NAME.yaml` of a single suite file `NAME.yaml`, if one exists."""
    if len(arguments) != 1 or not arguments[0].lower().endswith(SUFFIXES):
        return None
    return next((candidate for candidate in own_nodes_files(Path(arguments[0])) if candidate.is_file()), None)


def read_count(count: str | None) -> int:
    """The number that `-n` means; `auto` and nothing mean the processors that this process may use."""
    if count is None or count == "auto":
        return len(os.sched_getaffinity(0))
    if not count.isdecimal() or len(count) > 3 or not 1 <= int(count) <= 512:
        advice = "; 1 runs one test after the other" if count == "0" else ""
        raise UsageError(f"-n: found {describe(count)}, expected a number from 1 to 512, or 'auto'{advice}")
    return int(count)
