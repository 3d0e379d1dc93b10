"""What earlier runs of a suite came to, for `--lf` and `--ff`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pulseq.events import RunStarted
from pulseq.models import Status
from pulseq.results.journal import journals_in, read_journal, replay


def failed_before(home: Path, suite: str) -> frozenset[str]:
    """Ids of the tests that had no good verdict in the last run of this suite; empty without such a run.

    With a case of a JUnit file comes its command, which is what can be run again.
    """
    journals = sorted(journals_in(home), key=lambda path: path.stat().st_mtime, reverse=True)
    for journal in journals:
        first = next(iter(read_journal(journal)), None)
        if first is None or not isinstance(first.event, RunStarted) or first.event.suite != suite:
            continue
        record, _ = replay(journal)
        if not any(test.closed for test in record.tests.values()):
            continue  # it was refused or interrupted before its first verdict
        bad = [
            test.planned
            for test in record.tests.values()
            if test.closed is None or test.closed.status in (Status.FAILED, Status.ERROR)
        ]
        told = {test.planned.test_id for test in record.tests.values()}
        commands = {one for test in bad if test.body == "command" for one in _origins(test.test_id)} - told
        return frozenset(commands).union(test.test_id for test in bad)
    return frozenset()


def _origins(test_id: str) -> Iterator[str]:
    """The ids of which one may be that of the command in whose file the test was: what stands before a `::`."""
    parts = test_id.split("::")
    return ("::".join(parts[:count]) for count in range(1, len(parts)))
