"""`pulseq check`: would this run? Nothing is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pulseq.capabilities import match, nearest_miss
from pulseq.distributed.fleet_choice import choose_fleet
from pulseq.engine.machine import read_machine
from pulseq.errors import UsageError
from pulseq.models import CapabilityValue, Fleet, Suite
from pulseq.suites.arguments import load_arguments


def check(
    *suites: str,
    nodes: Path | None = None,
    count: Annotated[str | None, Parameter(name=["-n", "--numprocesses"])] = None,
    pyargs: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Validate suites and nodes, and tell which tests no node fits; starts nothing.

    Args:
        suites: Suite files, directories, test files; as for `pulseq run`.
        nodes: Nodes file; by default the one beside the suite, else nodes of this machine.
        count: Local nodes with one slot each, or `auto`.
        pyargs: Arguments that are no suite files are names of Python packages.
    """
    suite = load_arguments(list(suites), pyargs=pyargs)
    fleet = choose_fleet(list(suites), nodes_file=nodes, count=count, scheduler=None)
    misses = find_misses(suite, fleet)
    slots = sum(node.max_concurrent_tests for node in fleet.nodes)
    source = f" from {fleet.source}" if fleet.source else ""
    print(f"suite {suite.name}: {len(suite.tests)} entries", file=sys.stderr)
    print(f"nodes{source}: {len(fleet.nodes)} with {slots} slots", file=sys.stderr)
    if misses:
        raise UsageError("\n".join(misses))
    print("every entry fits at least one node", file=sys.stderr)
    return 0


def find_misses(suite: Suite, fleet: Fleet) -> list[str]:
    """Each entry that no node of the fleet fits, with the nearest miss in words."""
    machine = read_machine()
    offers: dict[str, dict[str, CapabilityValue]] = {node.id: {**machine, **node.capabilities} for node in fleet.nodes}
    misses = []
    for test in suite.tests:
        if not any(match(test.requirements, capabilities).fits for capabilities in offers.values()):
            place = f"{test.location}: " if test.location else ""
            misses.append(f"{place}test {test.id!r}: {nearest_miss(test.requirements, offers)}")
    return misses
