"""What is asked of a run, by a command line or by a form, and the run that is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pulseq.capabilities import parse_size
from pulseq.cluster.scheduler_address import credentials_for
from pulseq.cluster.standing_cluster import StandingCluster
from pulseq.errors import MOST_OF_A_KIND, UsageError, call_all
from pulseq.fleet import Fleet, Strategy
from pulseq.models import Suite
from pulseq.ownership import default_home
from pulseq.results.lineage import Lineage
from pulseq.run.fleet_choice import choose_fleet
from pulseq.run.last_failed import NONE_KNOWN, above
from pulseq.run.previous import failed_before
from pulseq.run.run_options import STORE_BYTES, RunOptions, new_run_id
from pulseq.run.standing_use import check_joinable, join_standing
from pulseq.suites.absent import describe_missing_python
from pulseq.suites.arguments import load_arguments
from pulseq.suites.default_suite import complete_arguments
from pulseq.suites.one_test import locate_python
from pulseq.suites.selection import select
from pulseq.suites.shared_junit import say_shared_junit


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run as it is asked for; whoever asks has checked that numbers make sense.

    Attributes:
        suites: suite files, directories, test files, pytest node ids; with `pyargs` packages.
        pytest_args: what pytest gets besides.
        nodes_file, nodes_count, scheduler, hosts: where tests run; at most one of them.
        credentials: the file with those of that scheduler's cluster.
        without_missing: go on with the hosts that are there.
        strategy: before what the nodes file says; None leaves it to that.
        ship: as `RunOptions` has it.
        store_size: how much a host may keep of projects, as `20GB`.
        timeout_seconds, reruns: for tests that say nothing themselves.
    """

    suites: tuple[str, ...]
    pytest_args: tuple[str, ...] = ()
    pyargs: bool = False
    python: str | None = None
    keyword: str | None = None
    markers: str | None = None
    last_failed: bool = False
    failed_first: bool = False
    nodes_file: Path | None = None
    nodes_count: str | None = None
    scheduler: str | None = None
    credentials: Path | None = None
    hosts: tuple[str, ...] = ()
    without_missing: bool = False
    strategy: Strategy | None = None
    ship: bool | None = None
    store_size: str | None = None
    timeout_seconds: float | None = None
    reruns: int | None = None
    max_failures: int | None = None
    deadline_seconds: float | None = None
    granularity: str = "auto"
    isolation: str = "auto"
    run_id: str | None = None
    database: Path | None = None


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """All that `run_suite` takes."""

    suite: Suite
    fleet: Fleet
    options: RunOptions


def prepare_run(request: RunRequest) -> PreparedRun:
    """Read the suites, find the nodes; nothing is started.

    Raises:
        UsageError: something named is not there, problems in suite and nodes files, of both where both have some,
            or a project that the run's hosts cannot have.
        NothingToRunError: there is no test in them.
    """
    named = replace(request, suites=complete_arguments(request.suites, pyargs=request.pyargs))
    suite, fleet = call_all(lambda: _load_suite(named), lambda: _choose_fleet(named))
    told_where = bool(request.nodes_file or request.nodes_count or request.scheduler or request.hosts)
    awaited = tuple(spec.id for spec in fleet.nodes if spec.joins)
    # Nobody can join a run that has a scheduler of its own.
    options, standing = join_standing(
        _make_options(request, suite),
        own_nodes=told_where and not awaited,
        beside=fleet if fleet.source and not awaited else None,
    )
    if awaited:
        check_joinable(fleet, standing)
        options = replace(options, awaited=awaited)
    if standing is not None:
        # How long a node may be silent, or be waited for, is the file's to say that names it.
        fleet = replace(standing.fleet, framework=fleet.framework) if awaited else standing.fleet
        options = replace(options, nodes_environment=standing.keeper.read_environment())
    if request.strategy is not None:
        fleet = replace(fleet, framework=replace(fleet.framework, strategy=request.strategy))
    shared = say_shared_junit(suite) if fleet.slots != 1 else ()
    notes = (*options.notes, *_check_project(suite, fleet, options, standing), *islice(shared, MOST_OF_A_KIND))
    return PreparedRun(suite, fleet, replace(options, notes=notes))


