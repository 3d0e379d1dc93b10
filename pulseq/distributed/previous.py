"""What earlier runs of a suite came to, for `--lf` and `--ff`."""

from __future__ import annotations

from pathlib import Path

from pulseq.events import RunStarted
from pulseq.models import Status
from pulseq.results.journal import journals_in, read_journal, replay


def failed_before(home: Path, suite: str) -> frozenset[str]:
    """Ids of the tests that had no good verdict in the last run of this suite; empty without such a run."""
    journals = sorted(journals_in(home), key=lambda path: path.stat().st_mtime, reverse=True)
    for journal in journals:
        first = next(iter(read_journal(journal)), None)
        if first is None or not isinstance(first.event, RunStarted) or first.event.suite != suite:
            continue
        record, _ = replay(journal)
        if not any(test.closed for test in record.tests.values()):
            continue  # it was refused or interrupted before its first verdict
        return frozenset(
            test.planned.test_id
            for test in record.tests.values()
            if test.closed is None or test.closed.status in (Status.FAILED, Status.ERROR)
        )
    return frozenset()
