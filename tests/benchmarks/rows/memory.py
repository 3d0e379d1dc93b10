"""What a waiting test costs the driver in memory, and one that has failed with much to say."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, run_child
from tests.benchmarks.row import Measured, Row, Samples, at_most

NAME = "driver-memory"
FAILING = "driver-memory-failing"
_LIMIT_BYTES, _FAILING_BYTES = 2000.0, 4000.0
ROWS = (
    Row(NAME, "100,000 queued tests, driver memory each", "2 kB", "B/test", at_most(1.0)),
    Row(FAILING, "100,000 tests that failed with 16 kB of text, driver memory each", "4 kB", "B/test", at_most(1.0)),
)


def measure(bench: Bench) -> Measured:
    """The rows: growth of the resident set, from before the suite is made to all of it queued, and failed."""
    count = bench.size(100_000, 20_000)
    (told,) = bench.interleave(lambda: run_child("queue_tests", {"count": count}))
    notes = (f"{count:,} tests, the suite itself {told[0]['suite']:.0f} B each of it", "journalled")
    return {
        NAME: Samples({"queued": [run["queued"] for run in told]}, {"limit": [_LIMIT_BYTES]}, notes),
        FAILING: Samples({"failed": [run["failed"] for run in told]}, {"limit": [_FAILING_BYTES]}, notes[:1]),
    }
