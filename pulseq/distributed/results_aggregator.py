"""Results of runs, and results that are added by hand, in numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pulseq.distributed.added_journal import AddedJournal
from pulseq.distributed.session import Session, config_of, current_session
from pulseq.distributed.test_result import TestResult, TestResults, check_result
from pulseq.fleet import FrameworkConfig
from pulseq.models import Status
from pulseq.ownership import default_home
from pulseq.results.added_results import AddedResult, AddedResults

__all__ = ["ResultsAggregator", "TestResult", "TestResults"]

logger = logging.getLogger("pulseq.results")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ResultsAggregator:
    """Collects results and answers questions about them; what its runner runs is added by itself.

    Results are kept in a DuckDB of this process, which goes to temporary files when it grows. With a
    configuration whose `persist_results` is true, those that are added by hand are also kept in the state
    directory, as a run of their own, for `pulseq summary` and `pulseq sql`.

    Args:
        config: a framework configuration, as one or as a dict; None keeps nothing beyond this process.

    Raises:
        ValueError: the configuration cannot be used.
    """

    __test__ = False

    def __init__(self, *, config: FrameworkConfig | Mapping[str, Any] | None = None) -> None:
        self.config = config_of(config)
        self._session: Session = current_session()
        if not self._session.has("aggregator"):
            self._session.join("aggregator", self)
        self._results = AddedResults()
        self._journal: AddedJournal | None = None
        if self.config is not None and self.config.persist_results:
            self._journal = AddedJournal(default_home(), self.config.aggregation_interval)

    def add_result(self, result: TestResult) -> None:
        """Add one result.

        A naive timestamp is taken as local time; all are kept in UTC.

        Raises:
            ValueError: a value that cannot be kept (NaN or text as a metric, an unknown status); nothing was added.
            UsageError: results are to be persisted, and the state directory cannot be written.
        """
        kept = _to_row(check_result(result))
        if self._journal is not None:
            self._journal.add(kept)
        self._results.add(kept)

    def take(self, result: TestResult) -> None:
        """Add the result of a run, which has its journal already."""
        self._results.add(_to_row(result))

    def get_results(self) -> TestResults:
        """All results, in the order in which they came; timestamps are in UTC."""
        return TestResults(_from_row(row) for row in self._results.all())

    def get_summary(self) -> dict[str, Any]:
        """All results in numbers; zeros where there are none.

        Returns:
            total_tests, passed, failed, errors and skipped (numbers of results), pass_rate (percent of all that
            passed), total_duration and avg_duration (seconds). What was stopped before it had a verdict
            (`cancelled`) is in none of them.
        """
        return self._results.summary()

    def get_node_summary(self, node_id: str) -> dict[str, Any]:
        """The results of one node in numbers, as in `get_summary`, and its `node_id`; zeros where it has none."""
        return {"node_id": node_id, **self._results.summary(node_id)}

    def get_metrics_summary(self) -> dict[str, dict[str, float]]:
        """Every metric by its name: min, max, avg, count, p50 and p95 (interpolated), in the metric's own unit."""
        return self._results.metrics()

    def close(self) -> None:
        """Put what is to be persisted into the database and let go of all results; it may be called twice.

        Raises:
            PulseqError: the database is locked or damaged; `pulseq results sync` brings the results there later.
        """
        if self._journal is not None:
            self._journal.close()
        self._results.close()


def _to_row(result: TestResult) -> AddedResult:
    # `astimezone` takes a naive time as local; whole microseconds, since floats lose some.
    began = (result.timestamp.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    return AddedResult(
        result.test_id,
        result.node_id,
        str(result.status),
        float(result.duration),
        began,
        result.error,
        result.attempts,
        None if result.reason is None else str(result.reason),
        result.name,
        result.simulated,
        result.flaky,
        result.run_id,
        {name: float(value) for name, value in result.metrics.items()},
        result.warnings,
    )


def _from_row(row: AddedResult) -> TestResult:
    return TestResult(
        row.test_id,
        row.node_id,
        Status(row.status),
        row.duration,
        _EPOCH + timedelta(microseconds=row.microseconds),
        row.metrics,
        row.error,
        row.attempts,
        row.reason,
        row.name,
        row.simulated,
        row.flaky,
        row.warnings,
        row.run_id,
    )
