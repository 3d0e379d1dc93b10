"""The one JSON object that `--output json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from pulseq.records import RunRecord
from pulseq.reports.pytest_words import group_warnings, hides_subtests, spoken_sessions, subtests_of
from pulseq.reports.tally import count_verdicts
from pulseq.reports.verdicts import verdicts_of

#: Warnings, and tests with subtests, that the object has at most; `counts` and the database know of all.
MOST_LISTED = 1_000


class Counts(TypedDict):
    """Tests by verdict; `flaky` and `xpassed` are among the passed, `xfailed` among the skipped, `no_verdict` among
    the errors. With `not_run` (stopped before they had a verdict) and `not_finished`, passed, failed, errors and
    skipped make up the total. `deselected`, `warnings` and `reruns` are pytest's: items that it left out, warnings,
    attempts that a plug-in made anew.
    """

    total: int
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    xfailed: int
    no_verdict: int
    not_run: int
    not_finished: int
    xpassed: int
    deselected: int
    warnings: int
    reruns: int


class WarningObject(TypedDict):
    """A warning that pytest recorded `count` times; `told_by` are the first tests, or entries, of those that did."""

    category: str
    message: str
    location: str
    when: str
    count: int
    told_by: list[str]


class SubtestsObject(TypedDict):
    """A test some of whose subtests were skipped or failed as expected, which its verdict does not tell."""

    test_id: str
    variant: str
    passed: int
    failed: int
    skipped: int
    xfailed: int


class SessionObject(TypedDict):
    """The end of an entry's session on a machine, where it had something to say."""

    entry: str
    node_id: str
    exit_status: int
    error: str | None
    summary: str


class RunObject(TypedDict):
    """A run as JSON; what is not known (the run did not end) is null."""

    run_id: str | None
    suite: str | None
    counts: Counts
    exit_code: int | None
    reason: str | None
    wall_seconds: float | None
    paths: dict[str, str]
    prefect_url: str | None
    warnings: list[WarningObject]
    subtests: list[SubtestsObject]
    sessions: list[SessionObject]


def describe_run(record: RunRecord, locations: Mapping[str, str] | None = None) -> RunObject:
    """The run as an object ready for `json.dumps`; `locations` become its `paths`."""
    tally = count_verdicts(record)
    started, finished = record.started, record.finished
    return {
        "run_id": started.run_id if started else None,
        "suite": started.suite if started else None,
        "counts": {
            "total": len(record.tests),
            "passed": tally.passed,
            "failed": tally.failed,
            "errors": tally.errors,
            "skipped": tally.skipped,
            "flaky": tally.flaky,
            "xfailed": tally.xfailed,
            "no_verdict": tally.no_verdict,
            "not_run": tally.not_run,
            "not_finished": len(record.tests) - tally.closed,
            "xpassed": tally.xpassed,
            "deselected": tally.deselected,
            "warnings": tally.warnings,
            "reruns": tally.reruns,
        },
        "exit_code": finished.exit_code if finished else None,
        "reason": finished.reason if finished else None,
        "wall_seconds": finished.wall_seconds if finished else None,
        "paths": dict(locations or {}),
        "prefect_url": record.prefect.url if record.prefect else None,
        "warnings": _warnings(record),
        "subtests": _subtests(record),
        "sessions": _sessions(record),
    }


def _warnings(record: RunRecord) -> list[WarningObject]:
    return [
        {
            "category": group.warning.category,
            "message": group.warning.message,
            "location": group.warning.location,
            "when": group.warning.when,
            "count": group.count,
            "told_by": list(group.told_by),
        }
        for group in group_warnings(record)[:MOST_LISTED]
    ]


def _subtests(record: RunRecord) -> list[SubtestsObject]:
    found = [(closed, subtests_of(test)) for test, closed in verdicts_of(record) if hides_subtests(test)]
    return [
        {
            "test_id": closed.test_id,
            "variant": closed.variant,
            "passed": counts["passed"],
            "failed": counts["failed"],
            "skipped": counts["skipped"],
            "xfailed": counts["xfailed"],
        }
        for closed, counts in found[:MOST_LISTED]
    ]


def _sessions(record: RunRecord) -> list[SessionObject]:
    return [
        {
            "entry": session.entry,
            "node_id": session.node_id,
            "exit_status": session.exit_status,
            "error": session.error,
            "summary": session.summary,
        }
        for _, session in spoken_sessions(record)
    ]
