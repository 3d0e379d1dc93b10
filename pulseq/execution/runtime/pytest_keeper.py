"""Watches over the runner of one slot: forks it, times it, ends it, and forks it anew.

A keeper is itself a fork of the zygote that never ran a test, so a runner it forks
starts from the collected suite in a millisecond.

From the node: `run` (items, final), `stop` (reason), `finish` (seconds). To the node, in
order: `start`, `done` for every item, `late`, `stopped`, `closed`.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import select
import signal
import socket
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from . import process_tree, wire
from .body_environment import PrivateDirectory
from .output import HeadTail
from .pytest_fork import RunnerLink, read_captured
from .verdict import Ending, decide

GRACE_SECONDS = 0.5
#: Time for a hung Python to write where it hangs.
_DUMP_SECONDS = 0.3
#: How long the verdicts of quick tests may wait for each other; each waking up costs more than a test.
_GATHER_SECONDS = 0.01
#: How long a session may take to end that a test broke, by pytest.exit for example.
_BREAK_SECONDS = 30.0
_KEPT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READ_BYTES = 256 * 1024


@dataclass
class Running:
    """What runs now: an item by its number, or None for the teardown of wider fixtures."""

    number: int | None
    since: float
    started_at: float
    cpu_before: float


class RunnerProcess:
    """The keeper's end of a runner."""

    def __init__(self, pid: int, sock: socket.socket, output_fd: int, captured: tuple[int, int], private: PrivateDirectory):
        self.pid = pid
        self.sock = sock
        self.output_fd = output_fd
        self.captured = captured
        self.private = private
        self.buffer = wire.MessageBuffer()
        self.ended: process_tree.Ended | None = None

    def close(self) -> None:
        self.sock.close()
        for fd in (self.output_fd, *self.captured):
            os.close(fd)
        self.private.remove()


