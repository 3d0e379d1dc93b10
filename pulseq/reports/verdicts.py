"""Tests that have their verdicts, and a few words on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulseq.events import TestClosed
from pulseq.models import INFRASTRUCTURE_REASONS, NO_VERDICT_REASONS, AttemptResult, Reason, Status
from pulseq.records import TestRecord
from pulseq.reports.wording import say_count, say_seconds, say_test, say_verdict
from pulseq.safe_text import gist, safe_line

BAD = (Status.FAILED, Status.ERROR)
_KEPT_FROM_A_VERDICT = NO_VERDICT_REASONS | {Reason.CANCELLED}
_SUBTEST_OUTCOMES = ("failed", "passed", "skipped", "xfailed")


def is_not_run(closed: TestClosed) -> bool:
    """Whether a person, a deadline or `-x` stopped a test before it had a verdict."""
    return closed.status is Status.ERROR and closed.reason is Reason.CANCELLED


@dataclass(frozen=True, slots=True)
class ClosedTest:
    """A test that has its verdict, and what is to be said of it, safe to show but for `error`."""

    record: TestRecord
    closed: TestClosed

    @property
    def key(self) -> tuple[str, str]:
        return self.closed.test_id, self.closed.variant

    @property
    def last(self) -> AttemptResult | None:
        """The attempt that decided."""
        return self.record.last

    @property
    def name(self) -> str:
        return say_test(*self.key)

    @property
    def verdict(self) -> str:
        return say_verdict(self.closed)

    @property
    def is_bad(self) -> bool:
        return self.closed.status in BAD

    @property
    def failed_by_itself(self) -> bool:
        """Whether it failed or had an error of its own."""
        return self.is_bad and self.closed.reason not in _KEPT_FROM_A_VERDICT

    @property
    def evidence(self) -> list[AttemptResult]:
        """The attempts that failed and count against the test, in their order."""
        results = (result for _, result in sorted(self.record.attempts.items()))
        return [one for one in results if one.status in BAD and one.reason not in INFRASTRUCTURE_REASONS]

    @property
    def error(self) -> str:
        """What the verdict says, in full where the last attempt said it; may be empty."""
        closed, last = self.closed, self.last
        said, whole = closed.error or "", (last.error if last else None) or ""
        decided = last is not None and (last.attempt, last.status, last.reason) == (
            closed.attempts,
            closed.status,
            closed.reason,
        )
        if decided and closed.reason not in _KEPT_FROM_A_VERDICT:
            return whole or said
        # A verdict has the last lines of the error that decided it.
        return whole if _lines(whole)[-len(_lines(said)) :] == _lines(said) or not said else said

    def gist(self, limit: int = 200) -> str:
        """What the verdict says in one line: what pytest's short summary has, where it has one; may be empty."""
        said = (self.closed.error or "").strip()
        shortly = bool(said) and len(said.splitlines()) == 1
        return "".join(gist(said if shortly else self.error, 1, limit)).strip()

    @property
    def circumstances(self) -> str:
        """`suite.yaml:4 · on bench-1 · 2 attempts · 1.50 s`."""
        closed, location = self.closed, self.record.planned.location
        told = [safe_line(location)] if location else []
        if closed.node_id:
            told.append(f"on {safe_line(closed.node_id)}")
        if closed.attempts > 1:
            told.append(f"{closed.attempts} attempts")
        if self.last:
            told.append(say_seconds(self.last.duration))
        return " · ".join(told)

    @property
    def first_failure(self) -> str:
        """What the first failed attempt said, in one line; empty where none counts."""
        for first in self.evidence[:1]:
            said = gist(first.error or "", 1, 100)
            return said[0].strip() if said else str(first.reason or first.status)
        return ""

    @property
    def warnings(self) -> list[str]:
        return [safe_line(warning) for warning in self.last.warnings] if self.last else []

    @property
    def subtests(self) -> Mapping[str, int]:
        """How the subtests of the deciding attempt ended; empty where it had none."""
        told = self.last.subtests if self.last else None
        return {outcome: told.get(outcome, 0) for outcome in _SUBTEST_OUTCOMES} if told else {}

    @property
    def said_of_subtests(self) -> str:
        """`3 subtests: 2 passed, 1 skipped`; empty where there are none."""
        counts = self.subtests
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        total = sum(counts.values())
        return f"{say_count(total, 'subtest')}: {told}" if total else ""

    @property
    def said_besides(self) -> str:
        """What pytest tells of it beside its verdict; mostly nothing."""
        reason = self.record.xpassed
        told = "" if reason is None else safe_line(f"xpassed: {reason}" if reason else "xpassed")
        return " · ".join(filter(None, [told, self.said_of_subtests]))

    @property
    def hides_subtests(self) -> bool:
        """Whether subtests did not pass of which the verdict says nothing."""
        return self.subtests.get("skipped", 0) + self.subtests.get("xfailed", 0) > 0


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()
