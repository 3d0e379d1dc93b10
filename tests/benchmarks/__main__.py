"""`python -m tests.benchmarks`: measures PulseQ beside what would be picked instead, and prints a table."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.bench import Bench
from tests.benchmarks.environments import Environments
from tests.benchmarks.row import CannotMeasureError, Measure, Outcome, Row
from tests.benchmarks.rows import (
    cold_start,
    commands,
    dispatch,
    fleet,
    fleet_ship,
    ingest,
    limits,
    memory,
    one_test,
    plan,
    real_suites,
    task_runs,
    views,
    yardstick,
)
from tests.benchmarks.table import describe_machine, describe_outcome, describe_versions, render_table


class Group(NamedTuple):
    """Rows that are measured together."""

    rows: tuple[Row, ...]
    measure: Measure


GROUPS = (
    *(Group(suite.rows, partial(real_suites.measure, suite)) for suite in real_suites.SUITES),
    *(
        Group(module.ROWS, module.measure)
        for module in (
            task_runs,
            dispatch,
            fleet,
            fleet_ship,
            commands,
            one_test,
            cold_start,
            yardstick,
            plan,
            ingest,
            views,
            memory,
            limits,
        )
    ),
)
NAMES = tuple(row.name for group in GROUPS for row in group.rows)
#: Rows that are measured only where they are asked for: they find out how far it goes, and take long.
ON_DEMAND = frozenset(row.name for row in limits.ROWS)
#: Names that stand for several rows.
TOGETHER = {"limits": [row.name for row in limits.ROWS]}


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    told = ", ".join((*NAMES, *TOGETHER))
    usual = [name for name in NAMES if name not in ON_DEMAND]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", default=",".join(usual), help=f"comma-separated: {told}")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="how often each side is measured (3)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file")
    parser.add_argument("--cache", type=Path, metavar="DIRECTORY", help="keep what is installed here; default: nowhere")
    found = parser.parse_args(arguments)
    found.rows = [row for name in found.rows.split(",") for row in TOGETHER.get(name, [name])]
    if unknown := sorted(set(found.rows) - set(NAMES)):
        parser.error(f"--rows: found {', '.join(unknown)}, expected some of {told}")
    if found.repeat < 1:
        parser.error(f"--repeat: found {found.repeat}, expected at least 1")
    return found


def measure_rows(bench: Bench, failures: list[str], skipped: list[str]) -> Iterator[Outcome]:
    """The rows that were asked for, as they are measured; what fails, or cannot be, is told and the others go on."""
    for group in GROUPS:
        names = [row.name for row in group.rows if row.name in bench.rows]
        if not names:
            continue
        try:
            measured = group.measure(bench)
        except CannotMeasureError as reason:
            skipped.append(f"{', '.join(names)}: not measured: {reason}")
            sys.stderr.write(f"{skipped[-1]}\n")
            continue
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{', '.join(names)}: {error}")
            sys.stderr.write(f"{failures[-1]}\n")
            continue
        for row in group.rows:
            if row.name in names:
                yield Outcome(row, measured[row.name])


def end_by_signal(number: int, frame: object) -> None:
    """Leave by way of everything that has to be ended."""
    sys.exit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; 0 also where a goal is missed, since the table says so; 1 where a row failed."""
    found = read_arguments(arguments)
    # Whoever ends it before its time is to find nothing left that `pulseq up` has started.
    signal.signal(signal.SIGTERM, end_by_signal)
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulseq-bench-")))
        environments = Environments((found.cache or scratch / "environments").absolute())
        bench = Bench(found.repeat, found.quick, scratch, environments, frozenset(found.rows))
        outcomes, failures, skipped = [], list[str](), list[str]()
        for outcome in measure_rows(bench, failures, skipped):
            outcomes.append(outcome)
            sys.stderr.write(f"{outcome.row.name}: {outcome.ratio:.2f}\n")
        document = {
            "quick": found.quick,
            "repeat": found.repeat,
            "machine": describe_machine(load_before),
            "versions": describe_versions(environments),
            "failures": failures,
            "skipped": skipped,
            "rows": [describe_outcome(outcome) for outcome in outcomes],
        }
    print(render_table(outcomes))
    print(json.dumps({"machine": document["machine"], "versions": document["versions"]}))
    if found.json:
        found.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
