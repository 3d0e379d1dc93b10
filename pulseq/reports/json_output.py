"""The one JSON object that `--output json` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept
from pulseq.records import RunRecord
from pulseq.reports.run_digest import RunDigest

#: Warnings, tests with subtests, and artifacts that the object has at most; `counts` and the database know of all.
MOST_LISTED = 1_000


def describe_run(record: RunRecord, locations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The run as an object ready for `json.dumps`; what is not known (the run did not end) is null.

    Of its `counts`, passed, failed, errors, skipped, not_run (stopped before they had a verdict) and not_finished
    make up the total; `flaky` and `xpassed` are among the passed, `xfailed` among the skipped, `no_verdict` among the
    errors. `deselected`, `warnings` and `reruns` are pytest's: items that it left out, warnings, attempts that a
    plug-in made anew. The `path` of an artifact begins in the directory of the run; it is null where the file did not
    come home, and `trouble` says why.

    Args:
        locations: where the results are, by the word for each; its `paths`.
    """
    run = RunDigest(record)
    return {
        **_fields(record.started, "run_id", "suite"),
        "counts": {
            "total": len(record.tests),
            **_fields(run.tally, "passed", "failed", "errors", "skipped", "flaky", "xfailed", "no_verdict", "not_run"),
            "not_finished": len(run.unfinished),
            **_fields(run.tally, "xpassed", "deselected", "warnings", "reruns"),
        },
        **_fields(record.finished, "exit_code", "reason", "wall_seconds"),
        "paths": dict(locations or {}),
        "prefect_url": record.prefect.url if record.prefect else None,
        "warnings": [
            {
                **_fields(group.warning, "category", "message", "location", "when"),
                "count": group.count,
                "told_by": list(group.told_by),
            }
            for group in run.warnings[:MOST_LISTED]
        ],
        "subtests": [
            {**_fields(one.closed, "test_id", "variant"), **{name: one.subtests[name] for name in _SUBTESTS}}
            for one in run.hides_subtests[:MOST_LISTED]
        ],
        "artifacts": [
            {**_fields(kept, "test_id", "variant", "attempt", "node_id"), **_fields(file, *_ARTIFACT)}
            for kept, file in islice(_artifacts(record), MOST_LISTED)
        ],
        "sessions": [
            _fields(session, "entry", "node_id", "exit_status", "error", "summary") for _, session in run.sessions
        ],
    }


def _artifacts(record: RunRecord) -> Iterator[tuple[ArtifactsKept, Artifact]]:
    return ((kept, file) for of in record.artifacts.values() for kept in of.values() for file in kept.files)


_ARTIFACT = ("name", "path", "bytes", "sha256", "media_type", "trouble")
_SUBTESTS = ("passed", "failed", "skipped", "xfailed")


def _fields(of: object, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) if of is not None else None for name in names}
