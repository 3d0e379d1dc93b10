"""`pulseq check`: would this run, and would Prefect take it as it is meant? Nothing is started."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pulseq.capabilities import nearest_miss
from pulseq.cli.common_options import NodeCount
from pulseq.cluster.own_nodes import find_host_problem
from pulseq.errors import MOST_OF_A_KIND, PulseqError, UsageError, call_all
from pulseq.fleet import SLOT_A_PROCESSOR, Fleet
from pulseq.models import PytestBody, Suite, TestCase
from pulseq.orchestration.api_address import check_api
from pulseq.ownership import default_home
from pulseq.projects.project_check import (
    NOT_PREPARED,
    PromisedPaths,
    refuse_unsendable,
    say_named_outside,
    say_unmade,
)
from pulseq.run.fleet_choice import choose_fleet
from pulseq.run.offers import find_offers, fits_any, may_be_sent
from pulseq.standing.known_api import configure, known_api
from pulseq.suites.absent import Absences
from pulseq.suites.arguments import load_arguments
from pulseq.suites.default_suite import complete_arguments
from pulseq.suites.documents import Flaw
from pulseq.suites.prefect_file import PROJECT_FILE, Project, read_project
from pulseq.suites.shared_junit import say_shared_junit


def check(
    *suites: str,
    nodes: Path | None = None,
    count: NodeCount = None,
    hosts: Annotated[tuple[str, ...], Parameter(name="--on")] = (),
    ship: Annotated[bool | None, Parameter(name="--ship", negative="--no-ship")] = None,
    pyargs: bool = False,
    project: Path | None = None,
) -> int:
    """Validate suites, nodes and prefect.yaml, and tell which tests no node fits or can start; starts nothing.

    Of tests it tells which directory, program, interpreter or file is not on this machine, where a node is; of a
    project that goes to hosts, why it could not. No host is reached.
    Of prefect.yaml it tells what Prefect would ignore or replace with a placeholder.

    Args:
        suites: Suite files, directories, test files; as for `pulseq run`.
        nodes: Nodes file; by default the one beside the suite, else nodes of this machine.
        count: Local nodes with one slot each, or `auto`.
        hosts: Hosts that are to run it, as for `pulseq run`.
        ship: The project goes to the hosts of all nodes, or to none, as for `pulseq run`.
        pyargs: Arguments that are no suite files are names of Python packages.
        project: A prefect.yaml; by default the one of the working directory, if there is one.
    """
    suites = complete_arguments(suites, pyargs=pyargs)
    written = project or Path(PROJECT_FILE)
    has_project = project is not None or written.exists()
    checks: list[Callable[[], None]] = []
    if suites or not has_project:

        def choose() -> Fleet:
            return choose_fleet(list(suites), nodes_file=nodes, count=count, scheduler=None, hosts=hosts)

        told_where = bool(nodes or count or hosts)
        load = functools.partial(_load, suites, pyargs=pyargs)
        checks.append(lambda: _check_suites(load, choose, ship=ship, told_where=told_where))
    if has_project:
        checks.append(lambda: check_project(written))
    call_all(*checks)
    return 0


def _load(suites: Sequence[str], *, pyargs: bool) -> Suite:
    if not suites:
        raise UsageError("found no suite, expected a suite file, a directory or a pytest path")
    return load_arguments(list(suites), pyargs=pyargs)


def _check_suites(
    load: Callable[[], Suite], choose: Callable[[], Fleet], *, ship: bool | None, told_where: bool
) -> None:
    suite, fleet = call_all(load, choose)
    source = f" from {fleet.source}" if fleet.source else ""
    print(f"suite {suite.name}: {len(suite.tests)} entries", file=sys.stderr)
    by_processors = any(node.max_concurrent_tests == SLOT_A_PROCESSOR for node in fleet.nodes)
    slots = "a slot for each processor" if by_processors else f"{fleet.slots} slots"
    print(f"nodes{source}: {len(fleet.nodes)} with {slots}", file=sys.stderr)
    # Where nobody says where it is to run, that may be on what `pulseq up` keeps.
    needs_all = not ship and (told_where or fleet.source is not None)
    troubles = [
        *(f"{fleet.source}: {problem}" for node in fleet.nodes if (problem := find_host_problem(node))),
        *_limit(find_misses(suite, fleet), "tests that no node fits"),
        *_limit(find_troubles(suite, fleet, needs_all=needs_all), "things of this kind"),
    ]
    call_all(lambda: _refuse(troubles), lambda: _check_sent(suite, fleet, ship=ship))
    print("every entry fits at least one node", file=sys.stderr)
    for note in _find_notes(suite, fleet, ship=ship):
        print(f"note: {note}", file=sys.stderr)


def _refuse(troubles: Sequence[str]) -> None:
    if troubles:
        raise UsageError("\n".join(troubles))


def _check_sent(suite: Suite, fleet: Fleet, *, ship: bool | None) -> None:
    if fleet.gets_project(ship=ship):
        refuse_unsendable(suite, default_home(), may_be_sent(fleet, ship=ship))


def _find_notes(suite: Suite, fleet: Fleet, *, ship: bool | None) -> Iterator[str]:
    if fleet.gets_project(ship=ship):
        yield from say_named_outside(suite, may_be_sent(fleet, ship=ship)).splitlines()
    if not ship and fleet.has_local and (note := say_unmade(suite)):
        yield note
    if fleet.slots != 1:
        yield from _limit([*say_shared_junit(suite)], "tests with the JUnit files of others")


def _limit(lines: Sequence[str], what: str) -> list[str]:
    more = [f"and {len(lines) - MOST_OF_A_KIND} more {what}"] if len(lines) > MOST_OF_A_KIND else []
    return [*lines[:MOST_OF_A_KIND], *more]


def check_project(path: Path) -> None:
    """Hold a prefect.yaml against the flows that it names, and against the work pools of the API if one answers.

    Raises:
        ConfigurationError: with everything that Prefect would ignore, replace or refuse.
    """
    project = read_project(path)
    # Prefect takes its time; what the file itself says wrong has been told by now.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    from pulseq.orchestration.deployments import find_flaws

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
    from pulseq.orchestration.deployments import find_missing_pools

    return asyncio.run(find_missing_pools(project))


def find_misses(suite: Suite, fleet: Fleet) -> list[str]:
    """Each entry that no node of the fleet fits, with the nearest miss in words."""
    offers = find_offers(fleet.nodes)
    return [
        f"{_place(test)}: {nearest_miss(test.requirements, offers)}"
        for test in suite.tests
        if not fits_any(test, offers)
    ]


def find_troubles(suite: Suite, fleet: Fleet, *, needs_all: bool = True) -> list[str]:
    """What will go wrong with tests that have a node: a limit below what they take, and what is not on this machine.

    What is not there is told of tests that may get a local node.

    Args:
        needs_all: whether that is so also of what `prepare` makes, which is not run here.
    """
    here = find_offers(node for node in fleet.nodes if node.is_local)
    absences, promised = Absences(), PromisedPaths(suite)
    troubles: list[str] = []
    for test in suite.tests:
        found = [*_find_short_timeout(test)]
        for absent in absences.find(test) if fits_any(test, here) else ():
            if not promised.has(absent.path):
                found.append(absent.told)
            elif needs_all:
                found.append(f"{absent.told}; `prepare` makes it, but {NOT_PREPARED}")
        troubles += [f"{_place(test)}: {trouble}" for trouble in found]
    return troubles


def _find_short_timeout(test: TestCase) -> Iterator[str]:
    # A duration of a pytest entry is that of all its items, a timeout that of each.
    if test.timeout_seconds is None or test.duration is None or isinstance(test.body, PytestBody):
        return
    if test.timeout_seconds < test.duration:
        yield (
            f"timeout: found {test.timeout_seconds:g} s, expected more than the duration of {test.duration:g} s: "
            "each attempt would be ended before it is done"
        )


def _place(test: TestCase) -> str:
    return f"{test.location}: test {test.id!r}" if test.location else f"test {test.id!r}"
