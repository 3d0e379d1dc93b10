"""What somebody may do next after a run: commands that can be pasted, and only those that lead somewhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from itertools import takewhile

from pulseq.errors import ExitCode
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.awaited import OWN_SERVER

_LAST_FAILED = ("--lf", "--last-failed")
#: To run these again is no other run: nobody ran them, or no node can.
_NOT_AGAIN = (Reason.CANCELLED, Reason.UNSATISFIABLE)
_CUT_SHORT = (ExitCode.INTERRUPTED, ExitCode.DEADLINE)


def find_steps(
    record: RunRecord, command: Sequence[str], *, stored: bool, left_at_once: bool = False
) -> dict[str, str]:
    """Commands by what each is for, such as `{"failed": "pulseq run suite.yaml --lf"}`.

    Args:
        command: the arguments of the `pulseq run` that the run was; none where it was something else.
        stored: whether the database has the run.
        left_at_once: whether it was left without a word to Prefect.
    """
    steps: dict[str, str] = {}
    if record.started is None:
        return steps
    if command and command[0] == "run":
        words = _without_run_id(command)
        if _has_failures(record):
            steps["failed"] = _say(_with_last_failed(words))
        if record.finished is not None and record.finished.exit_code in _CUT_SHORT:
            steps["again"] = _say(words)
    if left_at_once and record.prefect is not None and record.started.options.get(OWN_SERVER) is False:
        # A server of the run's own has ended with it.
        steps["Prefect"] = _say(["results", "sync", "--prefect"])
    if stored:
        steps["summary"] = _say(["summary", record.started.run_id, *_database_of(command)])
    return steps


def _has_failures(record: RunRecord) -> bool:
    closed = (test.closed for test in record.tests.values() if test.closed is not None)
    return any(one.status in (Status.FAILED, Status.ERROR) and one.reason not in _NOT_AGAIN for one in closed)


def _without_run_id(command: Sequence[str]) -> list[str]:
    """The command without the id, which only one run can have."""
    own = _own(command)
    kept = [word for word in own if not word.startswith("--run-id=")]
    if "--run-id" in kept:
        at = kept.index("--run-id")
        del kept[at : at + 2]
    return kept + list(command[len(own) :])


def _with_last_failed(command: Sequence[str]) -> list[str]:
    own = _own(command)
    asked = any(word in _LAST_FAILED for word in own)
    return [*own, *([] if asked else _LAST_FAILED[:1]), *command[len(own) :]]


def _database_of(command: Sequence[str]) -> list[str]:
    own = _own(command)
    if "--db" in own[:-1]:
        return own[own.index("--db") :][:2]
    return [word for word in own if word.startswith("--db=")][:1]


def _own(command: Iterable[str]) -> list[str]:
    """What is not for pytest."""
    return list(takewhile(lambda word: word != "--", command))


def _say(arguments: Sequence[str]) -> str:
    return shlex.join(["pulseq", *arguments])
