"""The runs of a session: whole ones, and one that stays open for single tests. All of it in one loop's thread."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulseq.distributed.local_backend import LocalBackend
from pulseq.distributed.open_run import OpenRun
from pulseq.distributed.test_result import TestResult, TestResults, result_of
from pulseq.errors import InfrastructureError
from pulseq.events import Event, TestClosed
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec
from pulseq.models import CapabilityValue, PytestBody, Suite, TestCase
from pulseq.orchestration.quiet_flow_runs import quiet_flow_runs
from pulseq.project import ProjectSpec
from pulseq.records import RunRecord
from pulseq.run.event_log import EventSink
from pulseq.run.run_options import RunOptions
from pulseq.run.run_session import RunOutcome, RunSession

if TYPE_CHECKING:
    from pulseq.distributed.test_scheduler import TestScheduler
    from pulseq.run.dispatcher import Dispatcher

logger = logging.getLogger("pulseq.run")

#: How long the end of a session waits for its server to record what was run.
RECORD_PATIENCE_SECONDS = 10.0
RECORD_SECONDS_PER_TASK_RUN = 0.02


class SessionRuns:
    """Runs tests on the nodes of a session, in any number of runs at once."""

    def __init__(
        self,
        config: FrameworkConfig,
        project: ProjectSpec,
        *,
        ship: bool | None = None,
        listen: str | None = None,
        credentials: Path | None = None,
    ) -> None:
        self.config = config
        self._project = project
        self._ship = ship
        self.backend = LocalBackend(config, listen=listen, credentials=credentials)
        self._open_runs: list[OpenRun] = []
        self._sessions: list[RunSession] = []
        #: All of whose tests have their verdicts.
        self._ending: set[RunSession] = set()
        self._under_way: set[asyncio.Task[Any]] = set()
        #: Nodes that take part; others may be there all the same, where they were started by somebody.
        self._added: set[str] = set()
        #: One that is being removed is added again when that is done.
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Flow runs that have ended, and how many task runs each has.
        self._told: dict[str, int] = {}

    async def run_all(self, cases: list[TestCase], scheduler: TestScheduler | None, sink: EventSink) -> TestResults:
        """Run these tests as one run; their results in the order of the tests, in the journal when this returns.

        Cancelling it ends what runs.

        Raises:
            UsageError, InfrastructureError: the run could not begin.
        """
        await self.backend.ready()
        all_closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Fixtures of a pytest session may still fail when they are torn down, at the end of the run.
        may_change = any(isinstance(case.body, PytestBody) for case in cases)

        def watch(event: Event) -> None:
            sink(event)
            if isinstance(event, TestClosed) and not may_change and not all_closed.done() and session.all_closed:
                all_closed.set_result(None)

        session = RunSession(
            Suite("scheduled tests", tuple(cases), project=self._project),
            Fleet((), self.config),
            self._options(),
            [watch],
            decided_by=scheduler.config if scheduler else None,
            admits=self._admits,
        )
        running = self._follow(session, session.run())
        try:
            await asyncio.wait({running, all_closed}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            session.stop("whoever asked for this run was cancelled")
            await asyncio.wait({running})
            raise
        if running.done():
            return results_of(running.result().record, session.options.run_id)
        # The flow run ends and the database follows by themselves: seconds that nobody needs to wait for.
        self._ending.add(session)
        await session.log.commit()
        return results_of(session.log.record, session.options.run_id)

    async def run_one(self, case: TestCase, scheduler: TestScheduler | None) -> TestResult:
        """Run one test in a run that stays open for others.

        Raises:
            UsageError, InfrastructureError: the run could not begin, or broke off.
        """
        await self.backend.ready()
        return await self._open_run_for(case, scheduler).run(case)

    async def add_node(self, spec: NodeSpec) -> Mapping[str, CapabilityValue]:
        """Start a node, or wait for it, up to `node_timeout`; what it offers.

        Raises:
            InfrastructureError: it does not start, or does not come.
        """
        async with self._changing[spec.id]:
            self._added.add(spec.id)
            try:
                offered = await self.backend.add_node(spec, patience_seconds=self.config.node_timeout)
            except BaseException:  # it may come yet
                self._added.discard(spec.id)
                for dispatcher in self._dispatchers():
                    dispatcher.nodes.retire(spec.id)
                raise
            if node := self.backend.cluster.nodes.get(spec.id):  # one of another machine never was away
                for dispatcher in self._dispatchers():
                    dispatcher.nodes.take_back(node)
            return offered

    async def remove_node(self, node_id: str) -> None:
        """Wait until all that a node has is done, and end it."""
        async with self._changing[node_id]:
            self._added.discard(node_id)
            await asyncio.gather(*(dispatcher.nodes.drain(node_id) for dispatcher in self._dispatchers()))
            await self.backend.remove_node(node_id)

    async def close(self) -> None:
        """End what runs, and everything under it."""
        idle = {*self._ending, *(open_run.session for open_run in self._open_runs if open_run.idle)}
        for session in self._sessions:
            if session not in idle:
                session.stop("the runner was closed")
        for open_run in self._open_runs:
            open_run.release()
        self._open_runs.clear()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._let_server_record()
        await self.backend.close()

    def _dispatchers(self) -> list[Dispatcher]:
        return [session.dispatcher for session in self._sessions if session.dispatcher]

    def _open_run_for(self, case: TestCase, scheduler: TestScheduler | None) -> OpenRun:
        for open_run in self._open_runs:
            if not open_run.has(case):
                return open_run
        for old in [open_run for open_run in self._open_runs if open_run.idle]:
            self._open_runs.remove(old)
            old.release()
        open_run = OpenRun(self._options(), self.config, self._project, scheduler, self._admits)
        open_run.begin(self._follow(open_run.session, open_run.session.run()))
        self._open_runs.append(open_run)
        return open_run

    def _follow(self, session: RunSession, run: Coroutine[Any, Any, RunOutcome]) -> asyncio.Task[RunOutcome]:
        with quiet_flow_runs():  # the task has this context
            task = asyncio.create_task(run, name=f"run {session.options.run_id}")
        self._sessions.append(session)
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._end(session, done))
        return task

    def _end(self, session: RunSession, done: asyncio.Task[RunOutcome]) -> None:
        self._sessions.remove(session)
        alone = session in self._ending
        self._ending.discard(session)
        self._under_way.discard(done)
        if done.cancelled() or done.exception() is not None:
            if alone and not done.cancelled():  # nobody waits for it who could be told
                logger.warning("run %s has not ended well: %s", session.options.run_id, done.exception())
            return
        prefect = done.result().record.prefect
        if prefect is not None and session.dispatcher is not None:
            self._told[prefect.flow_run_id] = session.dispatcher.delivery.ended

    def _admits(self, node_id: str) -> bool:
        return node_id in self._added

    def _options(self) -> RunOptions:
        backend = self.backend
        return RunOptions(
            home=backend.home,
            scheduler=backend.address,
            credentials=backend.credentials,
            api_url=backend.api_url,
            api_auth=backend.api_auth,
            with_page=backend.api_url is None,
            granularity="auto",
            ship=self._ship,
        )

    async def _let_server_record(self) -> None:
        """A server of our own is asked whether it has the end of all task runs, before it is stopped."""
        url, told = self.backend.api_url, sum(self._told.values())
        if url is None or not told:
            return
        from pulseq.orchestration.api_client import wait_until_recorded
        from pulseq.orchestration.flow_run import use_api

        patience = asyncio.timeout(RECORD_PATIENCE_SECONDS + told * RECORD_SECONDS_PER_TASK_RUN)
        try:
            with use_api(url, auth=self.backend.api_auth, same_release=True):
                async with patience:
                    for flow_run_id, count in self._told.items():
                        await wait_until_recorded(url, flow_run_id, count, patience_seconds=math.inf)
        except (InfrastructureError, TimeoutError) as error:
            logger.warning("the Prefect server has not recorded all task runs: %s", error or "it takes too long")


def results_of(record: RunRecord, run_id: str) -> TestResults:
    """The results of a run, in the order of its tests."""
    now = datetime.now(UTC)
    return TestResults(result_of(test, run_id, now=now) for test in record.tests.values() if test.closed)
