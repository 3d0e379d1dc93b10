"""Attempts under way: in a keeper of their own, or simulated in the node's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from pulseq.execution.attempt_result import from_message, measured_metrics, without_body
from pulseq.execution.launchers import KeeperProcess, LauncherError, LauncherProcess
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.keeper import GRACE_SECONDS
from pulseq.execution.runtime.process_tree import alive, descendants
from pulseq.models import AttemptOrder, AttemptResult, Reason, SimulateBody, Status
from pulseq.processes.handle import ProcessHandle
from pulseq.processes.message_line import LineClosedError, MessageLine
from pulseq.processes.stopped_watch import StoppedWatch

#: What a keeper may take beyond timeout and grace before it counts as gone itself.
KEEPER_SECONDS = 10.0
#: What a launcher may take to have a keeper forked that has read its order.
BEGIN_SECONDS = 60.0
#: What a keeper may take to remove the body's temporary directory before its slot is free.
REMOVAL_SECONDS = 1.0

logger = logging.getLogger("pulseq.node")
_SIMULATED_REASONS = {Status.FAILED: Reason.ASSERTION, Status.ERROR: Reason.EXCEPTION, Status.SKIPPED: Reason.SKIP}


class RunningAttempt(ABC):
    """One attempt that was started; it goes on whether or not somebody waits for it."""

    def __init__(self, order: AttemptOrder, node_id: str) -> None:
        self.order = order
        self._node_id = node_id
        self._stopped: Reason | None = None
        self._began = time.monotonic()
        #: The directory with what the body left as artifacts; None where there is nothing.
        self.left: str | None = None
        self._task = asyncio.create_task(self._carry_out_safely())

    def when_done(self, call: Callable[[RunningAttempt], object]) -> None:
        """Have `call` called with this attempt once it has its result."""
        self._task.add_done_callback(lambda _: call(self))

    def stop(self, reason: Reason) -> None:
        """End the body, if it has not ended; the first reason given becomes that of the result."""
        if self._stopped is None and not self._task.done():
            self._stopped = reason
            self._end()

    async def result(self) -> AttemptResult:
        """What the attempt came to; never raises for what a body does. Cancelling this does not stop the body."""
        return await asyncio.shield(self._task)

    @abstractmethod
    async def _carry_out(self) -> AttemptResult: ...

    @abstractmethod
    def _end(self) -> None:
        """Make `_carry_out` come to its end soon."""

    async def _carry_out_safely(self) -> AttemptResult:
        try:
            return await self._carry_out()
        except Exception:  # noqa: BLE001 - P1: every attempt has a result
            return self._nothing(Reason.INTERNAL, traceback.format_exc())

    def _nothing(self, reason: Reason, error: str) -> AttemptResult:
        return without_body(self.order, self._node_id, reason, error, time.monotonic() - self._began)

    def _stopped_now(self) -> AttemptResult | None:
        """The result of one that was stopped before its body was asked for."""
        return None if self._stopped is None else self._stopped_result(self._stopped)

    def _stopped_result(self, reason: Reason) -> AttemptResult:
        return self._nothing(reason, f"{reason}: it was ended before it was done")


class SimulatedAttempt(RunningAttempt):
    """A stand-in for a body: it takes its time in the node's loop and comes to what it was told to."""

    def __init__(self, order: AttemptOrder, node_id: str, body: SimulateBody) -> None:
        self._body = body
        self._ended = asyncio.Event()
        super().__init__(order, node_id)

    async def _carry_out(self) -> AttemptResult:
        started_at = time.time()
        timeout = self.order.timeout_seconds
        in_time = timeout is None or self._body.duration < timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._body.duration if in_time else timeout):
                await self._ended.wait()
        status, reason, error = self._judge(in_time)
        duration = time.monotonic() - self._began
        return AttemptResult(
            test_id=self.order.test.id,
            variant=self.order.test.variant,
            attempt=self.order.attempt,
            node_id=self._node_id,
            status=status,
            reason=reason,
            started_at=started_at,
            duration=duration,
            error=error,
            metrics=measured_metrics(duration=duration),
            simulated=True,
        )

    def _judge(self, in_time: bool) -> tuple[Status, Reason | None, str | None]:
        if self._stopped is not None:
            return Status.ERROR, self._stopped, f"{self._stopped}: it was ended before it was done"
        if not in_time:
            error = f"timeout: still running after {self.order.timeout_seconds:g} s, so it was ended"
            return Status.ERROR, Reason.TIMEOUT, error
        outcome = self._body.outcome
        if outcome is Status.PASSED:
            return outcome, None, None
        return outcome, _SIMULATED_REASONS[outcome], f"simulated: {outcome}"

    def _end(self) -> None:
        self._ended.set()


