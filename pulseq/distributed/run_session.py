"""One run of a suite, from the first process that is started to the last that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pulseq import __version__
from pulseq.distributed.collecting import accept_suite
from pulseq.distributed.dispatcher import Dispatcher
from pulseq.distributed.event_log import EventLog, EventSink
from pulseq.distributed.ledger import Ledger
from pulseq.distributed.run_options import RunOptions
from pulseq.distributed.stopping import Stopper
from pulseq.distributed.verdict import EXIT_REASONS, describe, exit_code_of
from pulseq.engine.api_server import EmbeddedServer, check_api, wait_until_recorded
from pulseq.engine.cluster import Cluster, check_fleet, check_scheduler
from pulseq.engine.flow_run import (
    FlowRunEnding,
    FlowRunHandle,
    configured_api_url,
    end_orphans,
    flow_run_url,
    run_as_flow,
    use_api,
)
from pulseq.engine.task_runner import NodeTaskRunner
from pulseq.engine.work import run_topic
from pulseq.errors import ExitCode, InfrastructureError, PulseqError, RunInterrupted, UsageError
from pulseq.events import PrefectRunKnown, RunFinished, RunNote, RunStarted
from pulseq.models import Fleet, Suite
from pulseq.records import RunRecord
from pulseq.results.database import Database, refuse_newer_schema
from pulseq.results.queries import expected_durations

logger = logging.getLogger("pulseq.run")

#: How long the end of a run waits for a server that records in batches, beyond what it has to record.
RECORD_PATIENCE_SECONDS = 10.0
RECORD_SECONDS_PER_TASK_RUN = 0.02


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to."""

    exit_code: ExitCode
    record: RunRecord


