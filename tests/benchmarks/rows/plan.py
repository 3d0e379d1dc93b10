"""A plan of a large suite on a large fleet, by simulation with the real queue and the real matching."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, run_child
from tests.benchmarks.row import Measured, Row, Samples, at_most

MAKESPAN, SECONDS = "plan-makespan", "plan-seconds"
ROWS = (
    Row(MAKESPAN, "100,000 tests on 500 nodes in 20 classes: makespan", "its lower bound", "s", at_most(1.1)),
    Row(SECONDS, "the same: planning, per 10,000 tests", "a second", "s", at_most(1.0)),
)


def measure(bench: Bench) -> Measured:
    """Both rows from the same simulations."""
    sizes = {"tests": bench.size(100_000, 5_000), "nodes": bench.size(500, 100)}
    (told,) = bench.interleave(lambda: run_child("simulate_plan", sizes))
    note = f"{sizes['tests']:,} tests, {sizes['nodes']} nodes; the simulation's own time is counted as planning"
    bounds = [run["lower_bound"] for run in told]
    return {
        MAKESPAN: Samples({"plan": [run["makespan"] for run in told]}, {"bound": bounds}, (note,)),
        SECONDS: Samples({"plan": [run["seconds_per_10000"] for run in told]}, {"budget": [1.0]}, (note,)),
    }
