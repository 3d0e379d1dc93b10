"""What a run came to, worked out once, for reports that only lay it out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pulseq.events import ArtifactsKept, SessionFinished, TestPlanned
from pulseq.models import NO_VERDICT_REASONS, AttemptResult, Key
from pulseq.records import RunRecord
from pulseq.reports.histogram import Histogram, count_durations
from pulseq.reports.pytest_words import WarningGroup, group_warnings, spoken_sessions
from pulseq.reports.shares import NodeWork, share_nodes
from pulseq.reports.tally import Tally, count_verdicts
from pulseq.reports.timeline import Timeline, lay_out
from pulseq.reports.verdicts import ClosedTest, is_not_run


@dataclass(frozen=True)
class RunDigest:
    """A run, complete or not. Tests are in the order they were planned."""

    record: RunRecord

    @cached_property
    def tally(self) -> Tally:
        return count_verdicts(self.record)

    @cached_property
    def tests(self) -> list[ClosedTest]:
        """Those that are closed."""
        return [ClosedTest(test, test.closed) for test in self.record.tests.values() if test.closed]

    @cached_property
    def unfinished(self) -> list[TestPlanned]:
        return [test.planned for test in self.record.tests.values() if not test.closed]

    @cached_property
    def not_run(self) -> list[ClosedTest]:
        """Those that were stopped before they had a verdict."""
        return [one for one in self.tests if is_not_run(one.closed)]

    @cached_property
    def judged(self) -> list[ClosedTest]:
        """Those with a verdict: all others that are closed."""
        return [one for one in self.tests if not is_not_run(one.closed)]

    @cached_property
    def failures(self) -> list[ClosedTest]:
        """Those that failed or had an error of their own."""
        return [one for one in self.tests if one.failed_by_itself]

    @cached_property
    def without_verdict(self) -> list[ClosedTest]:
        """Those that the infrastructure kept from a verdict of their own."""
        return [one for one in self.tests if one.closed.reason in NO_VERDICT_REASONS]

    @cached_property
    def flaky(self) -> list[ClosedTest]:
        return [one for one in self.tests if one.closed.flaky]

    @cached_property
    def slowest(self) -> list[AttemptResult]:
        """The deciding attempts of all tests with a verdict, the longest first."""
        return longest_first(self.judged)

    @cached_property
    def hides_subtests(self) -> list[ClosedTest]:
        """Those with subtests that did not pass, which no verdict tells."""
        return [one for one in self.tests if one.hides_subtests]

    def left_by(self, key: Key) -> list[ArtifactsKept]:
        """What the attempts of a test left behind."""
        return list(self.record.artifacts.get(key, {}).values())

    @cached_property
    def left_elsewhere(self) -> list[tuple[Key, list[ArtifactsKept]]]:
        """The same by those that have no failure of their own to be told with: tests that passed, and entries."""
        told = {one.key for one in self.failures}
        return [(key, self.left_by(key)) for key in self.record.artifacts if key not in told]

    @cached_property
    def nodes(self) -> list[NodeWork]:
        return share_nodes(self.record)

    @cached_property
    def warnings(self) -> list[WarningGroup]:
        """Those that pytest recorded."""
        return group_warnings(self.record)

    @cached_property
    def sessions(self) -> list[tuple[str, SessionFinished]]:
        """Those of pytest that had something to say at their end, each with a heading."""
        return spoken_sessions(self.record)

    @cached_property
    def timeline(self) -> Timeline | None:
        return lay_out(self.record)

    @cached_property
    def durations(self) -> Histogram | None:
        """How long the deciding attempts took, as far as they ran."""
        ran = [(one.last, one.is_bad) for one in self.judged if one.last and one.last.started_at > 0]
        return count_durations([(last.duration, bad) for last, bad in ran])


def longest_first(tests: list[ClosedTest]) -> list[AttemptResult]:
    """The deciding attempts of tests, as far as there are any."""
    return sorted((one.last for one in tests if one.last), key=lambda last: (-last.duration, last.test_id))
