"""Running tests on nodes from Python: the documented runner."""

from __future__ import annotations

import weakref
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pulseq.capabilities import nearest_miss
from pulseq.distributed.results_aggregator import ResultsAggregator
from pulseq.distributed.scheduled_tests import ScheduledTests
from pulseq.distributed.session import Session, config_of, current_session, project_of
from pulseq.distributed.session_runs import SessionRuns
from pulseq.distributed.test_node import TestNode, node_of
from pulseq.distributed.test_result import TestResult, TestResults, fold_results
from pulseq.distributed.test_scheduler import TestScheduler, read_test
from pulseq.errors import hint_at_nearest
from pulseq.events import Event
from pulseq.fleet import FrameworkConfig
from pulseq.models import CommandBody, PytestBody, Reason, Status, TestCase
from pulseq.processes.loop_thread import LoopThread
from pulseq.project import ProjectSpec

__all__ = ["DistributedTestRunner", "TestNode", "TestResult", "TestResults"]

T = TypeVar("T")


class DistributedTestRunner:
    """Runs tests on nodes.

    Nothing is started before the first node is added; then a Prefect server (where no API is configured), a
    Dask scheduler and the nodes run until `close`, or as long as the program. All of it is driven by a thread
    of its own, so that the caller's event loop goes on turning, and may be another one at each call.

    Args:
        scheduler: whose tests `run_tests` runs; None is the one that was made last without a runner, or is made next.
        aggregator: what gets all results; None as for the scheduler.
        config: a framework configuration, as one or as a dict.
        ship: whether the project goes to all nodes, or to none, since all have it at the same path; None sends it to
            those on other hosts. It is the git work tree of the working directory, or else that directory.
        project: what tests need of the caller and on other hosts, with the keys that a suite's `project` has; the
            variables and secrets that it names are those of the program when a run begins.
        listen: ADDRESS:PORT at which nodes of other machines join (`pulseq node start`); None lets none in.
        credentials: with `listen`, the file that the scheduler shows them; None has the site's authority
            (`pulseq certs init`) in the state directory make one.

    Raises:
        ValueError: the configuration or the project cannot be used.
    """

    __test__ = False

    def __init__(
        self,
        *,
        scheduler: TestScheduler | None = None,
        aggregator: ResultsAggregator | None = None,
        config: FrameworkConfig | Mapping[str, Any] | None = None,
        ship: bool | None = None,
        project: ProjectSpec | Mapping[str, Any] | None = None,
        listen: str | None = None,
        credentials: Path | str | None = None,
    ) -> None:
        given, told = config_of(config), project_of(project)
        self._session = _session_for(scheduler)
        self._session.join("runner", self)
        self._session.config = given or self._session.config
        self._scheduler = scheduler
        if scheduler is not None:
            scheduler.distribute(self._session)
        self._aggregator = aggregator
        self._adding: set[str] = set()
        self._runs = SessionRuns(
            self._session.config,
            told,
            ship=ship,
            listen=listen,
            credentials=None if credentials is None else Path(credentials),
        )
        self._loop = LoopThread(self._runs.close)
        # Whoever forgets a runner forgets its nodes: they end with it, and not with the program.
        weakref.finalize(self, self._loop.leave).atexit = False

    @property
    def nodes(self) -> Mapping[str, TestNode]:
        """The nodes that were added, by id."""
        return dict(self._session.nodes)

    @property
    def config(self) -> FrameworkConfig:
        """How nodes and results are treated."""
        return self._session.config

    async def add_node(self, node: TestNode | Mapping[str, Any]) -> None:
        """Start a node of this machine, or wait up to `node_timeout` for one of another to join.

        A port that is taken is replaced by a free one, with a warning in the log.

        Raises:
            ValueError: it is no node, or there is one of this id.
            RuntimeError: the runner was closed.
            InfrastructureError: it does not start, or does not join in time.
        """
        added = node_of(node)
        if added.id in self._session.nodes or added.id in self._adding:
            raise ValueError(f"node: id: found {added.id!r} again, expected one that no other node has")
        self._adding.add(added.id)
        try:
            offered = await self._in_loop(self._runs.add_node(added.spec))
        finally:
            self._adding.discard(added.id)
        self._session.nodes[added.id] = added
        self._session.joined[added.id] = offered
        self._session.scheduler = self._runs.backend.address
        self._session.credentials = self._runs.backend.credentials

    async def remove_node(self, node_id: str) -> None:
        """Give a node nothing more, wait until the tests that it runs have ended, and end it.

        Raises:
            KeyError: there is no such node.
            RuntimeError: the runner was closed.
        """
        self._check_open()
        if node_id not in self._session.nodes:
            known = list(self._session.nodes)
            hint = hint_at_nearest(str(node_id), known) or f"; there are: {', '.join(known) or 'none'}"
            raise KeyError(f"there is no node {node_id!r} to remove{hint}")
        del self._session.nodes[node_id]
        self._session.joined.pop(node_id, None)
        await self._in_loop(self._runs.remove_node(node_id))

    async def run_test(self, test: Mapping[str, Any]) -> TestResult:
        """Run one test once, and return what came of it, whatever that is.

        Over its timeout it is an `error` with the reason `timeout`; where no node fits, `unsatisfiable`.

        Args:
            test: as for `TestScheduler.schedule_test`.

        Raises:
            ValueError: the test has a value that cannot be used.
            RuntimeError: the runner was closed.
            InfrastructureError: the Prefect API does not answer, or the scheduler of the nodes was lost.
        """
        return await self._run_one(replace(read_test(test, stacklevel=3), max_retries=0))

    async def run_test_with_retry(self, test: Mapping[str, Any]) -> TestResult:
        """Run one test, and again up to `max_retries` times while it does not pass; `attempts` says how often.

        Takes and raises what `run_test` does.
        """
        return await self._run_one(read_test(test, stacklevel=3))

    async def run_tests(self) -> TestResults:
        """Run all tests that were scheduled, as one run, and return their results in the order of scheduling.

        Raises:
            RuntimeError: the runner was closed.
            UsageError: the state directory cannot be written.
            InfrastructureError: the Prefect API does not answer, or the scheduler of the nodes was lost.
                In both cases the tests are still scheduled.
        """
        self._check_open()
        taken = [(tests, tests.begin_run()) for tests in self._session.waiting]
        cases = [case for _, some in taken for case in some]
        over = False
        try:
            results = await self._run_all(cases, [tests for tests, _ in taken]) if cases else TestResults()
            over = True
        finally:
            for tests, some in taken:
                tests.end_run(some, again=not over)
        return self._collected(results)

    async def distribute_tests(self, scheduler: TestScheduler) -> dict[str, int]:
        """Assign what waits in a scheduler to this runner's nodes; `run_tests` then runs it, too.

        Returns:
            How many tests each node is assigned.

        Raises:
            RuntimeError: the runner was closed.
        """
        self._check_open()
        scheduler.distribute(self._session)
        return scheduler.get_node_loads()

    async def close(self) -> None:
        """End what runs, the nodes and the servers; closing twice does no harm."""
        self._session.closed = True
        await self._loop.stop()
        self._session.nodes.clear()
        self._session.joined.clear()
        self._session.scheduler = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run_one(self, case: TestCase) -> TestResult:
        self._check_open()
        if not self._session.nodes:
            result = _unsatisfiable(case)
        elif isinstance(case.body, PytestBody) or (isinstance(case.body, CommandBody) and case.body.junit):
            result = fold_results(case.id, await self._run_all([case], []), now=datetime.now(UTC))
        else:
            result = await self._in_loop(self._runs.run_one(case, self._deciding()))
        return self._collected(TestResults([result]))[0]

    async def _run_all(self, cases: list[TestCase], watching: list[ScheduledTests]) -> TestResults:
        if not self._session.nodes:
            return TestResults(map(_unsatisfiable, cases))

        def note(event: Event) -> None:
            for tests in watching:
                tests.note(event)

        return await self._in_loop(self._runs.run_all(cases, self._deciding(), note))

    def _deciding(self) -> TestScheduler | None:
        member: TestScheduler | None = self._session.member("scheduler")
        return self._scheduler or member

    def _collected(self, results: TestResults) -> TestResults:
        aggregator: ResultsAggregator | None = self._aggregator or self._session.member("aggregator")
        if aggregator is not None and self.config.aggregation_enabled:
            for result in results:
                aggregator.take(result)
        return results

    async def _in_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._session.closed:
            coroutine.close()
        self._check_open()
        return await self._loop.call(coroutine)

    def _check_open(self) -> None:
        if self._session.closed:
            raise RuntimeError("this runner was closed; make a new DistributedTestRunner")


def _session_for(scheduler: TestScheduler | None) -> Session:
    if scheduler is not None and not scheduler.session.has("runner") and not scheduler.session.closed:
        return scheduler.session
    return current_session("runner")


def _unsatisfiable(case: TestCase) -> TestResult:
    why = f"{nearest_miss(case.requirements, {})}; add one with add_node" if case.requirements else "there are no nodes"
    return TestResult(
        case.id, "", Status.ERROR, 0.0, datetime.now(UTC), {}, why, 0, Reason.UNSATISFIABLE, case.name or case.id
    )
