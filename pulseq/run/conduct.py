"""The run while it goes on: nodes join, tests are collected, the flow run dispatches them and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from pulseq.background import Background
from pulseq.cluster.cluster import Cluster
from pulseq.cluster.local_nodes import LocalNodes
from pulseq.cluster.node_client import NodeClient
from pulseq.cluster.run_watch import driver_name
from pulseq.cluster.standing_cluster import say_loss
from pulseq.errors import ExitCode, InfrastructureError, PulseqError, UsageError
from pulseq.events import PrefectRunKnown, RunNote
from pulseq.models import FrameworkConfig, Suite
from pulseq.orchestration.api_address import say_url
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.ending import ending_of
from pulseq.orchestration.flow_run import (
    RETRIES_OF_A_CONFIGURED_API,
    RETRIES_OF_AN_EMBEDDED_SERVER,
    FlowRunEnding,
    FlowRunHandle,
    flow_run_url,
    forget_flow_run,
    run_as_flow,
    use_api,
    use_configured_api,
    within_flow_run,
)
from pulseq.orchestration.reconcile import Reconciler
from pulseq.planning.expected import ExpectedDurations, History, slowness_of
from pulseq.protocol.from_node import run_topic
from pulseq.reports.tally import count_verdicts
from pulseq.results.database import Database
from pulseq.results.history import measured_durations
from pulseq.results.lineage import Lineage
from pulseq.run.collecting import accept_suite
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.event_log import EventLog
from pulseq.run.ledger import Ledger
from pulseq.run.run_health import RunHealth
from pulseq.run.run_options import RunOptions
from pulseq.run.run_page import RunPage
from pulseq.run.run_queue import RunQueue
from pulseq.run.stopping import Stopper
from pulseq.run.verdict import code_of_stopped, exit_code_of, say_briefly

logger = logging.getLogger("pulseq.run")

#: How long a stopped run waits for its bodies to end; their keepers need two seconds.
STOP_PATIENCE_SECONDS = 8.0
#: So long after its stop, and after its pytest sessions have ended, a run waits for its nodes to let go of it.
LEAVE_SECONDS = 1.0
#: A flow run that has not begun after this long is told of.
START_NOTE_SECONDS = 10.0


class Conduct:
    """The part of a run that speaks to Prefect and Dask.

    Args:
        stopper: says when, and why, the run is to end early.
        decided_by: what goes where is decided as this says; None is as `framework` does.
        on_open: called with what sends and books, just before it begins.
    """

    def __init__(
        self,
        suite: Suite,
        framework: FrameworkConfig,
        options: RunOptions,
        log: EventLog,
        stopper: Stopper,
        *,
        decided_by: FrameworkConfig | None = None,
        on_open: Callable[[Dispatcher], None] | None = None,
    ) -> None:
        self.suite = suite
        self.options = options
        self.log = log
        self.ledger = Ledger()
        self.cluster = Cluster()
        self.runner = NodeClient()
        self._stopper = stopper
        self._server: EmbeddedServer | None = None
        self._api_url = ""
        self._local: LocalNodes | None = None
        self._flow_error: Exception | None = None
        self._flow_run_id = ""
        self._accepting: asyncio.Task[None] | None = None
        self._testing: asyncio.Task[None] | None = None
        self._may_start = asyncio.Event()
        self._on_open = on_open
        queue = RunQueue(decided_by or framework, granularity=options.granularity, failed_first=options.failed_first)
        self.dispatcher = Dispatcher(
            options.run_id, self.cluster, self.runner, self.ledger, log.emit, queue, options.max_failures
        )
        self._health = RunHealth(self.cluster, self.dispatcher, log.emit, framework)
        self.background = Background()
        for part in (self, self.cluster, self.runner, self.dispatcher):
            part.background.on_death = stopper.stop_for_death

    def speak_to(self, server: EmbeddedServer | None, api_url: str | None) -> contextlib.AbstractContextManager[None]:
        """Have Prefect speak to this server of the run's own, or to this API, within the context."""
        self._server = server
        self._api_url = api_url or (server.api_url if server else "")
        if server is None and self.options.api_url is None:
            return use_configured_api(auth=self.options.api_auth)
        own = server is not None
        auth = server.auth if server is not None else self.options.api_auth
        retries = RETRIES_OF_AN_EMBEDDED_SERVER if own else RETRIES_OF_A_CONFIGURED_API
        return use_api(self._api_url, auth=auth, retries=retries, same_release=own)

    async def get_ready(self, local: LocalNodes | None) -> None:
        """Until there are nodes; collection begins with them.

        Raises:
            UsageError: pytest does not take what the command line gave it, which was seen before all was ready.
            InfrastructureError: scheduler or nodes do not start.
        """
        joined = asyncio.Event()
        self._accepting = asyncio.create_task(self._join_and_accept(local, joined))
        ready = asyncio.create_task(_wait_for(joined))
        try:
            await _first_of({ready, self._accepting})
            await ready
        except BaseException:
            await _end_all({ready, self._accepting})
            raise

    async def _join_and_accept(self, local: LocalNodes | None, joined: asyncio.Event) -> None:
        await self._join(local)
        joined.set()
        await self._load_history()
        await accept_suite(self.suite, self.dispatcher, self.options, self._may_start)

    async def _join(self, local: LocalNodes | None) -> None:
        self._local = local
        address = self.options.scheduler if local is None else await local.join()
        assert address is not None
        self.cluster.on_joined = self.dispatcher.add_node
        self.cluster.on_left = self.dispatcher.lose_node
        self.cluster.on_lost = self._scheduler_lost
        await self.cluster.connect(address, name=driver_name(self.options.run_id), foreign=local is None)
        self.runner.bind(self.cluster.client, self.cluster.has_address)
        self.cluster.client.subscribe_topic(run_topic(self.options.run_id), self.dispatcher.receive)
        if local is not None:
            local.on_node_given_up = self._note_given_up
            local.background.on_death = self._stopper.stop_for_death
            await self.cluster.follow(local)
        if not self.cluster.nodes:
            raise InfrastructureError(f"the scheduler at {address!r} has no PulseQ node")
        await self._health.begin()
        await self.dispatcher.settle()

    def _note_given_up(self, node_id: str, tries: int) -> None:
        self.log.emit(RunNote(f"node {node_id} died {tries} times and is not started again"))

    async def _load_history(self) -> None:
        """What tests took in earlier runs; without it the run only plans worse."""
        database = Database(self.options.database_path, patience_seconds=1.0)
        with contextlib.suppress(PulseqError):
            measured = await asyncio.to_thread(measured_durations, database, Lineage.of(self.suite))
            history = History(measured.seconds, slowness_of(measured.by_class))
            self.dispatcher.queue.expected = ExpectedDurations(history)

    async def run_flow(self) -> None:
        """The flow run: everything between its start and its end is dispatching.

        With a server of this run's own, tests do not wait for it: what they come to is told when it is ready.
        """
        if self._server is None:
            await self._run_flow()
            return
        self._testing = asyncio.create_task(self._test())
        ready = asyncio.create_task(self._server.ready())
        stopped = asyncio.create_task(self._stopper.stopped.wait())
        try:
            await _first_of({ready, stopped}, unless=self._testing)
            if ready.done():
                await self._run_flow()
            else:  # nobody is to wait for a server now, which would end with this run
                await self._testing
        finally:
            await _end_all({ready, stopped, self._testing})

    async def _run_flow(self) -> None:
        name = f"suite-{self.suite.name}-{self.options.run_id}"
        within = within_flow_run()
        waits = RunNote(f"waiting for the Prefect API at {say_url(self._api_url)!r} to take the flow run: it is busy")
        self._waiting = self.background.later(START_NOTE_SECONDS, self.log.emit, waits)
        try:
            await run_as_flow(self._in_flow, name=name, suite=self.suite.name, run_id=self.options.run_id)
        except Exception as error:
            # Prefect's trouble is none of the tests': once verdicts are there, it is a note.
            if (self.ledger.open or not self._flow_run_id) and self._flow_error is None:
                raise InfrastructureError(
                    f"the Prefect API at {say_url(self._api_url)!r} cannot start a flow run: {error}"
                ) from error
            logger.debug("the flow run could not be ended", exc_info=True)
            advice = "`pulseq results sync --prefect` finishes it"
            given = any(advice in note for note in self.log.record.notes)
            told_later = "" if given else f": {advice}"
            self.log.emit(RunNote(f"Prefect could not be told the end of this run ({say_briefly(error)}){told_later}"))
        finally:
            self._waiting.cancel()
        if isinstance(self._flow_error, UsageError) and not within:
            # Only a node could see that the input is bad: nothing was run, so nothing is left behind.
            await forget_flow_run(self._flow_run_id)
        if self._flow_error is not None:
            raise self._flow_error

    async def _in_flow(self, flow_run: FlowRunHandle) -> FlowRunEnding:
        self._waiting.cancel()
        try:
            return await self._dispatch(flow_run)
        except Exception as error:
            # Prefect makes a failed state of it and goes on; the run must not.
            self._flow_error = error
            raise

    async def _dispatch(self, flow_run: FlowRunHandle) -> FlowRunEnding:
        self._stopper.install_signals()
        self._flow_run_id = flow_run.id
        self.log.emit(PrefectRunKnown(flow_run.id, flow_run_url(flow_run.id, self._api_url)))
        # The lean server of a single run ends with it: nobody would read its pages.
        told = self.options.with_page and self._server is None
        delivery = self.dispatcher.delivery
        page = RunPage(self.suite.name, flow_run.id, self.options, self.log, self.ledger, delivery) if told else None
        reconciler = Reconciler(
            self._api_url,
            delivery,
            self.options.journal_path,
            passing=self._server is not None,
            stopped=self._stopper.awaited,
            note=lambda text: self.log.emit(RunNote(text)),
        )
        async with reconciler.telling(flow_run.id):
            async with page.kept(self._accepting) if page else contextlib.nullcontext():
                await (self._testing or self._test())
            await reconciler.settle(flow_run.id, nodes_lost=self.cluster.lost, commit=self.log.commit)
        if page is not None:
            await page.finish(self._code())
        return ending_of(self._code(), count_verdicts(self.log.record))

    async def _test(self) -> None:
        """From the first dispatch to the last verdict; then nodes forget the run."""
        await self.dispatcher.begin()
        await self._run_tests()
        self.log.tests_are_over(waits=self._server is not None)  # for that to record what it was told
        await self._health.end()
        await self._settle_nodes()
        self.close_open()

    async def _run_tests(self) -> None:
        """Run tests while further ones are being collected, until all have their verdicts or the run is stopped."""
        assert self._accepting is not None
        waiting = {asyncio.create_task(event.wait()) for event in (self._may_start, self._stopper.stopped)}
        await _first_of({*waiting, self._accepting})
        await _end_all(waiting)
        if self._on_open is not None:
            self._on_open(self.dispatcher)
        running = asyncio.create_task(self.dispatcher.run())
        try:
            await _first_of({running, self._accepting})
            await running
        finally:
            await _end_all({running, self._accepting})

    async def _settle_nodes(self) -> None:
        """Late teardowns first, then the nodes forget the run and send the states that they hold."""
        if self.cluster.lost:
            return
        if self._local is not None:
            await self._local.end_absent(self.cluster.nodes)
        addresses = [node.address for node in self.cluster.nodes.values()]
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(None if self._stopper.code is None else STOP_PATIENCE_SECONDS):
                await self.runner.finish_sessions(self.options.run_id, addresses)
                # What they hold for Prefect they go on to tell; who stops a run shall not wait for that.
                async with asyncio.timeout(None if self._stopper.code is None else LEAVE_SECONDS):
                    await self.runner.leave_run(self.options.run_id, addresses)
                    await self.dispatcher.settle()

    def _code(self) -> ExitCode:
        code, verdicts = self._stopper.code, self.ledger.verdicts()
        return exit_code_of(verdicts) if code is None else code_of_stopped(code, verdicts)

    def close_open(self, why: str | None = None) -> None:
        """Tests without a verdict are `cancelled`, for the reason that the run was stopped for, or else `why`."""
        if self.ledger.open:
            self.dispatcher.close_open(self._stopper.in_short or why or "the run was stopped")

    def stop(self) -> None:
        """Start nothing more and end what runs; what does not end in time is left behind."""
        self.dispatcher.stop_admitting()
        self.dispatcher.cancel_soon()
        self.background.later(STOP_PATIENCE_SECONDS, self.dispatcher.abandon)

    def _scheduler_lost(self) -> None:
        gone = "the Dask scheduler is gone, and the nodes with it"
        self._stopper.stop(ExitCode.NO_VERDICT, say_loss(self.options.home) if self.options.standing else gone)
        self.dispatcher.abandon()

    async def close(self) -> None:
        """Leave the cluster."""
        await _end_all({self._accepting} if self._accepting else set())
        await self._health.end()
        for part in (self, self.dispatcher, self.runner):
            await part.background.end()
        await self.cluster.close()


async def _end_all(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks and see them end, whatever they end with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _first_of(tasks: set[asyncio.Task[Any]], *, unless: asyncio.Task[Any] | None = None) -> None:
    """Until one of these has ended. Raises what it was ended by, or what `unless` fails with before."""
    while True:
        watched = tasks if unless is None or unless.done() else {*tasks, unless}
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if done & tasks:
            return


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()
