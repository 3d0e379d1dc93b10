"""A thousand tests of about a second on 25 slots: how many of the slots are at work on average."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.row import Measured, Row, Samples, at_least
from tests.benchmarks.standing import pulseq_up, run_made_up

NAME = "yardstick"
NODES, SLOTS = 5, 5
SHORTEST, LONGEST = 0.5, 1.5
ROWS = (
    Row(
        NAME,
        "1,000 tests of 0.5–1.5 s on 25 slots, sum of the tests / wall time",
        "all slots busy all the time",
        "slots",
        at_least(23 / 25),
        more_is_better=True,
    ),
)


def measure(bench: Bench) -> Measured:
    """The row: from the flow run's start to the last verdict."""
    count = bench.size(1000, 125)
    with pulseq_up(bench.directory(NAME) / "home", nodes=NODES, slots=SLOTS) as home:
        _seconds(home, 2 * NODES * SLOTS, longest=SHORTEST)
        (seconds,) = bench.interleave(partial(_seconds, home, count, longest=LONGEST))
    total = count * (SHORTEST + LONGEST) / 2
    notes = (f"{count} simulated tests, {NODES} nodes of {SLOTS} slots", "their durations are known to the queue")
    return {NAME: Samples({"run": [total / wall for wall in seconds]}, {"all": [float(NODES * SLOTS)]}, notes)}


def _seconds(home: Path, count: int, *, longest: float) -> float:
    return float(run_made_up(home, count, shortest=SHORTEST, longest=longest)["verdict_seconds"])
