"""Which nodes a run gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.fleet import Fleet
from pulseq.suites.default_suite import own_nodes_files
from pulseq.suites.nodes_file import load_fleet, local_fleet
from pulseq.suites.reading import SUFFIXES


def choose_fleet(
    arguments: Sequence[str], *, nodes_file: Path | None, count: str | None, scheduler: str | None
) -> Fleet:
    """The fleet that was asked for, else the one beside the suite, else a node a processor.

    Raises:
        UsageError: two answers to one question, or a number of nodes that is none.
        ConfigurationError: problems in the nodes file.
    """
    asked = [name for name, value in (("-n", count), ("--nodes", nodes_file), ("--scheduler", scheduler)) if value]
    if len(asked) > 1:
        raise UsageError(f"found {' and '.join(asked)}, expected one of them: each says where tests run")
    if nodes_file is not None:
        return load_fleet(nodes_file)
    if count is None and scheduler is None and (beside := fleet_beside(arguments)) is not None:
        return load_fleet(beside)
    return local_fleet(read_count(count))


def fleet_beside(arguments: Sequence[str]) -> Path | None:
    """`NAME.nodes.yaml` or `../nodes/NAME.yaml` of a single suite file `NAME.yaml`, if one exists."""
    if len(arguments) != 1 or not arguments[0].lower().endswith(SUFFIXES):
        return None
    return next((candidate for candidate in own_nodes_files(Path(arguments[0])) if candidate.is_file()), None)


def read_count(count: str | None) -> int:
    """The number that `-n` means; `auto` and nothing mean the processors that this process may use."""
    if count is None or count == "auto":
        return len(os.sched_getaffinity(0))
    if not count.isdecimal() or not 1 <= int(count) <= 512:
        raise UsageError(f"-n: found {count!r}, expected a number from 1 to 512, or 'auto'")
    return int(count)