class RunSession:
    """Everything that one run holds; `run()` is its story.

    Args:
        sinks: views; each gets every event as it becomes true.
    """

    def __init__(self, suite: Suite, fleet: Fleet, options: RunOptions, sinks: list[EventSink]) -> None:
        self.suite = suite
        self.fleet = fleet
        self.options = options
        self._sinks = sinks
        self._stopper = Stopper(self._on_stop)
        self._started = time.monotonic()

    async def run(self) -> RunOutcome:
        """Run the suite.

        Raises:
            UsageError: a port in use, a pytest that does not take its arguments; nothing was run.
            InfrastructureError: server, scheduler or nodes do not start.
        """
        check_fleet(self.fleet)
        if self.options.scheduler is not None:
            await check_scheduler(self.options.scheduler)
        refuse_newer_schema(self.options.database_path)
        api_url = configured_api_url()
        if api_url is not None:
            await check_api(api_url)
        self._prepare_directory()
        self.log = EventLog(
            self.options.journal_path,
            self._sinks,
            lambda error: self._stopper.stop(ExitCode.INTERNAL_ERROR, str(error)),
        )
        self._tell_start()
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._run_in(stack, api_url)
            return await self._finish()
        except UsageError:
            # Bad input that only a node could see: nothing was run, so nothing is left behind.
            shutil.rmtree(self.options.run_directory, ignore_errors=True)
            raise
        finally:
            self.log.close()

    async def _run_in(self, stack: contextlib.AsyncExitStack, api_url: str | None) -> None:
        await stack.enter_async_context(_background(self.log.keep_committing()))
        server: EmbeddedServer | None = None
        if api_url is None:
            server = await EmbeddedServer.start(
                state_directory=self.options.home, run_directory=self.options.run_directory
            )
            stack.push_async_callback(server.stop)
        self._server = server
        self._api_url = api_url or (server.api_url if server else "")
        self._build()
        stack.push_async_callback(self.cluster.stop)
        stack.enter_context(self._stopper.watching(self.options.deadline_seconds))
        await self._start_all(server)
        if self.fleet.framework.aggregation_enabled and self.fleet.framework.persist_results:
            interval = self.fleet.framework.aggregation_interval
            await stack.enter_async_context(_background(self.log.keep_ingesting(self.options.database_path, interval)))
        await self._run_flow()

    # -- steps

    def _prepare_directory(self) -> None:
        directory = self.options.run_directory
        try:
            (directory / "logs").mkdir(parents=True, exist_ok=True)
            ignore = self.options.home / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise UsageError(
                f"the state directory {str(self.options.home)!r} cannot be written ({error.strerror}); "
                "set PULSEQ_HOME to a directory that can"
            ) from error

    def _tell_start(self) -> None:
        options = {
            "source": self.suite.source,
            "granularity": self.options.granularity,
            "keyword": self.options.keyword,
            "markers": self.options.markers,
        }
        self.log.emit(RunStarted(self.options.run_id, self.suite.name, time.time(), __version__, options))

    def _build(self) -> None:
        framework = self.fleet.framework
        self.cluster = Cluster(
            run_directory=self.options.run_directory,
            heartbeat_seconds=framework.heartbeat_interval,
            node_timeout_seconds=framework.node_timeout,
        )
        self.runner = NodeTaskRunner()
        self.ledger = Ledger()
        self.dispatcher = Dispatcher(
            self.options.run_id,
            self.cluster,
            self.runner,
            self.ledger,
            self.log.emit,
            framework.node_timeout,
            framework.strategy,
            self.options.max_failures,
            self.options.granularity,
            failed_first=self.options.failed_first,
        )

    async def _start_all(self, server: EmbeddedServer | None) -> None:
        """Server, nodes and collection side by side; each waits only for what it needs."""
        steps = [self._start_nodes_and_collect()]
        if server is not None:
            steps.append(server.ready())
        starting = asyncio.ensure_future(_all_or_first_error(steps))
        stopped = asyncio.ensure_future(self._stopper.stopped.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            raise RunInterrupted(f"{self._stopper.why} (while the run was starting; no test has run)")
        starting.result()

    async def _start_nodes_and_collect(self) -> None:
        self.cluster.on_joined = self.dispatcher.add_node
        self.cluster.on_left = self.dispatcher.lose_node
        await self.cluster.start(scheduler_address=self.options.scheduler)
        self.runner.bind(self.cluster.client)
        self.cluster.client.subscribe_topic(run_topic(self.options.run_id), self.dispatcher.receive)
        if not self.options.scheduler:
            await self.cluster.start_nodes(self.fleet, {"PREFECT_API_URL": self._api_url})
        if not self.cluster.nodes:
            raise InfrastructureError(
                f"the scheduler at {self.cluster.address!r} has no PulseQ node; start one with `pulseq node start`"
            )
        await self.dispatcher.settle()
        await self._load_history()
        await accept_suite(self.suite, self.dispatcher, self.options)

    async def _load_history(self) -> None:
        """What tests took in earlier runs; without it the run only plans worse."""
        database = Database(self.options.database_path, patience_seconds=1.0)
        with contextlib.suppress(PulseqError):
            self.dispatcher.history = await asyncio.to_thread(expected_durations, database)

    async def _run_flow(self) -> None:
        """The flow run: everything between its start and its end is dispatching."""
        name = f"suite-{self.suite.name}-{self.options.run_id}"
        context = use_api(self._api_url) if self._server is not None else contextlib.nullcontext()
        with context:
            try:
                await run_as_flow(self._in_flow, name=name, suite=self.suite.name, run_id=self.options.run_id)
            except Exception as error:
                # Prefect's trouble is none of the tests': once verdicts are there, it is a note.
                if self.ledger.open or self._stopper.code is ExitCode.INTERNAL_ERROR:
                    raise
                logger.debug("the flow run could not be ended", exc_info=True)
                self.log.emit(RunNote(f"Prefect could not be told the end of this run: {error}"))

    async def _in_flow(self, flow_run: FlowRunHandle) -> FlowRunEnding:
        url = flow_run_url(flow_run.id, self._api_url)
        self.log.emit(PrefectRunKnown(flow_run.id, url))
        self._stopper.install_signals()
        await self.dispatcher.enter_flow(flow_run.context)
        await self.dispatcher.run()
        await self._settle_nodes()
        if self.ledger.open:
            self.dispatcher.close_open(self._stopper.why or "the run was stopped")
        await self._tell_server_everything(flow_run.id)
        return self._ending()

    async def _settle_nodes(self) -> None:
        """Late teardowns first, then the nodes forget the run and send the states that they hold."""
        addresses = [node.address for node in self.cluster.nodes.values()]
        with contextlib.suppress(OSError):
            if self._stopper.code is None:
                await self.runner.finish_sessions(self.options.run_id, addresses)
            await self.runner.leave_run(self.options.run_id, addresses)
        await self.dispatcher.settle()

    async def _tell_server_everything(self, flow_run_id: str) -> None:
        await end_orphans(self._api_url, self.ledger.orphaned_task_runs)
        if self._server is None:
            return
        count = self.dispatcher.task_runs
        patience = RECORD_PATIENCE_SECONDS + count * RECORD_SECONDS_PER_TASK_RUN
        missing = await wait_until_recorded(self._api_url, flow_run_id, count, patience_seconds=patience)
        if missing:
            self.log.emit(RunNote(f"the Prefect server has not recorded {missing} of {count} task runs"))

    def _ending(self) -> FlowRunEnding:
        message = describe(self.ledger.verdicts())
        if self._stopper.code is ExitCode.INTERRUPTED:
            return FlowRunEnding("cancelled", f"interrupted: {message}")
        code = self._stopper.code or exit_code_of(self.ledger.verdicts())
        if code in (ExitCode.OK, ExitCode.NOTHING_TO_RUN):
            return FlowRunEnding("completed", message)
        return FlowRunEnding("failed", message)

    async def _finish(self) -> RunOutcome:
        code = self._stopper.code or exit_code_of(self.ledger.verdicts())
        wall = time.monotonic() - self._started
        self.log.emit(RunFinished(time.time(), wall, int(code), EXIT_REASONS[code]))
        await self.log.commit()
        if self.fleet.framework.persist_results:
            try:
                await self.log.ingest(self.options.database_path)
            except PulseqError as error:
                self.log.emit(RunNote(f"results are not in the database yet: {error}; then `pulseq results sync`"))
                await self.log.commit()
        return RunOutcome(code, self.log.record)

    def _on_stop(self, why: str) -> None:
        self.log.emit(RunNote(why))
        self.dispatcher.stop_admitting()
        self.dispatcher.cancel_soon()


@contextlib.asynccontextmanager
async def _background(coroutine: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _all_or_first_error(steps: list[Any]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except* PulseqError as errors:
        raise _first(errors) from None


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def run_suite(
    suite: Suite,
    fleet: Fleet,
    options: RunOptions,
    sinks: list[EventSink] | None = None,
) -> RunOutcome:
    """Run a suite on a fleet: the one way behind the command line, the flows and the Python API.

    Args:
        sinks: called with each event as it becomes true (views).

    Raises:
        UsageError, InfrastructureError: see `RunSession.run`.
    """
    return await RunSession(suite, fleet, options, sinks or []).run()
