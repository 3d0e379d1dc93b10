"""`pulseq run`: a suite from its file to its exit code."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from pulseq.capabilities import parse_size
from pulseq.cli.common_options import NodeCount, Output, Verbose
from pulseq.cli.execute import Reports, execute
from pulseq.errors import UsageError
from pulseq.run.run_request import RunRequest, prepare_run
from pulseq.suites.values import FILE_NAME, FILE_NAME_WORDS

_WHERE = Group("Where it runs", sort_key=1)
_WHAT = Group("What is run", sort_key=2)
_HOW = Group("How it is run", sort_key=3)
_OUTPUT = Group("What is shown and kept", sort_key=4)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunArguments:
    """Options of `pulseq run`; letters and meanings are pytest's and its plug-ins' where they have them."""

    nodes_count: Annotated[NodeCount, Parameter(group=_WHERE)] = None
    """Local nodes with one slot each: a number, or `auto` for one a processor (the default)."""
    nodes_file: Annotated[Path | None, Parameter(name="--nodes", group=_WHERE)] = None
    """Nodes file; by default `NAME.nodes.yaml` or `../nodes/NAME.yaml` of a suite file `NAME.yaml`, if there is one."""
    scheduler: Annotated[str | None, Parameter(group=_WHERE)] = None
    """Address of a Dask scheduler whose nodes are to be used; no local node is started. An address is code: what
    listens there gets your tests, and can run anything as you."""
    credentials: Annotated[Path | None, Parameter(group=_WHERE)] = None
    """With --scheduler tls://…: the file that makes you a member of its site, as `pulseq certs node` writes it; by
    default the one that the variable PULSEQ_CREDENTIALS names."""
    hosts: Annotated[tuple[str, ...], Parameter(name="--on", group=_WHERE)] = ()
    """Run on this host, reached by `ssh` as ~/.ssh/config says, with a slot for each of its processors: `HOST` or
    `USER@HOST`. Give it again for each further host."""
    without_missing: Annotated[bool, Parameter(negative="", group=_WHERE)] = False
    """Go on with the hosts that are there; without it one that cannot be used ends the run before any test."""
    ship: Annotated[bool | None, Parameter(name="--ship", negative="--no-ship", group=_WHERE)] = None
    """Send the project to the hosts of all nodes, local ones too; `--no-ship`: to none, all have it at the same path.
    By default it goes to nodes on other hosts."""
    store_size: Annotated[str | None, Parameter(group=_WHERE)] = None
    """How much a host may keep of projects between runs, such as `20GB` (by default `10GB`)."""
    python: Annotated[str | None, Parameter(group=_WHERE)] = None
    """Interpreter for `call` and `pytest` bodies that name none: the environment of the project under test."""

    keyword: Annotated[str | None, Parameter(name="-k", group=_WHAT)] = None
    """Only tests whose id or name matches the expression."""
    markers: Annotated[str | None, Parameter(name="-m", group=_WHAT)] = None
    """Only tests whose marks (pytest) or labels match the expression."""
    last_failed: Annotated[bool, Parameter(name=["--lf", "--last-failed"], group=_WHAT)] = False
    """Only the tests that are known to fail; all, where none of them is among these."""
    failed_first: Annotated[bool, Parameter(name=["--ff", "--failed-first"], group=_WHAT)] = False
    """The tests that are known to fail go first."""
    pyargs: Annotated[bool, Parameter(negative="", group=_WHAT)] = False
    """Arguments that are no suite files are names of Python packages."""

    exit_first: Annotated[bool, Parameter(name=["-x", "--exitfirst"], group=_HOW)] = False
    """Stop after the first test that fails."""
    maxfail: Annotated[int | None, Parameter(group=_HOW)] = None
    """Stop after this many tests that fail; 0 for no limit."""
    timeout_seconds: Annotated[float | None, Parameter(name="--timeout", group=_HOW)] = None
    """Seconds for each attempt of a test that has no timeout of its own; 0 for no limit."""
    reruns: Annotated[int | None, Parameter(group=_HOW)] = None
    """Further attempts for a failing test that has no `max_retries` of its own."""
    deadline_seconds: Annotated[float | None, Parameter(name="--deadline", group=_HOW)] = None
    """Seconds after which the whole run is stopped (exit code 124)."""
    granularity: Annotated[Literal["test", "file", "auto"], Parameter(group=_HOW)] = "auto"
    """What makes a Prefect task run of pytest items: each test, each file, or packs of short ones."""
    isolation: Annotated[Literal["auto", "fork", "interpreter"], Parameter(group=_HOW)] = "auto"
    """How slots of pytest suites start: as forks of one collection, or each as an interpreter of its own."""
    run_id: Annotated[str | None, Parameter(group=_HOW)] = None
    """Id of the run; by default made from the time."""

    durations: Annotated[int, Parameter(group=_OUTPUT)] = 5
    """How many of the slowest tests the summary tells; 0 for all."""
    junitxml: Annotated[Path | None, Parameter(group=_OUTPUT)] = None
    """Write a JUnit XML report to this file."""
    html: Annotated[Path | None, Parameter(group=_OUTPUT)] = None
    """Write a report as one HTML page to this file."""
    database: Annotated[Path | None, Parameter(name="--db", group=_OUTPUT)] = None
    """The DuckDB file that results go to; by default `results.duckdb` in the state directory."""
    output: Annotated[Output, Parameter(group=_OUTPUT)] = "text"
    """`json`: one JSON object with the run's id, counts, exit reason and paths on standard output."""
    live: Annotated[bool, Parameter(name="--live", negative="--no-live", group=_OUTPUT)] = True
    """A live picture of the run where standard error is a terminal."""
    verbose: Annotated[Verbose, Parameter(group=_OUTPUT)] = False
    """A line for each test; tracebacks of errors of our own."""
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], group=_OUTPUT)] = False
    """Failures and the last line alone."""

    @property
    def verbosity(self) -> int:
        return 1 if self.verbose else -1 if self.quiet else 0


