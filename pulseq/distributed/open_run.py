"""A run that stays open and takes tests one by one, as they are asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pulseq.distributed.test_result import TestResult, result_of
from pulseq.errors import InfrastructureError
from pulseq.events import Event, TestClosed
from pulseq.fleet import Fleet, FrameworkConfig
from pulseq.models import Key, Reason, Suite, TestCase
from pulseq.project import ProjectSpec
from pulseq.run.run_options import RunOptions
from pulseq.run.run_session import RunOutcome, RunSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from pulseq.distributed.test_scheduler import TestScheduler
    from pulseq.run.dispatcher import Dispatcher

T = TypeVar("T")
SUITE = "single tests"


class OpenRun:
    """One run, with its flow run and journal, whose tests are not known beforehand.

    A test has one verdict in a run, so a test that was here once needs another run (`has`).

    Args:
        admits: whether a node of this id takes part.
    """

    def __init__(
        self,
        options: RunOptions,
        framework: FrameworkConfig,
        project: ProjectSpec,
        scheduler: TestScheduler | None,
        admits: Callable[[str], bool],
    ) -> None:
        self.options = options
        self.session = RunSession(
            Suite(SUITE, (), project=project),
            Fleet((), framework),
            options,
            [self._note],
            decided_by=scheduler.config if scheduler else None,
            on_open=self._open,
            admits=admits,
        )
        self._released = False
        self._verdicts: dict[Key, asyncio.Future[None]] = {}
        self._opened: asyncio.Future[Dispatcher] = asyncio.get_running_loop().create_future()

    def begin(self, running: asyncio.Task[RunOutcome]) -> None:
        """The run is under way; it is over with this task."""
        self._running = running

    def has(self, case: TestCase) -> bool:
        """Whether a test was here already, or the run takes none any more."""
        return case.key in self._verdicts or self.session.stopped or self._running.done()

    @property
    def idle(self) -> bool:
        """Whether all of its tests have their verdicts."""
        return all(verdict.done() for verdict in self._verdicts.values())

    async def run(self, case: TestCase) -> TestResult:
        """Run one test to its verdict, which is in the journal when this returns.

        Raises:
            InfrastructureError: the run could not begin, or broke off.
        """
        verdict = self._verdicts[case.key] = asyncio.get_running_loop().create_future()
        dispatcher = await self._unless_over(self._opened)
        dispatcher.accept(case)
        await self._unless_over(verdict)
        await self.session.log.commit()
        record = self.session.log.record.tests[case.key]
        if record.closed is not None and record.closed.reason is Reason.CANCELLED:
            # The run is ending, and only then tells why.
            await asyncio.wait({self._running})
            self._raise_why_over()
        return result_of(record, self.options.run_id, now=datetime.now(UTC))

    def release(self) -> None:
        """Let the run end with the verdicts that are still to come."""
        self._released = True
        if self._opened.done():
            self._opened.result().release()

    def _open(self, dispatcher: Dispatcher) -> None:
        dispatcher.held = not self._released
        self._opened.set_result(dispatcher)

    def _note(self, event: Event) -> None:
        if isinstance(event, TestClosed):
            verdict = self._verdicts.get((event.test_id, event.variant))
            if verdict is not None and not verdict.done():
                verdict.set_result(None)

    async def _unless_over(self, awaited: asyncio.Future[T]) -> T:
        either: set[asyncio.Future[Any]] = {awaited, self._running}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if awaited.done():
            return awaited.result()
        self._raise_why_over()
        raise InfrastructureError("the run could not go on: it was stopped")

    def _raise_why_over(self) -> None:
        if error := self._running.exception():
            raise InfrastructureError(f"the run could not go on: {error}") from error
