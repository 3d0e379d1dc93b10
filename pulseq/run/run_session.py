"""One run of a suite, from its first check to the last process that is gone.

Nothing heavy is imported here: processes are started first, and the driver imports Prefect and Dask
while they get ready (`driver.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pulseq import __version__
from pulseq.background import Background
from pulseq.cluster.own_nodes import check_fleet
from pulseq.cluster.scheduler_address import check_scheduler
from pulseq.errors import ExitCode, InfrastructureError, PulseqError, UsageError
from pulseq.events import RunFinished, RunNote, RunStarted
from pulseq.fleet import Fleet, FrameworkConfig
from pulseq.models import Suite
from pulseq.orchestration.api_address import check_api, configured_api
from pulseq.records import RunRecord
from pulseq.reports.awaited import NODES, OWN_SERVER
from pulseq.reports.start_line import FLEET, say_fleet
from pulseq.results.database import DatabaseBusyError
from pulseq.results.found_run import DATABASE
from pulseq.results.lineage import PART, PROJECTS
from pulseq.results.run_ids import refuse_used_id
from pulseq.run.callers_variables import read_variables
from pulseq.run.event_log import EventLog, EventSink
from pulseq.run.exit_code import EXIT_REASONS, code_of_stopped, ending_code, exit_code_of, say_briefly
from pulseq.run.missing_end import closing_events
from pulseq.run.run_options import RunOptions
from pulseq.run.run_processes import RunProcesses
from pulseq.run.state_directory import cause_of, prepare_home, require_space
from pulseq.run.stopping import Stopper

if TYPE_CHECKING:
    from pulseq.run.dispatcher import Dispatcher
    from pulseq.run.driver import Driver


#: With no more than these, processes that load side by side take turns on one.
_FEW_PROCESSORS = 2
#: How long somebody who leaves at once waits for a database that others hold.
_LEAVING_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        stored: whether the database has all of it.
        trouble: what is to be done about it after its end; empty where all is done.
    """

    exit_code: ExitCode
    # asyncio.run makes a text of the result when it takes its signal handler back; that of a record is huge.
    record: RunRecord = field(repr=False)
    stored: bool = False
    trouble: str = ""