class Keeper:
    """The loop of one keeper; `serve` returns in the runners alone."""

    def __init__(self, node: socket.socket, request: dict[str, Any]) -> None:
        self._node = node
        self._worker = str(request["worker"])
        self._temp = str(request["temp"])
        self._node_buffer = wire.MessageBuffer()
        self._outbox = bytearray()
        self._pending: dict[int, list[Any]] = {}
        self._timeouts: dict[int, float | None] = {}
        self._final = False
        self._assigned = False
        self._runner: RunnerProcess | None = None
        self._running: Running | None = None
        self._timeout: float | None = None
        self._give_up_at: float | None = None
        self._quiet_until = 0.0
        self._fruitless = 0
        self._closing = False
        self._raw = HeadTail()

    def serve(self) -> RunnerLink:
        """Look after runner upon runner. The node's end of the line is the end of the keeper."""
        os.setsid()
        process_tree.become_subreaper()
        self._signals = {number: signal.getsignal(number) for number in (*_KEPT_SIGNALS, signal.SIGCHLD)}
        for number in _KEPT_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._child_signal = process_tree.ChildSignal()
        while True:
            if self._pending and self._runner is None:
                link = self._fork_runner()
                if link is not None:
                    return link
            self._assign()
            self._flush()
            self._wait()

    def _fork_runner(self) -> RunnerLink | None:
        """Fork a runner; None here, in the keeper, and its link in the runner."""
        from .pytest_zygote import die_with_parent, fork

        private = PrivateDirectory(self._temp)
        sock, theirs = socket.socketpair()
        output_fd, output_write_fd = os.pipe()
        files = [tempfile.TemporaryFile(buffering=0, dir=private.path) for _ in range(2)]
        captured = (os.dup(files[0].fileno()), os.dup(files[1].fileno()))
        for file in files:
            file.close()
        self._flush()
        pid = fork()
        if pid == 0:
            die_with_parent()
            self._leave_keeper(sock, output_fd)
            return RunnerLink(theirs, output_write_fd, captured, private, self._worker)
        theirs.close()
        os.close(output_write_fd)
        os.set_blocking(output_fd, False)
        self._runner = RunnerProcess(pid, sock, output_fd, captured, private)
        self._assigned = False
        self._raw = HeadTail()
        return None

    def _leave_keeper(self, sock: socket.socket, output_fd: int) -> None:
        """In the runner: let go of all that is the keeper's."""
        os.setpgid(0, 0)
        self._node.close()
        sock.close()
        os.close(output_fd)
        self._child_signal.close()
        for number, handler in self._signals.items():
            if handler is not None:
                signal.signal(number, handler)

    def _assign(self) -> None:
        if self._runner is None or self._assigned or not self._pending:
            return
        self._assigned = True
        self._to_runner({"op": "run", "items": list(self._pending.values()), "final": self._final})

    def _to_runner(self, message: dict[str, Any]) -> None:
        try:
            assert self._runner is not None
            wire.send(self._runner.sock, message)
        except OSError:
            # It has ended; the signal of its end tells the rest.
            return

    def _to_node(self, message: dict[str, Any]) -> None:
        self._outbox += wire.encode(message)

    def _flush(self) -> None:
        if self._outbox:
            data, self._outbox = bytes(self._outbox), bytearray()
            try:
                self._node.sendall(data)
            except OSError:
                self._die()

    def _wait(self) -> None:
        """Wait for the next thing to happen, and see to it."""
        now = time.monotonic()
        gathering = now < self._quiet_until
        poll = select.poll()
        poll.register(self._node.fileno(), select.POLLIN)
        poll.register(self._child_signal.fd, select.POLLIN)
        if self._runner is not None:
            poll.register(self._runner.output_fd, select.POLLIN)
            if not gathering:
                poll.register(self._runner.sock.fileno(), select.POLLIN)
        moments = [at for at in (self._deadline(), self._quiet_until if gathering else None) if at is not None]
        timeout = max(0.0, min(moments) - now) * 1000 if moments else None
        ready = {fd for fd, _ in poll.poll(timeout if timeout is None else timeout + 1)}
        self._see_to(ready)

    def _see_to(self, ready: set[int]) -> None:
        runner = self._runner
        if runner is not None and ready & {runner.output_fd, runner.sock.fileno()}:
            self._read_runner(runner)
        if self._child_signal.fd in ready:
            self._child_signal.clear()
            process_tree.reap(self._note_end)
        if runner is not None and runner.ended is not None:
            self._after_runner()
        elif self._overdue():
            self._end_runner("timeout")
        if self._node.fileno() in ready:
            self._hear_node()

    def _deadline(self) -> float | None:
        running = self._running
        until = running.since + self._timeout if running is not None and self._timeout is not None else None
        moments = [at for at in (until, self._give_up_at) if at is not None]
        return min(moments) if moments else None

    def _overdue(self) -> bool:
        deadline = self._deadline()
        if self._runner is None or deadline is None or time.monotonic() < deadline:
            return False
        # It may just have made it: what it said until now counts.
        self._read_runner(self._runner)
        deadline = self._deadline()
        return deadline is not None and time.monotonic() >= deadline

    def _note_end(self, ended: process_tree.Ended) -> None:
        if self._runner is not None and ended.pid == self._runner.pid:
            self._runner.ended = ended

    def _read_runner(self, runner: RunnerProcess) -> None:
        """Take in all that the runner has written and said; output comes first, as it did there."""
        said: list[dict[str, Any]] = []
        while True:
            try:
                data = runner.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except OSError:
                break
            if not data:
                break
            said += runner.buffer.feed(data)
        self._read_output(runner)
        for message in said:
            self._hear_runner(message)
        if said:
            self._quiet_until = time.monotonic() + _GATHER_SECONDS

    def _read_output(self, runner: RunnerProcess) -> None:
        for _ in range(64):
            try:
                data = os.read(runner.output_fd, _READ_BYTES)
            except OSError:
                return
            if not data:
                return
            self._raw.feed(data)

    def _hear_runner(self, message: dict[str, Any]) -> None:
        if message["op"] == "done":
            number = message["i"]
            del self._pending[number]
            self._running = None
            if message.pop("waits", False):
                message["output"] = "\n".join(text for text in (message["output"], self._raw.text()) if text)
                message["output_bytes"] += self._raw.total_bytes
                self._to_runner({"op": "go"})
            if message.pop("broken", False):
                self._give_up_at = time.monotonic() + _BREAK_SECONDS
            self._to_node(message)
        elif message["op"] == "late":
            self._running = None
            if message["error"] is not None:
                self._to_node(message)
        if message.get("next") is not None:
            self._begin(Running(*message["next"]), announced=message["op"] == "done")

    def _begin(self, running: Running, *, announced: bool) -> None:
        self._running = running
        self._raw = HeadTail()
        if running.number is not None:
            self._fruitless = 0
            self._timeout = self._timeouts[running.number]
            if not announced:
                self._to_node({"op": "start", "next": [running.number]})

    def _hear_node(self) -> None:
        try:
            data = self._node.recv(_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._die()
        for message in self._node_buffer.feed(data):
            if message["op"] == "run":
                self._pending = {entry[0]: entry[:4] for entry in message["items"]}
                self._timeouts = {entry[0]: entry[4] for entry in message["items"]}
                self._final = message["final"]
                self._assigned = False
            elif message["op"] == "stop":
                self._stop(message["reason"])
            elif message["op"] == "finish":
                self._finish(message["seconds"])

    def _stop(self, reason: str) -> None:
        if self._pending:
            left = [number for number in self._pending if self._running is None or number != self._running.number]
            if self._runner is not None:
                self._end_runner(reason)
            self._pending.clear()
            self._to_node({"op": "stopped", "left": left})

    def _finish(self, seconds: float) -> None:
        self._closing = True
        if self._runner is None:
            self._leave(0, "")
        self._give_up_at = time.monotonic() + seconds
        self._to_runner({"op": "finish"})

    def _end_runner(self, cause: str) -> None:
        """End the runner and all below it, and blame what it was running."""
        runner = self._runner
        assert runner is not None
        leaked = len(process_tree.alive(process_tree.descendants())) - 1
        if cause == "timeout" and faulthandler.is_enabled():
            self._ask_where_it_is(runner)
        self._kill_tree(runner)
        self._after_runner(cause, max(leaked, 0))

    def _ask_where_it_is(self, runner: RunnerProcess) -> None:
        """Have faulthandler, which pytest has enabled, write the stack of a hung runner."""
        resource.prlimit(runner.pid, resource.RLIMIT_CORE, (0, 0))
        process_tree.send_signals([runner.pid], signal.SIGABRT, signal.SIGCONT)
        until = time.monotonic() + _DUMP_SECONDS
        while runner.ended is None and time.monotonic() < until:
            self._read_output(runner)
            process_tree.reap(self._note_end)
            time.sleep(0.005)

    def _kill_tree(self, runner: RunnerProcess) -> None:
        def meanwhile() -> None:
            self._read_output(runner)
            time.sleep(0.005)

        process_tree.kill_descendants(GRACE_SECONDS, meanwhile=meanwhile, record=self._note_end)

    def _after_runner(self, cause: str | None = None, leaked: int | None = None) -> None:
        """The runner is gone: hear its last words, blame what ran, make room for the next."""
        runner = self._runner
        assert runner is not None
        self._read_runner(runner)
        if leaked is None:
            leaked = len(process_tree.alive(process_tree.descendants()))
            self._kill_tree(runner)
        if self._running is not None:
            self._blame(runner, self._running, cause, leaked)
        elif self._pending and not self._closing:
            self._fruitless += 1
        code = -1 if runner.ended is None else os.waitstatus_to_exitcode(runner.ended.status)
        self._runner = self._running = self._give_up_at = None
        runner.close()
        if self._closing:
            self._leave(code, self._raw.text())
        if self._fruitless > 1:
            self._give_up()

    def _blame(self, runner: RunnerProcess, running: Running, cause: str | None, leaked: int) -> None:
        seconds = max(time.monotonic() - running.since, 1e-6)
        output = read_captured(runner.captured)
        output.feed(self._raw.text().encode("utf-8", "replace"))
        status = None if runner.ended is None else runner.ended.status
        text = output.text()
        ending = Ending(cause=cause, status=status, own_verdict=True, timeout=self._timeout, output=text)
        verdict = decide(ending)
        if running.number is None:
            self._to_node({"op": "late", "output": text, **verdict})
            return
        del self._pending[running.number]
        self._to_node(
            {
                "op": "done",
                "i": running.number,
                **verdict,
                "output": text,
                "output_bytes": output.total_bytes,
                "started_at": running.started_at,
                "duration": seconds,
                "response_time": seconds,
                "metrics": {},
                "warnings": [],
                "leaked": leaked,
                **_usage(runner.ended, running, seconds),
            }
        )

    def _give_up(self) -> None:
        """No runner gets as far as a test: say so of each that is left."""
        self._fruitless = 0
        for number in self._pending:
            self._to_node({"op": "hopeless", "i": number})
        self._pending.clear()

    def _leave(self, code: int, output: str) -> None:
        self._to_node({"op": "closed", "exit_code": code, "output": output})
        self._flush()
        os._exit(0)

    def _die(self) -> None:
        process_tree.kill_descendants(0)
        if self._runner is not None:
            self._runner.private.remove()
        os._exit(0)


def _usage(ended: process_tree.Ended | None, running: Running, seconds: float) -> dict[str, Any]:
    if ended is None:
        return {"memory": 0.0, "cpu": 0.0, "exit_code": None, "signal": None}
    cpu = ended.usage.ru_utime + ended.usage.ru_stime - running.cpu_before
    code = os.waitstatus_to_exitcode(ended.status)
    return {
        "memory": ended.usage.ru_maxrss * 1024 / 1e6,
        "cpu": max(0.0, 100 * cpu / seconds),
        "exit_code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
    }