def _check_project(suite: Suite, fleet: Fleet, options: RunOptions, standing: StandingCluster | None) -> Iterator[str]:
    """Refuse a project that cannot be sent where it is to be; what its user should hear of it."""
    gets_project = fleet.gets_project(ship=options.ship)
    if not gets_project and suite.project.prepare is None:
        return
    from pulseq.projects.project_check import refuse_unsendable, say_unmade  # most runs need not wait for it

    if gets_project:
        from pulseq.run.offers import may_be_sent

        try:
            refuse_unsendable(suite, options.home, may_be_sent(fleet, ship=options.ship))
        except UsageError as error:
            if options.ship or not _may_lack_hosts(fleet, options, standing):
                raise
            yield f"a host that is there would have this run refused: {error}"
    is_known = options.scheduler is None or options.standing
    if is_known and not options.ship and fleet.has_local and (note := say_unmade(suite)):
        yield note


def _may_lack_hosts(fleet: Fleet, options: RunOptions, standing: StandingCluster | None) -> bool:
    """Whether a run may go on with nodes of this machine alone: what hosts cannot have is seen when they are there."""
    hosts = (spec for spec in fleet.nodes if not spec.is_local)
    away = standing is not None and any(spec.joins or spec.id in standing.away for spec in hosts)
    return fleet.has_local and (options.without_missing or away)


def _load_suite(request: RunRequest) -> Suite:
    suite = load_arguments(
        list(request.suites), pytest_args=request.pytest_args, pyargs=request.pyargs, python=request.python
    )
    return _limit(select(suite, keyword=request.keyword, markers=request.markers), request)


def _choose_fleet(request: RunRequest) -> Fleet:
    if request.python == "":
        raise UsageError("--python: found '', expected the path or name of an interpreter")
    fleet = choose_fleet(
        request.suites,
        nodes_file=request.nodes_file,
        count=request.nodes_count,
        scheduler=request.scheduler,
        hosts=request.hosts,
    )
    # Nodes of a scheduler may be anywhere; those of this machine have its interpreters.
    if request.python and not request.scheduler and any(node.is_local for node in fleet.nodes):
        located = locate_python(request.python, Path.cwd())
        if message := describe_missing_python(located):
            raise UsageError(f"--python: {message}")
    return fleet


def _limit(suite: Suite, request: RunRequest) -> Suite:
    """Timeout and retries of the request, for tests that say nothing themselves."""
    tests = suite.tests
    if request.timeout_seconds is not None:
        limit = request.timeout_seconds
        tests = tuple(replace(t, timeout_seconds=limit) if t.timeout_seconds is None else t for t in tests)
    if request.reruns:
        reruns = request.reruns
        tests = tuple(replace(t, max_retries=reruns) if t.max_retries == 0 else t for t in tests)
    return replace(suite, tests=tests)


def _make_options(request: RunRequest, suite: Suite) -> RunOptions:
    if request.credentials and not request.scheduler:
        raise UsageError(
            "found --credentials alone, expected --scheduler tls://HOST:PORT with it: they are for that one"
        )
    home = default_home()
    run_id = request.run_id or new_run_id()
    failed = failed_before(home, Lineage.of(suite)) if request.last_failed or request.failed_first else frozenset()
    return RunOptions(
        run_id=run_id,
        home=home,
        database=request.database.absolute() if request.database else None,
        scheduler=request.scheduler,
        credentials=credentials_for(home, request.scheduler, request.credentials) if request.scheduler else None,
        without_missing=request.without_missing,
        keyword=request.keyword,
        markers=request.markers,
        max_failures=request.max_failures,
        granularity=request.granularity,
        isolation=request.isolation,
        ship=request.ship,
        store_bytes=(parse_size(request.store_size) if request.store_size else None) or STORE_BYTES,
        deadline_seconds=request.deadline_seconds,
        failed_first=failed | above(failed) if request.failed_first else frozenset(),
        only=failed if request.last_failed and failed else None,
        notes=(NONE_KNOWN,) if request.last_failed and not failed else (),
    )
