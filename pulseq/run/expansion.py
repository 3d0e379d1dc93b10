"""Entries that become tests of their own: a pytest selection its items (`command_cases` has those of commands)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pulseq.models import AttemptResult, PytestBody, PytestItemBody, Reason, Status, TestCase
from pulseq.pytest_sessions import CollectedVerdict, Collection, PytestSpec, SessionResult


@dataclass(frozen=True, slots=True)
class CollectedTests:
    """What a pytest entry came to: items that are to be run, and verdicts from collection alone."""

    items: tuple[TestCase, ...]
    verdicts: tuple[tuple[TestCase, AttemptResult], ...]

    @property
    def count(self) -> int:
        return len(self.items) + len(self.verdicts)


NO_TESTS = CollectedTests((), ())


def spec_of(
    entry: TestCase, run_id: str, *, keyword: str | None, markers: str | None, isolation: str = "auto"
) -> PytestSpec:
    """The session to collect for a pytest entry, with the run's own -k and -m."""
    assert isinstance(entry.body, PytestBody)
    return PytestSpec(
        run_id,
        entry.id,
        entry.body.targets,
        entry.body.args,
        entry.body.pyargs,
        entry.cwd,
        entry.python,
        tuple(sorted({**entry.env, "PULSEQ_VARIANT": entry.variant}.items())),
        keyword,
        markers,
        isolation,
        entry.artifacts,
        entry.memory_limit,
        entry.output_limit,
    )


def items_of(entry: TestCase, collection: Collection, node_id: str, *, prefix: bool) -> CollectedTests:
    """The tests of a collected entry.

    Args:
        prefix: whether ids are `entry::nodeid`, as in a suite file where several entries may collect
            the same file, or pytest's own node ids.
    """
    items = tuple(
        replace(
            entry,
            id=f"{entry.id}::{item.nodeid}" if prefix else item.nodeid,
            name=item.nodeid.rsplit("::", 1)[-1],
            body=PytestItemBody(entry.id, item.nodeid, item.scope),
            duration=None,
            labels={**entry.labels, **dict.fromkeys(item.marks, True)} if item.marks else entry.labels,
            location=item.location,
        )
        for item in collection.items
    )
    verdicts = tuple(_collected(entry, verdict, node_id, prefix=prefix) for verdict in collection.verdicts)
    return CollectedTests(items, verdicts)


def _collected(
    entry: TestCase, verdict: CollectedVerdict, node_id: str, *, prefix: bool
) -> tuple[TestCase, AttemptResult]:
    case = replace(
        entry,
        id=f"{entry.id}::{verdict.nodeid}" if prefix else verdict.nodeid,
        name=verdict.nodeid,
        body=PytestItemBody(entry.id, verdict.nodeid),
        max_retries=0,
        location=verdict.nodeid.split("::", 1)[0],
    )
    result = AttemptResult(case.id, 1, node_id, verdict.status, case.variant, verdict.reason, error=verdict.error)
    return case, result


def session_row(entry: TestCase, node_id: str, end: SessionResult) -> tuple[TestCase, AttemptResult]:
    """The row of a pytest session that failed although its tests may not have; its words are pytest's."""
    case = replace(
        entry,
        id=f"{entry.id}::[session]",
        name="[session]",
        body=PytestItemBody(entry.id, "[session]"),
        max_retries=0,
        duration=None,
    )
    result = AttemptResult(
        case.id, 1, node_id, Status.FAILED, case.variant, Reason.EXIT_CODE, error=end.error, output=end.summary
    )
    return case, result
