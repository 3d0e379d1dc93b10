"""The JSON object of a run."""

from __future__ import annotations

import json

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept, SessionFinished
from pulseq.models import PytestWarning
from pulseq.records import RunRecord, fold
from pulseq.reports.json_output import describe_run


def test_a_run_is_one_object_with_its_counts_and_places(checkout) -> None:
    expected = {
        "run_id": "20260528-2026-k3x9",
        "suite": "checkout",
        "counts": {
            "total": 120,
            "passed": 114,
            "failed": 2,
            "errors": 2,
            "skipped": 2,
            "flaky": 1,
            "xfailed": 1,
            "no_verdict": 1,
            "not_run": 0,
            "not_finished": 0,
            "xpassed": 0,
            "deselected": 0,
            "warnings": 0,
            "reruns": 0,
        },
        "exit_code": 1,
        "reason": "failed",
        "wall_seconds": checkout.record.finished.wall_seconds,
        "paths": {"journal": "j.jsonl"},
        "prefect_url": "http://127.0.0.1:4200/runs/flow-run/f1",
        "warnings": [],
        "subtests": [],
        "artifacts": [],
        "sessions": [],
    }
    assert expected == json.loads(json.dumps(describe_run(checkout.record, {"journal": "j.jsonl"})))


def test_what_pytest_told_besides_is_in_it(plot, tell_story) -> None:
    warning = PytestWarning("UserWarning", "look \udc80", "t.py:3")
    told = {"pytest_warnings": (warning, warning), "subtests": {"passed": 2, "skipped": 1}}
    record = tell_story([plot("a", told=told), plot("b", told={"subtests": {"passed": 1}})]).record
    record.apply(SessionFinished("unit", "n", 1, "coverage is 3 %", "a.py  3 %"))
    record.apply(SessionFinished("silent", "n", 0))
    told_of = json.loads(json.dumps(describe_run(record)))
    listed = {"category": "UserWarning", "message": "look \udc80", "location": "t.py:3", "when": "runtest"}
    assert told_of["warnings"] == [{**listed, "count": 2, "told_by": ["a"]}]
    counts = {"passed": 2, "failed": 0, "skipped": 1, "xfailed": 0}
    assert told_of["subtests"] == [{"test_id": "a", "variant": "", **counts}]
    words = {"exit_status": 1, "error": "coverage is 3 %", "summary": "a.py  3 %"}
    assert told_of["sessions"] == [{"entry": "unit", "node_id": "n", **words}]


def test_a_run_that_did_not_end_has_tests_that_are_not_finished_and_no_exit_code(checkout) -> None:
    told = describe_run(fold(event for _, event in checkout.until(5.0)))
    counts = told["counts"]
    verdicts = counts["passed"] + counts["failed"] + counts["errors"] + counts["skipped"]
    assert (verdicts + counts["not_finished"], told["exit_code"], told["reason"]) == (120, None, None)


def test_a_run_of_which_nothing_is_known_is_an_object_too() -> None:
    assert ((told := describe_run(RunRecord()))["run_id"], told["counts"]["total"], told["paths"]) == (None, 0, {})


def test_artifacts_are_told_with_where_they_are_or_why_they_are_not(checkout) -> None:
    here = Artifact("a.png", 3, "f00d", "image/png", "artifacts/a/1/a.png")
    lost = Artifact("b.png", 3, "f00d", "image/png", trouble="node n was lost before")
    record = checkout.record
    record.apply(ArtifactsKept("a", "", 1, "n", (here, lost)))
    common = {"test_id": "a", "variant": "", "attempt": 1, "node_id": "n", "bytes": 3, "sha256": "f00d"}
    common |= {"media_type": "image/png"}
    assert describe_run(record)["artifacts"] == [
        {**common, "name": "a.png", "path": "artifacts/a/1/a.png", "trouble": None},
        {**common, "name": "b.png", "path": None, "trouble": "node n was lost before"},
    ]
