"""What earlier runs of a project came to, for `--lf` and `--ff`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pulseq.errors import ExitCode
from pulseq.events import EntryCollected, Event, RunFinished, RunStarted, TestClosed
from pulseq.models import Key, Reason, Status
from pulseq.results.codec import DamagedLine, decode_line
from pulseq.results.journal import journals_in, read_journal
from pulseq.results.lineage import PART, Lineage, projects_of

_CLOSED = b'"kind":"test_closed"'
_TOLD = (_CLOSED, b'"kind":"entry_collected"', b'"kind":"run_finished"')
#: Bytes of a line before which its kind stands.
_HEAD_BYTES = 80
#: How runs end that went to their end, whatever their tests said.
_TO_ITS_END = (ExitCode.OK, ExitCode.TESTS_FAILED, ExitCode.NO_VERDICT)


def failed_before(home: Path, lineage: Lineage) -> frozenset[str]:
    """Ids of the tests that had no good verdict when this project's runs last had a verdict of theirs.

    As with pytest, a run of some tests leaves what is known of all others as it is, and a test that was not run
    (`cancelled`), or of which the run told no end, is what it was before. Journals are read from the newest on, back
    to a run of the whole project that left nothing out; those that are packed away are not.
    """
    verdicts: dict[Key, bool] = {}
    decided: set[bytes] = set()
    missing = set(lineage.projects) or {""}
    for started, journal in _own_runs(home, lineage):
        told = list(_told_in(journal, decided))
        for key, bad in _last_verdicts(told).items():
            verdicts.setdefault(key, bad)
        if _is_whole(started, told):
            missing -= projects_of(started)
        if not missing:
            break
    return frozenset(test_id for (test_id, _), bad in verdicts.items() if bad)


def _own_runs(home: Path, lineage: Lineage) -> Iterator[tuple[RunStarted, Path]]:
    """The runs of a lineage and their journals, newest first."""
    runs = []
    for journal in journals_in(home):
        first = next(iter(read_journal(journal)), None)
        if first is not None and isinstance(first.event, RunStarted) and lineage.includes(first.event):
            runs.append((first.event, journal))
    return iter(sorted(runs, key=lambda run: (run[0].started_at, run[0].run_id), reverse=True))


def _told_in(journal: Path, decided: set[bytes]) -> Iterator[Event]:
    """The events of a journal that tell of verdicts; others are not even decoded, since they are nearly all of it.

    Nor are the verdicts on tests of which newer runs have told: those `decided`, which these are added to.
    """
    now: set[bytes] = set()
    with journal.open("rb") as stream:
        for line in stream:
            head = line[:_HEAD_BYTES]
            if not any(kind in head for kind in _TOLD):
                continue
            test = _test_in(line) if _CLOSED in head and b'"reason":"cancelled"' not in line else b""
            if test in decided:
                continue
            with contextlib.suppress(DamagedLine):
                yield decode_line(line).event
                now.add(test)
    decided |= now - {b""}


def _test_in(line: bytes) -> bytes:
    """What the line of a verdict has between its kind and its status: the test and its variant."""
    return line[line.find(b'"data":') : line.find(b',"status":')]


def _last_verdicts(told: Iterable[Event]) -> dict[Key, bool]:
    """Whether each test that had a verdict of its own, or was kept from one by its node, was bad."""
    return {
        (event.test_id, event.variant): event.status in (Status.FAILED, Status.ERROR)
        for event in told
        if isinstance(event, TestClosed) and event.reason is not Reason.CANCELLED
    }


def _is_whole(started: RunStarted, told: Iterable[Event]) -> bool:
    """Whether a run had every test of its projects, and left none of them out."""
    ended = False
    for event in told:
        match event:
            case TestClosed(reason=Reason.CANCELLED):
                return False
            case EntryCollected() if event.deselected:
                return False
            case RunFinished():
                ended = event.exit_code in _TO_ITS_END
    return ended and started.options.get(PART) is False
