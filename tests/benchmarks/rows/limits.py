"""The largest suite and fleet: what a test costs when there are very many, and which process is full first."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from pulseq.cluster.standing_cluster import find_cluster
from tests.benchmarks.bench import Bench
from tests.benchmarks.row import Measured, Row, Samples
from tests.benchmarks.standing import pulseq_up, run_made_up
from tests.system.postgres import find_postgres, read_environment, run_postgres, run_prefect

TESTS, ON_POSTGRES, SLOTS = "limit-tests", "limit-tests-postgresql", "limit-slots"
_WORK = "a task run for each of very many trivial tests, until the last verdict"
#: `limits` on the command line stands for these rows.
ROWS = (
    Row(TESTS, _WORK, "1,000", "ms/test", None),
    Row(ON_POSTGRES, f"{_WORK}, Prefect on PostgreSQL", "1,000", "ms/test", None),
    Row(
        SLOTS,
        "tests of 4 to 6 s on 1,000 slots of 4 nodes, sum of the tests / wall time",
        "all slots busy all the time",
        "slots",
        None,
        more_is_better=True,
    ),
)
_FEW = 1000
_NODES = 4
_SHORTEST, _LONGEST = 4.0, 6.0


def measure(bench: Bench) -> Measured:
    """The rows that were asked for, each once: a round takes minutes."""
    measured: dict[str, Samples] = {}
    if bench.wants(TESTS):
        measured[TESTS] = _many_tests(bench, bench.directory(TESTS))
    if bench.wants(ON_POSTGRES):
        measured[ON_POSTGRES] = _many_on_postgres(bench)
    if bench.wants(SLOTS):
        measured[SLOTS] = _many_slots(bench)
    return measured


def _many_on_postgres(bench: Bench) -> Samples:
    """As `_many_tests`, on a server as `deployments/server` has it."""
    programs = find_postgres()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: `apt-get install postgresql`")
    directory = bench.directory(ON_POSTGRES)
    with run_postgres(programs) as database, run_prefect(database, directory, read_environment()) as api_url:
        return _many_tests(bench, directory, api_url)


def _many_tests(bench: Bench, directory: Path, api_url: str | None = None) -> Samples:
    many = bench.size(20_000, 2 * _FEW)
    with pulseq_up(directory / "home", nodes=2, slots=1, api_url=api_url) as home:
        run = partial(_run, home, shortest=0.0, longest=0.0)
        run(_FEW)
        few, told = run(_FEW), run(many)
    notes = (f"{many:,} tests", *_describe(told, many))
    per_test = {count: one["verdict_seconds"] / count * 1000 for count, one in ((_FEW, few), (many, told))}
    return Samples({"many": [per_test[many]]}, {"few": [per_test[_FEW]]}, notes)


def _many_slots(bench: Bench) -> Samples:
    slots = bench.size(1000, 100)
    count = 5 * slots
    with pulseq_up(bench.directory(SLOTS) / "home", nodes=_NODES, slots=slots // _NODES) as home:
        told = _run(home, count, shortest=_SHORTEST, longest=_LONGEST)
    busy = count * (_SHORTEST + _LONGEST) / 2 / told["verdict_seconds"]
    return Samples({"run": [busy]}, {"all": [float(slots)]}, (f"{count:,} simulated tests", *_describe(told, count)))


def _run(home: Path, count: int, *, shortest: float, longest: float) -> dict[str, Any]:
    """A run of made-up tests; what it tells of itself, and the CPU seconds of each part of what is up."""
    before = _cpu_seconds(home)
    told = run_made_up(home, count, shortest=shortest, longest=longest, may_miss=True)
    after = _cpu_seconds(home)
    told["cpu_seconds"] = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    told["cpu_seconds"]["driver"] = told["driver_cpu_seconds"]
    return told


def _cpu_seconds(home: Path) -> dict[str, float]:
    """CPU seconds until now of server, scheduler and nodes, with what they have started."""
    cluster = find_cluster(home)
    assert cluster is not None
    # What `pulseq up` has started is no child of ours; a server and a database that were started here are.
    found: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a backend of PostgreSQL's comes and goes
            times, name = process.cpu_times(), process.name()
            whole = times.user + times.system + times.children_user + times.children_system
            found["PostgreSQL" if name == "postgres" else "server"] += whole
    for part in cluster.parts:
        if part.process is not None:
            root = psutil.Process(part.process.pid)
            found[part.name] += sum(
                one.user + one.system
                for one in (process.cpu_times() for process in (root, *root.children(recursive=True)))
            )
    return dict(found)


def _describe(told: dict[str, Any], count: int) -> list[str]:
    cpu = ", ".join(f"{name} {seconds / count * 1000:.2f}" for name, seconds in told["cpu_seconds"].items())
    missing = f"{told['missing']:,} task runs never recorded" if told["missing"] else "all task runs recorded"
    return [
        f"CPU ms a test: {cpu}",
        f"driver's peak {told['driver_peak_bytes'] / 1e6:.0f} MB",
        f"{missing} {told['recorded_seconds'] - told['verdict_seconds']:.0f} s after the last verdict",
    ]
