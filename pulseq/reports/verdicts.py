"""Tests with their verdicts, sorted into what a reader wants apart, and a few words on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pulseq.events import TestClosed
from pulseq.models import INFRASTRUCTURE_REASONS, NO_VERDICT_REASONS, AttemptResult, Reason, Status
from pulseq.records import RunRecord, TestRecord
from pulseq.reports.text import gist, safe_line
from pulseq.reports.wording import say_seconds

#: A test that has its verdict, and the verdict.
Verdict: TypeAlias = tuple[TestRecord, TestClosed]

_BAD = (Status.FAILED, Status.ERROR)
_KEPT_FROM_A_VERDICT = NO_VERDICT_REASONS | {Reason.CANCELLED}


def verdicts_of(record: RunRecord) -> list[Verdict]:
    """The tests of a run that are closed, in the order they were planned."""
    return [(test, test.closed) for test in record.tests.values() if test.closed]


def own_failures(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Tests that failed or had an error of their own."""
    return [one for one in verdicts if one[1].status in _BAD and one[1].reason not in _KEPT_FROM_A_VERDICT]


def is_not_run(closed: TestClosed) -> bool:
    """Whether a person, a deadline or `-x` stopped a test before it had a verdict."""
    return closed.status is Status.ERROR and closed.reason is Reason.CANCELLED


def kept_from_verdict(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Tests that the infrastructure kept from a verdict of their own."""
    return [one for one in verdicts if one[1].reason in NO_VERDICT_REASONS]


def judged(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Tests with a verdict, without those that were not run."""
    return [one for one in verdicts if not is_not_run(one[1])]


def evidence(test: TestRecord) -> list[AttemptResult]:
    """The attempts that failed and count against the test, in their order."""
    return [
        result
        for _, result in sorted(test.attempts.items())
        if result.status in _BAD and result.reason not in INFRASTRUCTURE_REASONS
    ]


def error_of(test: TestRecord, closed: TestClosed) -> str:
    """What the verdict says, in full where the last attempt said it; may be empty."""
    said, last = closed.error or "", test.last
    whole = (last.error if last else None) or ""
    decided = last is not None and (last.attempt, last.status, last.reason) == (
        closed.attempts,
        closed.status,
        closed.reason,
    )
    if decided and closed.reason not in _KEPT_FROM_A_VERDICT:
        return whole or said
    # A verdict has the last lines of the error that decided it.
    return whole if _lines(whole)[-len(_lines(said)) :] == _lines(said) or not said else said


def gist_of(test: TestRecord, closed: TestClosed, limit: int = 200) -> str:
    """What the verdict says in one line: what pytest's short summary has, where it has one; may be empty."""
    said = (closed.error or "").strip()
    shortly = bool(said) and len(said.splitlines()) == 1
    return "".join(gist(said if shortly else error_of(test, closed), 1, limit)).strip()


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


def say_circumstances(test: TestRecord, closed: TestClosed) -> str:
    """`suite.yaml:4 · on bench-1 · 2 attempts · 1.50 s`."""
    told = [safe_line(test.planned.location)] if test.planned.location else []
    if closed.node_id:
        told.append(f"on {safe_line(closed.node_id)}")
    if closed.attempts > 1:
        told.append(f"{closed.attempts} attempts")
    if test.last:
        told.append(say_seconds(test.last.duration))
    return " · ".join(told)


def say_first_failure(test: TestRecord) -> str:
    """What the first failed attempt said, in one line; empty where none counts."""
    bad = evidence(test)
    if not bad:
        return ""
    said = gist(bad[0].error or "", 1, 100)
    return said[0].strip() if said else str(bad[0].reason or bad[0].status)


def measured_durations(record: RunRecord) -> list[tuple[float, bool]]:
    """Seconds of each test's deciding attempt, as far as it ran, and whether the test went wrong."""
    return [
        (test.last.duration, closed.status in _BAD)
        for test, closed in judged(verdicts_of(record))
        if test.last and test.last.started_at > 0
    ]
