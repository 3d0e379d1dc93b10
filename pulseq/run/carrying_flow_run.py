"""The flow run that carries a run: it begins when its API is ready, is told of the tests, and ends as they do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from pulseq.errors import InfrastructureError, UsageError
from pulseq.events import PrefectRunKnown, RunNote
from pulseq.orchestration.api_address import say_url
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.flow_run import (
    RETRIES_OF_A_CONFIGURED_API,
    RETRIES_OF_AN_EMBEDDED_SERVER,
    ending_of,
    flow_run_url,
    forget_flow_run,
    load_late,
    patient_start,
    run_as_flow,
    use_api,
    use_configured_api,
    within_flow_run,
    without_patience,
)
from pulseq.orchestration.reconcile import Reconciler
from pulseq.reports.tally import count_verdicts
from pulseq.run.driver import Driver
from pulseq.run.exit_code import say_briefly
from pulseq.run.run_page import RunPage
from pulseq.run.side_by_side import end_all
from pulseq.run.stopping import Stopper

logger = logging.getLogger("pulseq.run")

#: A flow run that has not begun after this long is told of.
START_NOTE_SECONDS = 10.0


class CarryingFlowRun:
    """Has a driver's tests run within a flow run.

    Args:
        server: the run's own, which ends with it; None where there is an API.
        api_url: the API that is there; None where there is a server.
        stopper: says when, and why, the run is to end early.
    """

    def __init__(self, driver: Driver, server: EmbeddedServer | None, api_url: str | None, stopper: Stopper) -> None:
        self._driver = driver
        self._options = driver.options
        self._log = driver.log
        self._server = server
        self._api_url = api_url or (server.api_url if server else "")
        self._stopper = stopper
        self._flow_error: Exception | None = None
        self._flow_run_id = ""
        self._testing: asyncio.Task[None] | None = None
        #: What holds until the flow run has ended.
        self._ending = contextlib.ExitStack()
        self._is_ready = False

    def speaking(self) -> contextlib.AbstractContextManager[None]:
        """Have Prefect speak to the server or the API, within the context."""
        server = self._server
        if server is None and self._options.api_url is None:
            return use_configured_api(auth=self._options.api_auth)
        own = server is not None
        auth = server.auth if server is not None else self._options.api_auth
        retries = RETRIES_OF_AN_EMBEDDED_SERVER if own else RETRIES_OF_A_CONFIGURED_API
        return use_api(self._api_url, auth=auth, retries=retries, same_release=own, heartbeats=self._is_looked_at)

    @property
    def _is_looked_at(self) -> bool:
        # The lean server of a single run ends with it: nobody would read its pages.
        return self._options.with_page and self._server is None

    async def run(self) -> None:
        """The flow run: everything between its start and its end is dispatching.

        With a server of this run's own, tests do not wait for it: what they come to is told when it is ready.
        """
        if self._server is None:
            await self._run_flow()
            return
        self._testing = testing = asyncio.create_task(self._driver.test(server_follows=True))
        telling = asyncio.create_task(self._tell_when_ready(self._server))
        stopped = asyncio.create_task(self._stopper.stopped.wait())
        try:
            watched: set[asyncio.Task[Any]] = {testing, telling, stopped}
            while not telling.done():
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if testing in done and not self._flow_run_id:
                    testing.result()  # what has ended the tests ends the run
                if stopped.done() and not self._is_ready:
                    break  # nobody is to wait for a server now, which would end with this run
            else:
                telling.result()
            await testing
        finally:
            await end_all({testing, telling, stopped})

    async def _tell_when_ready(self, server: EmbeddedServer) -> None:
        """Have a server know the run; where it does not get ready, tests go on, and end as they end."""
        try:
            with patient_start() as begun:
                await asyncio.to_thread(load_late)
                await server.ready()
                self._is_ready = True
                await self._run_flow(begun)
        except InfrastructureError as error:
            if self._flow_error is not None:
                raise
            self._log.emit(RunNote(f"Prefect has not been told of this run: {say_briefly(error)}"))

    async def _run_flow(self, begun: Callable[[], None] | None = None) -> None:
        name = f"suite-{self._driver.suite.name}-{self._options.run_id}"
        within = within_flow_run()
        waits = RunNote(f"waiting for the Prefect API at {say_url(self._api_url)!r} to take the flow run: it is busy")
        self._waiting = self._driver.background.later(START_NOTE_SECONDS, self._log.emit, waits)
        try:
            suite, run_id = self._driver.suite.name, self._options.run_id
            await run_as_flow(self._in_flow, name=name, suite=suite, run_id=run_id, begun=begun)
        except Exception as error:
            # Prefect's trouble is none of the tests': once verdicts are there, it is a note.
            if (self._driver.ledger.open or not self._flow_run_id) and self._flow_error is None:
                raise InfrastructureError(
                    f"the Prefect API at {say_url(self._api_url)!r} cannot start a flow run: {error}"
                ) from error
            logger.debug("the flow run could not be ended", exc_info=True)
            advice = "`pulseq results sync --prefect` finishes it"
            given = any(advice in note for note in self._log.record.notes)
            told_later = "" if given else f": {advice}"
            self._log.emit(RunNote(f"Prefect could not be told the end of this run ({say_briefly(error)}){told_later}"))
        finally:
            self._ending.close()
            self._waiting.cancel()
        if isinstance(self._flow_error, UsageError) and not within:
            # Only a node could see that the input is bad: nothing was run, so nothing is left behind.
            await forget_flow_run(self._flow_run_id)
        if self._flow_error is not None:
            raise self._flow_error

    async def _in_flow(self, flow_run_id: str) -> Any:
        self._waiting.cancel()
        try:
            return await self._dispatch(flow_run_id)
        except Exception as error:
            # Prefect makes a failed state of it and goes on; the run must not.
            self._flow_error = error
            raise

    async def _dispatch(self, flow_run_id: str) -> Any:
        self._stopper.install_signals()
        self._flow_run_id = flow_run_id
        self._log.emit(PrefectRunKnown(flow_run_id, flow_run_url(flow_run_id, self._api_url)))
        delivery = self._driver.dispatcher.delivery
        page = (
            RunPage(self._driver.suite.name, flow_run_id, self._options, self._log, self._driver.ledger, delivery)
            if self._is_looked_at
            else None
        )
        reconciler = Reconciler(
            self._api_url,
            delivery,
            self._options.journal_path,
            passing=self._server is not None,
            stopped=self._stopper.awaited,
            note=lambda text: self._log.emit(RunNote(text)),
        )
        async with reconciler.telling(flow_run_id):
            async with page.kept(self._driver.accepting) if page else contextlib.nullcontext():
                await (self._testing or self._driver.test(server_follows=False))
            await reconciler.settle(flow_run_id, nodes_lost=self._driver.cluster.lost, commit=self._log.commit)
        if reconciler.left:
            self._ending.enter_context(without_patience())
        if page is not None:
            await page.finish(self._driver.code)
        return ending_of(self._driver.code, count_verdicts(self._log.record))
