"""The one JSON object that `--output json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from pulseq.records import RunRecord
from pulseq.reports.tally import count_verdicts


class Counts(TypedDict):
    """Tests by verdict; `flaky` are among the passed, `xfailed` among the skipped, `no_verdict` among the errors."""

    total: int
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    xfailed: int
    no_verdict: int
    not_finished: int


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
            "not_finished": len(record.tests) - tally.total,
        },
        "exit_code": finished.exit_code if finished else None,
        "reason": finished.reason if finished else None,
        "wall_seconds": finished.wall_seconds if finished else None,
        "paths": dict(locations or {}),
        "prefect_url": record.prefect.url if record.prefect else None,
    }
