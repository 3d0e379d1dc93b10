"""Watches over the runner of one slot: starts it, times it, ends it, and starts it anew.

How a runner starts is a `Starter`'s: a keeper that is itself a fork of the zygote, which never ran a test, forks
it from the collected suite in a millisecond; another one starts an interpreter, which collects by itself.

From the node: `warm`, `run` (items, final), `next` (name, more), `give_back` (count), `stop` (reason), `finish`
(seconds).
To the node, in order: `collected` or `refused` of an interpreter, `start`, `next?`, `done` for every item, `late`,
`hopeless`, `given_back`, `stopped`, `closed`.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import socket
import time
from itertools import islice
from typing import Any, Dict, List, Optional, Set

from . import process_tree, wire
from .blotting import blot_result
from .body_environment import PrivateDirectory
from .forking import fork_silently
from .pytest_crashes import MOST_CRASHES, OWN_FAULTS
from .pytest_fork import RunnerLink, Starter
from .pytest_limits import ItemLimits
from .pytest_process import RunnerProcess, Running, nameless_file
from .pytest_slots import runs_again
from .pytest_turns import MOST_TURNS, Turns
from .stopped import StoppedLooks

#: How long the verdicts of quick tests may wait for each other; each waking up costs more than a test.
_GATHER_SECONDS = 0.01
#: How long a session may take to end that a test broke, by pytest.exit or by closing our line.
_BREAK_SECONDS = 30.0
#: How long a runner may look for what an item has left, and copy it.
_COLLECT_SECONDS = 60.0
_KEPT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READ_BYTES = 256 * 1024


class RunnerKeeper:
    """The loop of one keeper; `serve` returns in the runners alone."""

    def __init__(self, node: socket.socket, request: Dict[str, Any], starter: Starter) -> None:
        self._node = node
        node.settimeout(None)
        self._starter = starter
        self._worker = str(request["worker"])
        self._temp = str(request["temp"])
        self._node_id = str(request["node"])
        self._artifacts: Optional[Dict[str, Any]] = request.get("artifacts")
        self._limits = ItemLimits(request["limits"])
        self._node_buffer = wire.MessageBuffer()
        self._outbox = bytearray()
        self._pending: Dict[int, List[Any]] = {}
        self._timeouts: Dict[int, Optional[float]] = {}
        #: Of items that a plug-in has run again: what became of them before.
        self._crashes: Dict[int, List[Dict[str, Any]]] = {}
        self._final = False
        #: How many of the pending items the runner has; they are the first ones.
        self._assigned = 0
        self._runner: Optional[RunnerProcess] = None
        self._running: Optional[Running] = None
        self._timeout: Optional[float] = None
        self._give_up_at: Optional[float] = None
        self._quiet_until = 0.0
        self._fruitless = 0
        #: Whether the runner has collected, and can be given items.
        self._ready = False
        self._told_collection = False
        #: Whether the runner writes where it is when it is told to end at once.
        self._dumps = False
        self._closing = False
        self._warm = False
        #: At a runner that has something to run, and has not begun it: no timeout of a test's would end that.
        self._looks = StoppedLooks()

    def serve(self) -> RunnerLink:
        """Look after runner upon runner. The end of the node's line is the end of the keeper.

        Returns:
            in a runner that is a fork of this process, and nowhere else.
        """
        os.setsid()
        os.environ["PULSEQ_NODE_ID"] = self._node_id
        self._starter.settle()
        process_tree.become_subreaper()
        self._signals = {number: signal.getsignal(number) for number in (*_KEPT_SIGNALS, signal.SIGCHLD)}
        for number in _KEPT_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._child_signal = process_tree.ChildSignal()
        while True:
            if (self._pending or self._warm) and self._runner is None:
                link = self._start_runner()
                if link is not None:
                    return link
            self._assign()
            if not self._holds_back():
                self._flush()
            self._wait()

    def _start_runner(self) -> Optional[RunnerLink]:
        """Start a runner; None here, in the keeper, and its link in a runner that is forked."""
        self._warm = False
        private = PrivateDirectory(self._temp)
        sock, theirs = socket.socketpair()
        for end in (sock, theirs):
            end.settimeout(None)  # the suite may have set a default
        output_fd, output_write_fd = os.pipe()
        captured = (nameless_file(private.path), nameless_file(private.path))
        turns = Turns()
        self._flush()
        link = RunnerLink(
            theirs,
            output_write_fd,
            captured,
            private,
            turns.read_fd,
            self._worker,
            self._starter.directory,
            self._artifacts,
        )
        pid = fork_silently()
        if pid == 0:
            process_tree.die_with_parent()
            self._leave_keeper(sock, output_fd)
            turns.part()
            return self._starter.become_runner(link)
        theirs.close()
        os.close(output_write_fd)
        self._looks.watch(pid)
        self._runner = RunnerProcess(pid, sock, output_fd, captured, private, turns)
        self._ready = self._starter.ready_at_once
        self._dumps = self._ready and faulthandler.is_enabled()
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
        if self._runner is not None and self._ready and self._pending and not self._assigned:
            items = list(islice(self._pending.values(), MOST_TURNS))
            self._assigned = len(items)
            self._runner.turns.deal(len(items))
            final = self._final and len(items) == len(self._pending)
            self._runner.send({"op": "run", "items": items, "final": final})

    def _to_node(self, message: Dict[str, Any]) -> None:
        self._outbox += wire.encode(message)

    def _holds_back(self) -> bool:
        """Whether verdicts wait for those to come, of a runner that goes on only when each was taken."""
        runner = self._runner
        return runner is not None and runner.waits and bool(self._pending) and time.monotonic() < self._quiet_until

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
            if not self._runner.muted:
                poll.register(self._runner.output_fd, select.POLLIN)
            if (self._runner.waits or not gathering) and not self._runner.hung_up:
                poll.register(self._runner.sock.fileno(), select.POLLIN)
        until = self._looks.seconds_left(now) if self._dawdles() else None
        look_at = None if until is None else now + until
        quiet = self._quiet_until if gathering else None
        limits_at = None if self._running is None else self._limits.next_look
        moments = [at for at in (self._deadline(), look_at, limits_at, quiet) if at is not None]
        milliseconds = max(0.0, min(moments) - now) * 1000 + 1 if moments else None
        self._see_to({fd for fd, _ in poll.poll(milliseconds)})

    def _dawdles(self) -> bool:
        """Whether a runner has not begun what it has to run."""
        return self._runner is not None and bool(self._pending) and self._running is None

    def _see_to(self, ready: Set[int]) -> None:
        runner = self._runner
        if self._dawdles():
            for pid, number in self._looks.look(time.monotonic(), (os.getpid(),)):
                process_tree.send_signals([pid], number)
        if self._child_signal.fd in ready:
            self._child_signal.clear()
            process_tree.reap(None if runner is None else runner.note_end)
        if runner is not None:
            if ready & {runner.output_fd, runner.sock.fileno()}:
                self._hear_runner(runner)
            if runner.ended is not None:
                self._after_runner(runner)
            elif self._is_overdue(runner):
                self._end_runner(runner, "crash" if runner.hung_up and not self._closing else "timeout")
            elif self._running is not None and (cause := self._limits.look(runner.written())):
                self._end_runner(runner, cause)
        if self._node.fileno() in ready:
            self._hear_node()

    def _deadline(self) -> Optional[float]:
        running = self._running
        until = running.since + self._timeout if running is not None and self._timeout is not None else None
        moments = [at for at in (until, self._give_up_at) if at is not None]
        return min(moments) if moments else None

    def _is_overdue(self, runner: RunnerProcess) -> bool:
        deadline = self._deadline()
        if deadline is None or time.monotonic() < deadline:
            return False
        # It may just have made it: what it has said until now counts.
        self._hear_runner(runner)
        deadline = self._deadline()
        return deadline is not None and time.monotonic() >= deadline

    def _hear_runner(self, runner: RunnerProcess) -> None:
        for message in runner.receive():
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + _GATHER_SECONDS
            if message["op"] == "start":
                runner.waits = message["waits"]
            elif message["op"] == "done":
                self._take_verdict(runner, message)
            elif message["op"] == "late":
                self._running = None
                if runner.waits:
                    runner.add_raw_to(message)
                if message["left"] is not None or any(message[key] for key in ("error", "output", "pytest_warnings")):
                    self._to_node(message)
            elif message["op"] in ("collected", "refused"):
                self._ready = message["op"] == "collected"
                self._dumps = message.pop("dumps", False)
                self._told_collection = True
                said = runner.take_raw()  # what pytest wrote when it began is no item's
                message["error"] = message.get("error") or said.text() or "pytest ended before it had collected"
                self._to_node(message)
            elif message["op"] == "collects" and self._running is not None:
                # The item has ended: what it has left is being copied, which its timeout does not concern.
                self._running.since, self._timeout = time.monotonic(), _COLLECT_SECONDS
            elif message["op"] == "next?":
                self._to_node(message)
                self._flush()
            if message.get("next") is not None:
                self._begin(Running(*message["next"]), announced=message["op"] == "done")
        if runner.hung_up and self._give_up_at is None:
            self._give_up_at = time.monotonic() + _BREAK_SECONDS

    def _take_verdict(self, runner: RunnerProcess, message: Dict[str, Any]) -> None:
        self._running = None
        del self._pending[message["i"]]
        self._assigned -= 1
        if runner.waits:
            runner.add_raw_to(message)
            runner.send({"op": "go"})
        else:
            runner.settled = True
        self._limits.judge(message)
        if (crashes := self._crashes.pop(message["i"], None)) is not None:
            message["reruns"] = [*crashes, *message.get("reruns", ())]
        if message.pop("broken", False):
            self._give_up_at = time.monotonic() + _BREAK_SECONDS
        self._to_node(message)

    def _begin(self, running: Running, *, announced: bool) -> None:
        known = self._running is not None and self._running.number == running.number
        self._running = running
        if running.number is not None:
            self._fruitless = 0
            self._timeout = self._timeouts[running.number]
            if not announced and not known and running.number not in self._crashes:
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
                self._crashes = {}
                self._final = message["final"]
                self._assigned = 0
            elif message["op"] == "warm":
                self._warm = self._runner is None
            elif message["op"] == "next":
                if self._runner is not None:
                    self._runner.send(message)
            elif message["op"] == "give_back":
                self._give_back(message["id"], message["count"])
            elif message["op"] == "stop":
                self._stop(message["reason"])
            elif message["op"] == "finish":
                self._finish(message["seconds"])

    def _give_back(self, request: int, count: int) -> None:
        """Give back the last items, as many as were asked for and have not begun.

        One stays at least: a runner must not find the turns of its next batch when it looks for those of this one.
        """
        count = max(min(count, len(self._pending) - 1), 0)
        given = min(count, len(self._pending) - self._assigned)
        if self._runner is not None and given < count:
            taken = self._runner.turns.take_back(count - given)
            self._assigned -= taken
            given += taken
        numbers = list(self._pending)[len(self._pending) - given :]
        for number in numbers:
            del self._pending[number]
        self._to_node({"op": "given_back", "id": request, "items": numbers})

    def _stop(self, reason: str) -> None:
        if self._pending:
            if self._runner is not None:
                self._end_runner(self._runner, reason)
            self._to_node({"op": "stopped", "left": list(self._pending)})
            self._pending.clear()

    def _finish(self, seconds: float) -> None:
        self._closing = True
        if self._runner is None:
            self._leave(0, "")
        else:
            self._give_up_at = time.monotonic() + seconds
            self._runner.send({"op": "finish"})

    def _end_runner(self, runner: RunnerProcess, cause: str) -> None:
        """End the runner and all below it, and blame what it was running."""
        leaked = len(process_tree.alive(process_tree.descendants())) - 1
        if cause == "timeout" and self._dumps:
            runner.ask_where_it_is()
        runner.kill_tree()
        self._after_runner(runner, cause, max(leaked, 0))

    def _after_runner(self, runner: RunnerProcess, cause: Optional[str] = None, leaked: Optional[int] = None) -> None:
        """The runner is gone: hear its last words, blame what ran, make room for the next."""
        if leaked is None:
            leaked = len(process_tree.alive(process_tree.descendants()))
            runner.kill_tree()
        self._hear_runner(runner)
        running = self._running
        if running is not None:
            verdict = blot_result(runner.blame(running, cause, self._timeout, leaked, self._limits))
            if running.number is None:
                self._to_node({"op": "late", **runner.with_artifacts(verdict, self._artifacts)})
            elif not self._runs_again(running.number, cause, verdict):
                del self._pending[running.number]
                verdict = runner.with_artifacts(verdict, self._artifacts)
                verdict["reruns"] = self._crashes.pop(running.number, [])
                self._to_node({"op": "done", "i": running.number, **verdict})
        elif self._pending and not self._closing:
            self._fruitless += 1
        self._runner = self._running = self._give_up_at = None
        self._assigned = 0
        self._ready = False
        if not self._starter.ready_at_once and not self._told_collection:
            words = f"pytest ended with {runner.how} before it had collected\n{runner.raw.text()}"
            self._to_node({"op": "refused", "error": words.strip()})
        runner.close()
        if self._closing:
            self._leave(runner.exit_code, runner.raw.text())
        if self._fruitless > 1:
            self._give_up()

    def _runs_again(self, number: int, cause: Optional[str], verdict: Dict[str, Any]) -> bool:
        crashes = self._crashes.get(number, [])
        may = cause in OWN_FAULTS and not self._closing and len(crashes) < MOST_CRASHES
        if may := may and runs_again(self._starter.directory, self._worker, self._pending[number][1]):
            self._crashes[number] = [*crashes, verdict]
        return may

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
            self._runner.remove_directory()
        os._exit(0)
