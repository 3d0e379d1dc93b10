"""What drives tests on nodes: nodes join, tests are collected and dispatched, nodes forget the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from pulseq.background import Background
from pulseq.cluster.cluster import Cluster
from pulseq.cluster.node_check import say_strangers
from pulseq.cluster.node_client import NodeClient
from pulseq.cluster.own_nodes import OwnNodes
from pulseq.cluster.run_watch import driver_name
from pulseq.cluster.standing_cluster import say_loss
from pulseq.errors import ExitCode, InfrastructureError, PulseqError
from pulseq.events import RunNote
from pulseq.fleet import FrameworkConfig
from pulseq.models import Suite
from pulseq.planning.expected import ExpectedDurations, History, slowness_of
from pulseq.protocol.entry_points import run_topic
from pulseq.results.database import Database
from pulseq.results.history import measured_durations
from pulseq.results.lineage import Lineage
from pulseq.run.artifact_fetching import ArtifactFetching
from pulseq.run.artifact_folder import ArtifactFolder
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.collecting import accept_suite
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.event_log import EventLog
from pulseq.run.exit_code import code_of_stopped, exit_code_of
from pulseq.run.ledger import Ledger
from pulseq.run.run_health import RunHealth
from pulseq.run.run_options import RunOptions
from pulseq.run.run_queue import RunQueue
from pulseq.run.shipping import Shipping
from pulseq.run.side_by_side import end_all, first_of
from pulseq.run.stopping import Stopper

#: How long a stopped run waits for its bodies to end; their keepers need two seconds.
STOP_PATIENCE_SECONDS = 8.0
#: So long after its stop, and after its pytest sessions have ended, a run waits for its nodes to let go of it.
LEAVE_SECONDS = 1.0


class Driver:
    """The part of a run that speaks to its nodes.

    Args:
        stopper: says when, and why, the run is to end early.
        variables: what bodies have of the caller's.
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
        variables: CallersVariables,
        *,
        decided_by: FrameworkConfig | None = None,
        on_open: Callable[[Dispatcher], None] | None = None,
    ) -> None:
        self.suite = suite
        self.options = options
        self.log = log
        self.ledger = Ledger(log.record, log.emit)
        self.cluster = Cluster()
        self.runner = NodeClient()
        self._stopper = stopper
        self._local: OwnNodes | None = None
        self.accepting: asyncio.Task[None] | None = None
        self._may_start = asyncio.Event()
        self._on_open = on_open
        self._node_timeout = framework.node_timeout
        queue = RunQueue(decided_by or framework, granularity=options.granularity, failed_first=options.failed_first)
        self.shipping = Shipping(
            suite,
            options.run_id,
            self.runner,
            ship=options.ship,
            home=options.home,
            tell=lambda text: log.emit(RunNote(text)),
            store_bytes=options.store_bytes,
        )
        self.dispatcher = Dispatcher(
            options.run_id,
            self.cluster,
            self.runner,
            self.ledger,
            queue,
            options.max_failures,
            variables=variables,
            shipping=self.shipping,
        )
        self._artifacts = ArtifactFetching(
            options.run_id,
            self.runner,
            self.cluster.nodes,
            ArtifactFolder(options.run_directory),
            suite.artifacts_limit,
            log.emit,
        )
        self.dispatcher.on_left = self._artifacts.take
        self.dispatcher.nodes.before_leave = self._artifacts.settle
        self._health = RunHealth(self.cluster, self.dispatcher.nodes, log.emit, framework)
        self.background = Background()
        for part in (self, self.cluster, self.runner, self.dispatcher, self.dispatcher.nodes):
            part.background.on_death = stopper.stop_for_death

    async def get_ready(self, local: OwnNodes | None) -> None:
        """Until there are nodes; collection begins with them.

        Raises:
            UsageError: pytest does not take what the command line gave it, which was seen before all was ready.
            InfrastructureError: scheduler or nodes do not start.
        """
        joined = asyncio.Event()
        self.accepting = asyncio.create_task(self._join_and_accept(local, joined))
        ready = asyncio.create_task(joined.wait())
        try:
            await first_of({ready, self.accepting})
            await ready
        except BaseException:
            await end_all({ready, self.accepting})
            raise

    async def _join_and_accept(self, local: OwnNodes | None, joined: asyncio.Event) -> None:
        if self.options.ship:
            await self.shipping.read()  # nothing that is wrong with it waits for nodes
        await self._join(local)
        if nodes := [node for node in self.cluster.nodes.values() if self.shipping.concerns(node)]:
            await self.shipping.read(nodes)
        joined.set()
        await self._load_history()
        await accept_suite(self.suite, self.dispatcher, self.options, self._may_start)

    async def _join(self, local: OwnNodes | None) -> None:
        self._local = local
        address = self.options.scheduler if local is None else await local.join()
        credentials = self.options.credentials if local is None else local.credentials
        assert address is not None
        self.cluster.on_connected = self._use_client
        self.cluster.on_link = lambda text: self.log.emit(RunNote(text))
        self.cluster.on_joined = self.dispatcher.nodes.join
        self.cluster.on_left = self.dispatcher.lose_node
        self.cluster.on_marked = self.dispatcher.heed_mark
        self.cluster.on_lost = self._lose_scheduler
        self.cluster.on_refused = self._note_refused
        await self.cluster.connect(
            address,
            name=driver_name(self.options.run_id),
            foreign=local is None,
            node_timeout=self._node_timeout,
            credentials=credentials,
        )
        if local is not None:
            local.on_node_given_up = self._note_given_up
            local.background.on_death = self._stopper.stop_for_death
            await self.cluster.follow(local)
        await self._wait_for_joining()
        self.cluster.require_nodes()
        if self.cluster.strangers:
            self.log.emit(RunNote(say_strangers(len(self.cluster.strangers))))
        await self._health.begin()
        await self.dispatcher.nodes.wait_for_first()

    async def _wait_for_joining(self) -> None:
        missing = [node_id for node_id in self.options.awaited if node_id not in self.cluster.nodes]
        if not missing:
            return
        self.log.emit(RunNote(f"waiting for {', '.join(missing)} to join, for up to {self._node_timeout:g} s"))
        waiting = (self.cluster.wait_for(node_id, self._node_timeout) for node_id in missing)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        late = [node_id for node_id, one in zip(missing, found, strict=True) if isinstance(one, TimeoutError)]
        if not late:
            return
        told = f"{', '.join(late)} has not joined" if len(late) == 1 else f"{', '.join(late)} have not joined"
        if not self.options.without_missing:
            raise InfrastructureError(
                f"{told} within {self._node_timeout:g} s: `pulseq node start` there, or --without-missing"
            )
        self.log.emit(RunNote(f"{told}: the run goes on without"))

    def _note_refused(self, node_id: str, why: str) -> None:
        self.log.emit(RunNote(f"node {node_id} cannot take part: {why}"))

    def _note_given_up(self, node_id: str, tries: int) -> None:
        self.log.emit(RunNote(f"node {node_id} died {tries} times and is not started again"))

    async def _load_history(self) -> None:
        """What tests took in earlier runs; without it the run only plans worse."""
        database = Database(self.options.database_path, patience_seconds=1.0)
        with contextlib.suppress(PulseqError):
            measured = await asyncio.to_thread(measured_durations, database, Lineage.of(self.suite))
            history = History(measured.seconds, slowness_of(measured.by_class))
            self.dispatcher.queue.expected = ExpectedDurations(history)

    async def test(self, *, server_follows: bool) -> None:
        """From the first dispatch to the last verdict; then nodes forget the run.

        Args:
            server_follows: whether a server is then waited for, to record what it was told.
        """
        await self.dispatcher.begin()
        await self._run_tests()
        self.log.tests_are_over(waits=server_follows)
        await self.dispatcher.nodes.end_admission()
        await self._health.end()
        await self._settle_nodes()
        await self._artifacts.give_up("their nodes are gone" if self.cluster.lost else "the run was stopped")
        self.close_open()

    async def _run_tests(self) -> None:
        """Run tests while further ones are being collected, until all have their verdicts or the run is stopped."""
        assert self.accepting is not None
        waiting = {asyncio.create_task(event.wait()) for event in (self._may_start, self._stopper.stopped)}
        try:
            await first_of({*waiting, self.accepting})
        finally:
            await end_all(waiting)
        if self._on_open is not None:
            self._on_open(self.dispatcher)
        running = asyncio.create_task(self.dispatcher.run())
        try:
            await first_of({running, self.accepting})
            await running
        finally:
            await end_all({running, self.accepting})

    async def _settle_nodes(self) -> None:
        """Late teardowns first, then the nodes forget the run and send the states that they hold."""
        if self.cluster.lost:
            return
        # Whoever is still being sent the project comes too late, and would be sent it on after it has left.
        await self.shipping.end()
        if self._local is not None:
            await self._local.end_absent(self.cluster.nodes)
        addresses = [node.address for node in self.cluster.nodes.values()]
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(None if self._stopper.code is None else STOP_PATIENCE_SECONDS):
                await self.dispatcher.hear(await self.runner.finish_sessions(self.options.run_id, addresses))
                await self._bring_artifacts_home()
                # What they hold for Prefect they go on to tell; who stops a run shall not wait for that.
                async with asyncio.timeout(None if self._stopper.code is None else LEAVE_SECONDS):
                    await self.runner.leave_run(self.options.run_id, addresses)
                    await self.dispatcher.settle()

    async def _bring_artifacts_home(self) -> None:
        skipped = asyncio.Event()
        with self._stopper.skipping(skipped.set):
            await self._artifacts.finish(skipped=skipped, is_stopped=lambda: self._stopper.code is not None)

    @property
    def code(self) -> ExitCode:
        """What the run would exit with now."""
        code, verdicts = self._stopper.code, self.ledger.verdicts()
        if code is not None:
            return code_of_stopped(code, verdicts)
        return exit_code_of(verdicts, is_well_without=self.ledger.record.is_well_without_tests)

    def close_open(self, why: str | None = None) -> None:
        """Tests without a verdict are `cancelled`, for the reason that the run was stopped for, or else `why`."""
        if self.ledger.open:
            self.dispatcher.close_open(self._stopper.in_short or why or "the run was stopped")

    def stop(self) -> None:
        """Start nothing more and end what runs; what does not end in time is left behind."""
        self.dispatcher.stop_admitting()
        self.dispatcher.cancel_soon()
        self.background.later(STOP_PATIENCE_SECONDS, self.dispatcher.abandon)

    def _use_client(self) -> None:
        self.runner.bind(self.cluster.client, self.cluster.has_address)
        self.cluster.client.subscribe_topic(run_topic(self.options.run_id), self.dispatcher.receive)

    def _lose_scheduler(self, why: str) -> None:
        known = say_loss(self.options.home) if self.options.standing else None
        self._stopper.stop(ExitCode.NO_VERDICT, known or why)
        self.dispatcher.abandon()

    async def close(self) -> None:
        """Leave the cluster."""
        await end_all({self.accepting} if self.accepting else set())
        await self._health.end()
        await self._artifacts.close()
        await self.dispatcher.nodes.end_admission()
        await self.shipping.end()
        for part in (self, self.dispatcher, self.runner):
            await part.background.end()
        await self.cluster.close()