def run(*suites: str, options: RunArguments | None = None) -> int:
    """Run suites and wait for their verdicts.

    What follows `--` goes to pytest.

    Args:
        suites: Suite files (YAML, TOML), directories, test files, pytest node ids; with --pyargs packages.
            Without any `pulseq.yaml` of the working directory; without that what pytest takes by itself.
    """
    arguments = options or RunArguments()
    own, pytest_arguments = split_at_dashes(sys.argv, suites)
    _check(arguments)
    prepared = prepare_run(_request(own, pytest_arguments, arguments))
    return execute(prepared.suite, prepared.fleet, prepared.options, _reports(arguments))


def _check(arguments: RunArguments) -> None:
    timeout, deadline = arguments.timeout_seconds, arguments.deadline_seconds
    if timeout is not None and not (math.isfinite(timeout) and timeout >= 0):
        raise UsageError(f"--timeout: found {timeout}, expected seconds, or 0 for no limit")
    if deadline is not None and not (math.isfinite(deadline) and deadline > 0):
        raise UsageError(f"--deadline: found {deadline}, expected seconds above 0")
    reruns, maxfail, durations = arguments.reruns, arguments.maxfail, arguments.durations
    for name, count, least in (("--reruns", reruns, 0), ("--maxfail", maxfail, 0), ("--durations", durations, 0)):
        if count is not None and count < least:
            raise UsageError(f"{name}: found {count}, expected a number of at least {least}")
    if arguments.store_size is not None and parse_size(arguments.store_size) is None:
        raise UsageError(f"--store-size: found {arguments.store_size!r}, expected a size such as 20GB")
    if arguments.run_id is not None and not FILE_NAME.fullmatch(arguments.run_id):
        raise UsageError(f"--run-id: found {arguments.run_id!r}, expected {FILE_NAME_WORDS}")


def _request(suites: list[str], pytest_args: list[str], arguments: RunArguments) -> RunRequest:
    return RunRequest(
        **_named_alike(RunRequest, arguments) | {"timeout_seconds": arguments.timeout_seconds or None},
        suites=tuple(suites),
        pytest_args=tuple(pytest_args),
        max_failures=1 if arguments.exit_first else arguments.maxfail or None,
    )


def _reports(arguments: RunArguments) -> Reports:
    given = _named_alike(Reports, arguments) | {"durations": arguments.durations or sys.maxsize}
    return Reports(**given, verbosity=arguments.verbosity, command=tuple(sys.argv[1:]))


def _named_alike(kind: Any, arguments: RunArguments) -> dict[str, Any]:
    """The arguments that have the name of a field of `kind`."""
    return {field.name: getattr(arguments, field.name) for field in fields(kind) if field.name in vars(arguments)}


def split_at_dashes(argv: Sequence[str], words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Positional words of ours, and those that stood behind the first `--`.

    The parser has taken the `--` away, but keeps the order: the words behind it are the last ones.
    """
    behind = len(argv) - argv.index("--") - 1 if "--" in argv else 0
    at = len(words) - behind
    return list(words[:at]), list(words[at:])
