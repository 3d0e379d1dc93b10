"""Keeps one body: starts it, watches it, ends its whole tree, and tells the node what it came to.

A keeper is a process of its own, forked by the launcher. It is a subreaper, so nothing that
the body starts gets away from it, and every wait of it is bounded. The end of its line to the
node means that nobody waits for the body any more.

One whose body has left nothing behind keeps the next one of its slot: to fork, to set up and to
end a keeper takes longer than a short command.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import socket
import time
import traceback
from typing import Any, Dict, List, Optional, Tuple

from . import blotting
from .body_ending import Ending, SetupError, decide, outcome
from .body_environment import PrivateDirectory, body_environment
from .metric import parse_metrics
from .output import HeadTail
from .process_tree import (
    ChildSignal,
    Ended,
    Usage,
    alive,
    become_subreaper,
    continue_when_orphaned,
    descendants,
    kill_descendants,
    reap,
)
from .wire import Message, MessageBuffer, send

#: Kind of body → the module that starts it.
BODY_MODULES = {"command": "body_command", "call": "body_call", "http": "body_http"}

ORDER_SECONDS = 30.0
#: A node that is frozen may yet go on, and then wants its results.
ANSWER_SECONDS = 600.0
#: After so many a keeper ends: whatever little each of them leaves in it does not add up.
MOST_BODIES = 500
GRACE_SECONDS = 1.0
LEFTOVER_GRACE_SECONDS = 0.2
SETTLE_SECONDS = 0.03
DRAIN_SECONDS = 0.3
LINGER_SECONDS = 1.0
_CHUNK = 64 * 1024
_CHUNKS_AT_ONCE = 16


def keep(line: socket.socket, base: Dict[str, str]) -> None:
    """Take the orders that come over `line`, one after the other; carry each out, and answer with its result.

    Args:
        line: to the node.
        base: the environment that bodies get theirs from.
    """
    os.setsid()
    continue_when_orphaned()
    become_subreaper()
    keeper = Keeper(line, base)
    try:
        while keeper.serve_one():
            send(line, {"op": "clear"})
    except OSError:
        # The node is gone, and with it whoever could use a result.
        return
    finally:
        keeper.close()


class Keeper:
    """Keeps one body after the other."""

    def __init__(self, line: socket.socket, base: Dict[str, str]) -> None:
        self._line = line
        self._base = base
        self._buffer = MessageBuffer()
        self._ends: Optional[ChildSignal] = None
        self._private: Optional[PrivateDirectory] = None
        self._bodies = 0

    def serve_one(self) -> bool:
        """Serve one order; True where this process is as good as new after it."""
        self._line.settimeout(ORDER_SECONDS)
        order, later = _receive_order(self._line, self._buffer)
        if order is None or order.get("op") == "stop":
            # The node went away, or stopped a body that had ended by itself.
            return False
        if self._ends is None:
            self._ends = ChildSignal()
        blotting.use(order["secrets"])
        body = KeptBody(order, self._line, self._buffer, self._ends, later)
        result, is_sound = self._carry_out(body, order)
        self._bodies += 1
        self._line.settimeout(ANSWER_SECONDS)
        send(self._line, blotting.blot_result(result))
        if self._private is not None and not self._private.is_as_new():
            self.close()
        return is_sound and self._bodies < MOST_BODIES

    def _carry_out(self, body: "KeptBody", order: Message) -> Tuple[Message, bool]:
        try:
            send(self._line, {"op": "started", "pid": os.getpid()})
            if self._private is None:
                self._private = PrivateDirectory(order["temp_root"])
            result = body.run(self._private, body_environment(order, self._private, self._base))
            return result, not body.has_survivors
        except OSError as error:
            result = body.report(outcome("error", "internal", f"the node could not carry out the test: {error}"))
        except Exception:  # noqa: BLE001 - the node is told, whatever it was
            result = body.report(outcome("error", "internal", traceback.format_exc()))
        finally:
            kill_descendants(0)
            body.close()
        return result, False

    def close(self) -> None:
        """Remove the directory of the bodies."""
        private, self._private = self._private, None
        if private is not None:
            private.remove()


def _receive_order(line: socket.socket, buffer: MessageBuffer) -> Tuple[Optional[Message], List[Message]]:
    """The first message that comes, None when the node went away instead; and what came with it."""
    while True:
        try:
            data = line.recv(_CHUNK)
        except OSError:
            return None, []
        messages = buffer.feed(data)
        if messages or not data:
            return (messages[0] if messages else None), messages[1:]


class KeptBody:
    """One body under watch; `stops` came together with its order, and then it is not even started."""

    def __init__(
        self, order: Message, line: socket.socket, buffer: MessageBuffer, ends: ChildSignal, stops: List[Message]
    ) -> None:
        self.has_survivors = False
        self._order = order
        self._line = line
        self._ends = ends
        self._buffer = buffer
        self._output = HeadTail(blotter=blotting.current())
        self._usage = Usage(memory_limited=order["memory_limit"] is not None)
        self._ending = Ending(
            own_verdict=order["kind"] != "command",
            timeout=order["timeout"],
            memory_limit=order["memory_limit"],
            output_limit=order["output_limit"],
        )
        if stops:
            self._ending.cause = stops[0]["reason"]
        self._verdict_buffer = MessageBuffer()
        self._verdict_at: Optional[float] = None
        self._nobody_waits = False
        self._body = 0
        self._started_at = time.time()
        self._started = time.monotonic()
        self._duration = 0.0
        self._leaked = 0
        #: The directory with what it left as artifacts.
        self._left: Optional[str] = None
        self._warnings: List[str] = []
        self._fds = select.poll()
        self._output_fd = -1
        self._verdict_fd = -1

    def run(self, private: PrivateDirectory, environment: Dict[str, str]) -> Message:
        """Start the body, watch it to its end, leave nothing of it behind; the result."""
        if self._ending.cause is not None:
            return self.report(decide(self._ending))
        try:
            self._start(environment)
        except SetupError as error:
            return self.report(outcome("error", "setup", str(error)))
        self._watch()
        self._clear_away()
        metrics: Dict[str, float] = {}
        if reported := private.read_metrics():
            metrics, problems = parse_metrics(blotting.blot(reported))
            self._warnings.extend(problems)
        self._hand_over(private)
        self._ending.peak_rss = self._usage.peak_rss
        self._ending.output = self._output.text()
        return self.report(decide(self._ending), metrics)

    def report(self, verdict: Dict[str, Any], metrics: Optional[Dict[str, float]] = None) -> Message:
        """The result as it travels."""
        status = self._ending.status
        return {
            "op": "result",
            "status": verdict["status"],
            "reason": verdict["reason"],
            "error": verdict["error"],
            "response_time": verdict.get("response_time"),
            "warnings": [*verdict.get("warnings", ()), *self._warnings],
            "started_at": self._started_at,
            "duration": self._duration,
            "cpu_seconds": self._usage.cpu_seconds,
            "peak_rss": self._usage.most_rss,
            "exit_code": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
            "output": self._output.text(),
            "output_bytes": self._output.total_bytes,
            "metrics": metrics or {},
            "leaked": self._leaked,
            "left": self._left,
        }

    def _hand_over(self, private: PrivateDirectory) -> None:
        try:
            self._left = private.hand_over()
        except OSError as error:
            self._warnings.append(f"its artifacts could not be kept: {error}")

    def close(self) -> None:
        """Close what is open of the body: its output, where a process that could not be killed has it."""
        for descriptor in (self._output_fd, self._verdict_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._output_fd = self._verdict_fd = -1

    def _start(self, environment: Dict[str, str]) -> None:
        module = importlib.import_module("." + BODY_MODULES[self._order["kind"]], __package__)
        self._output_fd, write_fd = os.pipe()
        os.set_blocking(self._output_fd, False)
        self._started_at, self._started = time.time(), time.monotonic()
        try:
            self._body, verdict_fd = module.start(self._order, environment, write_fd)
        finally:
            os.close(write_fd)
        self._usage.begin(self._body)
        self._line.setblocking(False)
        for descriptor in (self._output_fd, self._ends.fd, self._line.fileno()):
            self._fds.register(descriptor, select.POLLIN)
        if verdict_fd is not None:
            self._verdict_fd = verdict_fd
            self._fds.register(verdict_fd, select.POLLIN)

    def _watch(self) -> None:
        """Until the body has ended, or has to be."""
        reap(self._note)
        while self._ending.status is None and self._ending.cause is None and not self._lingers():
            now = time.monotonic()
            self._ending.cause = self._overdue(now) or self._over_limits(now)
            self._pump(self._next_look(now) - now)
        self._duration = self._duration or time.monotonic() - self._started

    def _overdue(self, now: float) -> Optional[str]:
        timeout = self._order["timeout"]
        return (
            "timeout" if timeout is not None and self._verdict_at is None and now - self._started >= timeout else None
        )

    def _over_limits(self, now: float) -> Optional[str]:
        self._usage.look(now)
        if self._order["memory_limit"] is not None and self._usage.peak_rss > self._order["memory_limit"]:
            return "memory"
        limit = self._order["output_limit"]
        return "output_limit" if limit is not None and self._output.total_bytes > limit else None

    def _next_look(self, now: float) -> float:
        if self._ending.cause is not None:
            return now
        moments = [self._usage.next_look]
        if self._order["timeout"] is not None:
            moments.append(self._started + self._order["timeout"])
        if self._verdict_at is not None:
            moments.append(self._verdict_at + LINGER_SECONDS)
        return max(now, min(moments))

    def _lingers(self) -> bool:
        """Whether the body has told its verdict, but its process does not end."""
        if self._verdict_at is None or time.monotonic() - self._verdict_at < LINGER_SECONDS:
            return False
        self._warnings.append(f"its process had not ended {LINGER_SECONDS:g} s after its verdict, so it was killed")
        return True

    def _clear_away(self) -> None:
        """End whatever is left of the body's tree, and take the last of its output."""
        ended_by_itself = self._ending.status is not None and self._ending.cause is None
        if reap(self._note):
            self._end_tree(ended_by_itself)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._output_fd >= 0 and time.monotonic() < deadline:
            self._pump(deadline - time.monotonic())
        if self._verdict_fd >= 0:
            self._read_verdict()

    def _end_tree(self, ended_by_itself: bool) -> None:
        if ended_by_itself:
            # What ends together with the body, such as the parts of a pipeline, was not left behind.
            deadline = time.monotonic() + SETTLE_SECONDS
            while reap(self._note) and time.monotonic() < deadline:
                self._pump(SETTLE_SECONDS)
            self._leaked = len(alive(descendants()))
        grace = LEFTOVER_GRACE_SECONDS if ended_by_itself else GRACE_SECONDS
        result = kill_descendants(
            0 if self._nobody_waits else grace, meanwhile=lambda: self._pump(0.01), record=self._note
        )
        if not ended_by_itself:
            self._leaked = len(result.killed - {self._body})
        self.has_survivors = bool(result.survivors)
        if result.survivors:
            self._warnings.append(f"{len(result.survivors)} processes could not be killed")

    def _note(self, ended: Ended) -> None:
        self._usage.add(ended, is_body=ended.pid == self._body)
        if ended.pid == self._body:
            self._ending.status = ended.status
            self._duration = self._duration or time.monotonic() - self._started

    def _pump(self, seconds: float) -> None:
        """Wait for something to happen, `seconds` at most, and take it in."""
        for descriptor, _ in self._fds.poll(max(0.0, seconds) * 1000):
            if descriptor == self._output_fd:
                self._read_output()
            elif descriptor == self._verdict_fd:
                self._read_verdict()
            elif descriptor == self._ends.fd:
                self._ends.clear()
                reap(self._note)
            else:
                self._read_line()

    def _read_output(self) -> None:
        for _ in range(_CHUNKS_AT_ONCE):
            try:
                data = os.read(self._output_fd, _CHUNK)
            except BlockingIOError:
                return
            self._output.feed(data)
            if not data:
                self._fds.unregister(self._output_fd)
                os.close(self._output_fd)
                self._output_fd = -1
                return

    def _read_verdict(self) -> None:
        os.set_blocking(self._verdict_fd, False)
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._verdict_fd, _CHUNK)
        messages = self._verdict_buffer.feed(data)
        if messages and self._ending.verdict is None:
            self._ending.verdict = messages[0]
            self._verdict_at = time.monotonic()
            self._duration = self._duration or self._verdict_at - self._started
        if not data:
            self._fds.unregister(self._verdict_fd)
            os.close(self._verdict_fd)
            self._verdict_fd = -1

    def _read_line(self) -> None:
        """A message from the node, which can only be a stop, or its end."""
        try:
            data = self._line.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        reasons = [message["reason"] for message in self._buffer.feed(data)]
        if not data:
            self._nobody_waits = True
            self._fds.unregister(self._line.fileno())
            reasons.append("cancelled")
        if reasons and self._ending.cause is None and self._ending.status is None:
            self._ending.cause = reasons[0]