class KeptAttempt(RunningAttempt):
    """A body in a process tree of its own, kept by a keeper at the other end of a line."""

    def __init__(
        self,
        order: AttemptOrder,
        node_id: str,
        message: wire.Message,
        launcher: Callable[[], Awaitable[LauncherProcess]],
    ) -> None:
        self._message = message
        self._launcher = launcher
        self._keeper: KeeperProcess | None = None
        #: Whether the keeper has read its order.
        self._is_kept = False
        self._watchdog: asyncio.TimerHandle | None = None
        self._kept_since = 0.0
        self._stops: StoppedWatch | None = None
        #: Why the keeper was killed from here, and whether its body was overdue then, and there.
        self._deaf: str | None = None
        self._overran = False
        super().__init__(order, node_id)

    async def _carry_out(self) -> AttemptResult:
        try:
            try:
                return await self._try_once()
            except (LineClosedError, OSError):
                if self._is_kept or self._stopped is not None:
                    raise
            # The launcher died before the body was started: another one can start it all the same.
            return await self._try_once()
        except wire.WireError as error:
            return self._nothing(Reason.SETUP, f"the test cannot be sent to the process that runs it: {error}")
        except LauncherError as error:
            return self._nothing(Reason.SETUP, str(error))
        except (LineClosedError, OSError) as error:
            return self._without_keeper(error)

    async def _try_once(self) -> AttemptResult:
        launcher = await self._launcher()
        if (stopped := self._stopped_now()) is not None:
            return stopped
        if (idle := launcher.take_idle()) is not None:
            try:
                return await self._converse(idle, launcher)
            except (LineClosedError, OSError):
                if self._is_kept or self._stopped is not None:
                    raise
            # It died before the body was started, as an idle one may.
        here, there = socket.socketpair()
        keeper = KeeperProcess(MessageLine(here))
        try:
            with there:
                await launcher.place(self.order.test.body.kind, there)
            if (stopped := self._stopped_now()) is not None:
                keeper.close()
                return stopped
            return await self._converse(keeper, launcher)
        except (LineClosedError, OSError):
            keeper.close()
            if not self._is_kept:
                launcher.condemn()
            raise

    async def _converse(self, keeper: KeeperProcess, launcher: LauncherProcess) -> AttemptResult:
        """Give the order and take what the keeper says until its result."""
        self._keeper = keeper
        is_free = False
        self._await_keeper()
        if keeper.process is not None:
            self._stops = StoppedWatch(keeper.process, self._note_idle_stop)
        try:
            await keeper.line.send(self._message)
            result, is_free = await self._listen(keeper)
        finally:
            self._unwatch()
            self._keeper = None
            if is_free and self._stopped is None and self._is_kept:
                launcher.give_back(keeper)
            else:
                keeper.close()
        return result

    async def _listen(self, keeper: KeeperProcess) -> tuple[AttemptResult, bool]:
        """The result, and whether the keeper can have another body after it."""
        while messages := await keeper.line.receive():
            for position, message in enumerate(messages):
                if message["op"] == "result":
                    result = from_message(self.order, self._node_id, message)
                    self.left = message.get("left")
                    return result, await self._wait_until_clear(keeper, messages[position + 1 :])
                self._watch_keeper(keeper, message["pid"])
        raise LineClosedError(
            "the process that kept the test was killed" if self._is_kept else "no process was there to keep it"
        )

    async def _wait_until_clear(self, keeper: KeeperProcess, messages: list[wire.Message]) -> bool:
        """Until the body's directory is as new, or gone with the keeper, which then has ended (False)."""
        with contextlib.suppress(TimeoutError, wire.WireError):
            async with asyncio.timeout(REMOVAL_SECONDS):
                messages = messages or await keeper.line.receive()
        return bool(messages) and messages[0]["op"] == "clear"

    def _end(self) -> None:
        if self._keeper is None:
            return
        self._expect_end(0.0)
        try:
            self._keeper.line.send_at_once({"op": "stop", "reason": str(self._stopped)})
        except BlockingIOError:
            self._keeper.line.break_off()
        except OSError:
            # The keeper is gone already; whoever listens will see it.
            return

    def _await_keeper(self) -> None:
        """Give up on a launcher that has no keeper to begin with this."""
        assert self._keeper is not None
        self._watchdog = asyncio.get_running_loop().call_later(BEGIN_SECONDS, self._keeper.line.break_off)

    def _watch_keeper(self, keeper: KeeperProcess, pid: int) -> None:
        self._unwatch()
        self._is_kept, self._kept_since = True, time.monotonic()
        if keeper.process is None:
            with contextlib.suppress(ProcessLookupError):  # it has been killed by now, which ends its line
                keeper.process = ProcessHandle(pid)
        if keeper.process is not None:
            # Not continued: what it measures and times would be wrong by then.
            self._stops = StoppedWatch(keeper.process, self._note_stop, continuations=0)
        if self._stopped is not None:
            self._expect_end(0.0)
        elif self.order.timeout_seconds is not None:
            self._expect_end(self.order.timeout_seconds)

    def _note_idle_stop(self, number: int) -> None:
        logger.warning(
            "a process that waited for its next test had been stopped and got %s", signal.Signals(number).name
        )

    def _note_stop(self, _number: int) -> None:
        self._give_keeper_up("was stopped (SIGSTOP), and nobody continued it")

    def _give_keeper_up(self, why: str) -> None:
        timeout = self.order.timeout_seconds
        overdue = timeout is not None and time.monotonic() - self._kept_since >= timeout
        self._deaf = why
        process = None if self._keeper is None else self._keeper.process
        self._overran = overdue and process is not None and bool(alive(descendants(process.pid)))

    def _unwatch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._stops is not None:
            self._stops.close()

    def _expect_end(self, seconds: float) -> None:
        """Expect a result `seconds` from now, and give up on the keeper a while after."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        longest = seconds + GRACE_SECONDS + KEEPER_SECONDS
        self._watchdog = asyncio.get_running_loop().call_later(longest, self._abandon)

    def _abandon(self) -> None:
        """The keeper itself does not answer: the launcher ends what it kept."""
        if self._keeper is None:
            return
        if self._keeper.process is not None and self._is_kept:
            self._give_keeper_up(f"did not answer for {GRACE_SECONDS + KEEPER_SECONDS:g} s")
            self._keeper.process.signal(signal.SIGKILL)
        self._keeper.line.break_off()

    def _without_keeper(self, error: Exception) -> AttemptResult:
        if self._overran:
            return self._stopped_result(self._stopped or Reason.TIMEOUT)
        if self._deaf is not None and self._stopped in (None, Reason.TIMEOUT):
            # The body has ended, and nobody knows how; or it was in time.
            text = f"the process that kept the test {self._deaf}, so it was killed with the test"
            return self._nothing(Reason.INTERNAL, text)
        if not self._is_kept and self._stopped is Reason.TIMEOUT:
            return self._nothing(Reason.INTERNAL, f"the node did not come to start the test: {error}")
        if self._stopped is not None:
            return self._stopped_result(self._stopped)
        if self._is_kept:
            return self._nothing(Reason.CRASH, str(error))
        return self._nothing(Reason.INTERNAL, f"the node could not start the test: {error}")
