"""`pulseq check`: would this run, and would Prefect take it as it is meant? Nothing is started."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pulseq.capabilities import match, nearest_miss
from pulseq.distributed.fleet_choice import choose_fleet
from pulseq.distributed.run_options import default_home
from pulseq.engine.api_address import check_api
from pulseq.engine.known_api import configure, known_api
from pulseq.engine.machine import read_machine
from pulseq.errors import MOST_OF_A_KIND, PulseqError, UsageError
from pulseq.models import CapabilityValue, Fleet, Suite
from pulseq.suites.arguments import load_arguments
from pulseq.suites.default_suite import complete_arguments
from pulseq.suites.documents import Flaw
from pulseq.suites.prefect_file import PROJECT_FILE, Project, read_project


def check(
    *suites: str,
    nodes: Path | None = None,
    count: Annotated[str | None, Parameter(name=["-n", "--numprocesses"])] = None,
    pyargs: Annotated[bool, Parameter(negative="")] = False,
    project: Path | None = None,
) -> int:
    """Validate suites, nodes and prefect.yaml, and tell which tests no node fits; starts nothing.

    Of prefect.yaml it tells what Prefect would ignore or replace with a placeholder.

    Args:
        suites: Suite files, directories, test files; as for `pulseq run`.
        nodes: Nodes file; by default the one beside the suite, else nodes of this machine.
        count: Local nodes with one slot each, or `auto`.
        pyargs: Arguments that are no suite files are names of Python packages.
        project: A prefect.yaml; by default the one of the working directory, if there is one.
    """
    suites = complete_arguments(suites, pyargs=pyargs)
    written = project or Path(PROJECT_FILE)
    has_project = project is not None or written.exists()
    checks: list[Callable[[], None]] = []
    if suites or not has_project:
        checks.append(lambda: _check_suites(suites, nodes, count, pyargs=pyargs))
    if has_project:
        checks.append(lambda: check_project(written))
    _tell_all(checks)
    return 0


def _tell_all(checks: Iterable[Callable[[], None]]) -> None:
    """Do each check, whatever the one before has found.

    Raises:
        PulseqError: of the check that found something; of several, with the lines of all.
    """
    errors: list[PulseqError] = []
    for check_one in checks:
        try:
            check_one()
        except PulseqError as error:
            errors.append(error)
    if len(errors) > 1:
        raise UsageError("\n".join(map(str, errors)))
    if errors:
        raise errors[0]


def _check_suites(suites: Sequence[str], nodes: Path | None, count: str | None, *, pyargs: bool) -> None:
    if not suites:
        raise UsageError("found no suite, expected a suite file, a directory or a pytest path")
    suite = load_arguments(list(suites), pyargs=pyargs)
    fleet = choose_fleet(list(suites), nodes_file=nodes, count=count, scheduler=None)
    misses = find_misses(suite, fleet)
    slots = sum(node.max_concurrent_tests for node in fleet.nodes)
    source = f" from {fleet.source}" if fleet.source else ""
    print(f"suite {suite.name}: {len(suite.tests)} entries", file=sys.stderr)
    print(f"nodes{source}: {len(fleet.nodes)} with {slots} slots", file=sys.stderr)
    if misses:
        more = (
            [f"and {len(misses) - MOST_OF_A_KIND} more tests that no node fits"] if len(misses) > MOST_OF_A_KIND else []
        )
        raise UsageError("\n".join([*misses[:MOST_OF_A_KIND], *more]))
    print("every entry fits at least one node", file=sys.stderr)


def check_project(path: Path) -> None:
    """Hold a prefect.yaml against the flows that it names, and against the work pools of the API if one answers.

    Raises:
        ConfigurationError: with everything that Prefect would ignore, replace or refuse.
    """
    project = read_project(path)
    # Prefect takes its time; what the file itself says wrong has been told by now.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    from pulseq.engine.deployments import find_flaws

    flaws = [*find_flaws(project), *_find_missing_pools(project)]
    if flaws:
        raise project.document.refuse(flaws)
    print(f"{path}: {len(project.deployments)} deployments, as Prefect understands them", file=sys.stderr)


def _find_missing_pools(project: Project) -> list[Flaw]:
    try:
        api = known_api(default_home())
        configure(api)
        asyncio.run(check_api(api.url))
    except PulseqError as error:
        print(f"work pools are not checked: {error}", file=sys.stderr)
        return []
    from pulseq.engine.deployments import find_missing_pools

    return asyncio.run(find_missing_pools(project))


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