class RunSession:
    """One run; `_run` is its table of contents.

    Args:
        sinks: views; each gets every event as it becomes true.
        scheduler: decides what goes where; None is one for this run alone.
        on_open: called with what sends and books, just before it begins; it may hold the run open for more tests.
        admits: whether a node of this id takes part, of those that are there.
        on_started: given where this process is the run's alone, and starts no thread before this is called, once
            all processes have been started: nodes are forked from it then, which has loaded the same.
        on_left: called in a thread, with what there is, when a second signal has ended the run; the process then ends.
    """

    def __init__(
        self,
        suite: Suite,
        fleet: Fleet,
        options: RunOptions,
        sinks: list[EventSink],
        *,
        decided_by: FrameworkConfig | None = None,
        on_open: Callable[[Dispatcher], None] | None = None,
        admits: Callable[[str], bool] | None = None,
        on_started: Callable[[], None] | None = None,
        on_left: Callable[[RunOutcome], None] | None = None,
    ) -> None:
        self._decided_by = decided_by
        self._on_open = on_open
        self._admits = admits
        self._may_fork = on_started is not None
        self._on_started = on_started or (lambda: None)
        self.suite = suite
        self.fleet = fleet
        self.options = options
        self._sinks = sinks
        self._on_left = on_left
        self._stopper = Stopper(self._on_stop, self._on_leave)
        self._driver: Driver | None = None
        self._started = time.monotonic()

    async def run(self) -> RunOutcome:
        """Run the suite.

        Raises:
            UsageError: a port in use, a pytest that does not take its arguments; nothing was run.
            InfrastructureError: server, scheduler or nodes do not start.
        """
        api_url = await self._check()
        prepare_home(self.options.home, "runs", self.options.run_id, "logs")
        self.log = EventLog(self.options.journal_path, self._sinks, self._on_unwritten, self._variables.blotter())
        try:
            return await self._run(api_url)
        except UsageError as error:
            # Bad input that only a node could see: nothing was run, and where nobody knows of it nothing is left.
            if self.log.in_database:
                await self._end_early(error)
            else:
                await asyncio.to_thread(shutil.rmtree, self.options.run_directory, ignore_errors=True)
            raise
        except InfrastructureError as error:
            told = cause_of(error, self.options.home)
            await self._end_early(told)
            raise told from error
        except BaseException as error:
            await self._end_early(error)
            raise
        finally:
            self.log.close()

    async def _check(self) -> str | None:
        """Refuse what cannot work before anything is started; the configured Prefect API, if any."""
        check_fleet(self.fleet)
        options = self.options
        self._variables = read_variables(
            self.suite, os.environ, nodes=options.nodes_environment, ship=bool(options.ship)
        )
        require_space(self.options.home)
        if self.options.scheduler is not None:
            await check_scheduler(self.options.scheduler, self.options.credentials)
        refuse_used_id(self.options.run_id, self.options.home, self.options.database_path)
        api_url = self.options.api_url or configured_api()
        if api_url is not None:
            await check_api(api_url)
        return api_url

    def _tell_start(self, *, own_server: bool) -> None:
        options = {
            "source": self.suite.source,
            "granularity": self.options.granularity,
            "isolation": self.options.isolation,
            "keyword": self.options.keyword,
            "markers": self.options.markers,
            NODES: len(self.fleet.nodes) if self.options.standing or self.options.scheduler is None else None,
            OWN_SERVER: own_server,
            DATABASE: str(self.options.database_path) if self.fleet.framework.persist_results else None,
            FLEET: say_fleet(self.fleet, standing=self.options.standing, scheduler=self.options.scheduler),
            PROJECTS: list(self.suite.projects),
            PART: self.suite.part or any(map(bool, (self.options.keyword, self.options.markers, self.options.only))),
        }
        self.log.emit(RunStarted(self.options.run_id, self.suite.name, time.time(), __version__, options))
        for note in self.options.notes:
            self.log.emit(RunNote(note))
        self.log.commit_here()

    async def _run(self, api_url: str | None) -> RunOutcome:
        """The steps of a run; what one has started the end of the block ends, the last first."""
        finishing: list[asyncio.Task[RunOutcome]] = []
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.enter_context(self._stopper.watching(self.options.deadline_seconds))
                processes = await stack.enter_async_context(self._processes(own_server=api_url is None))
                self._tell_start(own_server=processes.server is not None)
                await processes.load_and_start(may_fork=self._may_fork)
                self._on_started()
                await self._drive(processes, api_url)
                self._stopper.run_is_over()
                finishing.append(asyncio.create_task(self._finish()))  # while the processes end
                await asyncio.sleep(0)
        finally:
            await asyncio.gather(*finishing, return_exceptions=True)
        return finishing[0].result()

    def _processes(self, *, own_server: bool) -> contextlib.AbstractAsyncContextManager[RunProcesses]:
        return RunProcesses.of(self.fleet, self.options, own_server=own_server, say=self._say)

    async def _drive(self, processes: RunProcesses, api_url: str | None) -> None:
        """Nodes and tests first; then the flow run, which ends when all tests have."""
        # Loaded by now: both bring Prefect and Dask along.
        from pulseq.run.carrying_flow_run import CarryingFlowRun
        from pulseq.run.driver import Driver

        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._beside(self.log.keep_committing(), "writing the journal"))
            self._driver = driver = Driver(
                self.suite,
                self.fleet.framework,
                self.options,
                self.log,
                self._stopper,
                self._variables,
                decided_by=self._decided_by,
                on_open=self._on_open,
            )
            if self._admits is not None:
                driver.dispatcher.nodes.admits = self._admits
            stack.push_async_callback(driver.close)
            flow_run = CarryingFlowRun(driver, processes.server, api_url, self._stopper)
            stack.enter_context(flow_run.speaking())
            if not await self._unless_stopped(driver.get_ready(processes.local)):
                driver.close_open()
                return
            await stack.enter_async_context(self._ingesting())
            await flow_run.run()

    @contextlib.asynccontextmanager
    async def _ingesting(self) -> AsyncIterator[None]:
        framework = self.fleet.framework
        if not (framework.aggregation_enabled and framework.persist_results):
            yield
            return
        ingesting = self.log.keep_ingesting(self.options.database_path, framework.aggregation_interval)
        async with self._beside(ingesting, "bringing results into the database"):
            yield

    @contextlib.asynccontextmanager
    async def _beside(self, coroutine: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
        background = Background(self._stopper.stop_for_death)
        background.start(coroutine, name)
        try:
            yield
        finally:
            await background.end()

    def _say(self, text: str) -> None:
        self.log.emit(RunNote(text))

    async def _unless_stopped(self, step: Coroutine[Any, Any, None]) -> bool:
        """Do a step of the start; False where the run was stopped meanwhile, and the step with it."""
        doing = asyncio.ensure_future(step)
        stopped = asyncio.ensure_future(self._stopper.stopped.wait())
        await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if doing.done():
            doing.result()
            return True
        doing.cancel()
        await asyncio.wait({doing})
        return False

    async def _end_early(self, error: BaseException) -> None:
        """Close what was planned: whatever has ended a run, nobody is to take it for one that goes on."""
        if self.log.record.started is None or self.log.record.finished is not None:
            return
        if self._driver is not None:
            self._driver.close_open(f"the run ended before this test had a verdict: {say_briefly(error)}")
        await self._finish(self._stopper.code or ending_code(error))

    async def _finish(self, code: ExitCode | None = None) -> RunOutcome:
        verdicts = self._driver.ledger.verdicts() if self._driver is not None else ()
        stopped = code or self._stopper.code
        if stopped is not None:
            code = code_of_stopped(stopped, verdicts)
        else:
            code = exit_code_of(verdicts, is_well_without=self.log.record.is_well_without_tests)
        wall = time.monotonic() - self._started
        self.log.emit(RunFinished(time.time(), wall, int(code), EXIT_REASONS[code]))
        await self.log.commit()
        trouble = ""
        stored = self.fleet.framework.persist_results and not self.log.failed  # where it has, enough has been said
        if stored:
            try:
                await self.log.ingest(self.options.database_path)
            except PulseqError as error:
                stored, trouble = False, _say_missing(error)
                self.log.emit(RunNote(trouble), shown=False)  # whoever watches is to read it last
                await self.log.commit()
        return RunOutcome(code, self.log.record, stored, trouble)

    @property
    def dispatcher(self) -> Dispatcher | None:
        """What sends and books, once there are nodes to send to."""
        return self._driver.dispatcher if self._driver is not None else None

    @property
    def all_closed(self) -> bool:
        """Whether its tests are known, and all of them have their verdicts."""
        return self._driver is not None and not self._driver.ledger.open

    @property
    def stopped(self) -> bool:
        """Whether it takes no tests any more."""
        return self._stopper.code is not None

    def stop(self, why: str) -> None:
        """Start nothing more and end what runs; `run` returns when that is done."""
        self._stopper.stop(ExitCode.INTERRUPTED, why)

    def _on_unwritten(self, error: PulseqError) -> None:
        in_short = "the run was stopped: it could not be journalled"
        self._stopper.stop(ExitCode.INTERNAL_ERROR, str(error), in_short=in_short)

    def _on_leave(self, code: ExitCode) -> ExitCode:
        """Close the run, whatever its event loop is at: nobody is to take it for one that goes on."""
        why = self._stopper.in_short or "the run was interrupted"
        self.log.seal(lambda record: closing_events(record, code, why, time.time()))
        finished = self.log.record.finished
        code = ExitCode(finished.exit_code) if finished else code
        trouble = ""
        stored = self.fleet.framework.persist_results and not self.log.failed
        if stored:
            try:
                self.log.ingest_here(self.options.database_path, patience_seconds=_LEAVING_PATIENCE_SECONDS)
            except PulseqError as error:
                stored, trouble = False, _say_missing(error)
        if self._on_left is not None:
            self._on_left(RunOutcome(code, self.log.record, stored, trouble))
        return code

    def _on_stop(self, why: str) -> None:
        self.log.emit(RunNote(why))
        if self._driver is not None:
            self._driver.stop()


def _say_missing(error: PulseqError) -> str:
    advice = "`pulseq results sync`"
    if isinstance(error, DatabaseBusyError):
        return (
            f"results are not in the database yet, since {error.holder} has it open: close it there, then {advice}; "
            "until then `pulseq summary` tells this run from its journal"
        )
    told = f"results are not in the database yet: {error}"
    return told if advice in told else f"{told}; then {advice}"


async def run_suite(
    suite: Suite,
    fleet: Fleet,
    options: RunOptions,
    sinks: list[EventSink] | None = None,
    *,
    on_started: Callable[[], None] | None = None,
    on_left: Callable[[RunOutcome], None] | None = None,
) -> RunOutcome:
    """Run a suite on a fleet: the one way behind the command line, the flows and the Python API.

    Args:
        sinks: called with each event as it becomes true (views).
        on_started, on_left: see `RunSession`.

    Raises:
        UsageError, InfrastructureError: see `RunSession.run`.
    """
    session = RunSession(suite, fleet, options, sinks or [], on_started=on_started, on_left=on_left)
    return await session.run()
