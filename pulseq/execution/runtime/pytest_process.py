"""A keeper's hold on its runner: what it says and writes, how it is ended, what is to be said of its end."""

from __future__ import annotations

import os
import resource
import signal
import socket
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Dict

from . import blotting, process_tree, wire
from .body_ending import decide
from .body_environment import PrivateDirectory
from .output import HeadTail
from .pytest_artifacts import add_last_artifacts
from .pytest_limits import ItemLimits
from .pytest_turns import Turns
from .stack_dump import FRAMES_FOLLOW, say_stacks

GRACE_SECONDS = 0.5
#: Time for a hung Python to write where it hangs.
_DUMP_SECONDS = 0.3
_PAUSE_SECONDS = 0.005
_READ_BYTES = 256 * 1024


@dataclass
class Running:
    """What runs now: an item by its number, or None for the teardown of wider fixtures."""

    number: int | None
    since: float
    started_at: float
    cpu_before: float


def with_frames(verdict: Dict[str, Any], output: str) -> Dict[str, Any]:
    """A verdict on an item that did not end by itself, with where it was, as far as Python has written that."""
    lines = say_stacks(output)
    if not lines:
        return verdict
    first = str(verdict["error"]).splitlines()[0].partition("; its last output")[0]
    return {**verdict, "error": "\n".join([first + FRAMES_FOLLOW, *lines])}


def nameless_file(directory: str) -> int:
    """A descriptor of a file there that goes with its last user."""
    with tempfile.TemporaryFile(buffering=0, dir=directory) as file:
        return os.dup(file.fileno())


class RunnerProcess:
    """The keeper's end of a runner.

    Attributes:
        raw: what was written past pytest's capturing lately.
        settled: whether all of that belongs to items that are done.
        hung_up: whether it closed its line, which it does only by ending.
        turns: what says which of its items it may start.
        muted: whether nobody can write to `output_fd` any more.
        waits: whether it goes on after an item only when it is told to: pytest does not capture at the descriptors.
        ended: how it ended, once that was seen.
    """

    def __init__(
        self,
        pid: int,
        sock: socket.socket,
        output_fd: int,
        captured: tuple[int, int],
        private: PrivateDirectory,
        turns: Turns,
    ) -> None:
        self.pid = pid
        self.turns = turns
        self.sock = sock
        self.output_fd = output_fd
        self.raw = HeadTail(blotter=blotting.current())
        self.settled = False
        self.hung_up = False
        self.muted = False
        self.waits = False
        self.ended: process_tree.Ended | None = None
        self._earlier = HeadTail(blotter=blotting.current())
        self._captured = captured
        self._private = private
        self._buffer = wire.MessageBuffer()
        os.set_blocking(output_fd, False)

    def send(self, message: wire.Message) -> None:
        """Say something; one that has ended hears nothing, which the signal of its end tells."""
        try:
            wire.send(self.sock, message)
        except OSError:
            self.hung_up = True

    def receive(self) -> list[wire.Message]:
        """All that it has said since last time, without waiting; what it wrote before is in `raw` then."""
        if self.settled:
            # The end of a crash's own words may be in it, so it is forgotten one round later.
            self._earlier, self.raw, self.settled = self.raw, HeadTail(blotter=blotting.current()), False
        messages: list[wire.Message] = []
        while not self.hung_up:
            try:
                data = self.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.hung_up = not data
            messages += self._buffer.feed(data)
        self.read_output()
        return messages

    def read_output(self) -> None:
        """Take in what it has written, a flood in bounded portions."""
        for _ in range(64):
            try:
                data = os.read(self.output_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.muted = True
                return
            self.raw.feed(data)

    def note_end(self, ended: process_tree.Ended) -> None:
        """Take note of a child that was reaped, if this is the one."""
        if ended.pid == self.pid:
            self.ended = ended

    def ask_where_it_is(self) -> None:
        """Have faulthandler, which pytest has enabled, write the stack of a hung runner; it dies of that."""
        resource.prlimit(self.pid, resource.RLIMIT_CORE, (0, 0))
        process_tree.send_signals([self.pid], signal.SIGABRT, signal.SIGCONT)
        until = time.monotonic() + _DUMP_SECONDS
        while self.ended is None and time.monotonic() < until:
            self._pause()
            process_tree.reap(self.note_end)

    def kill_tree(self) -> None:
        """End it and all below it, those that got away from it included."""
        process_tree.kill_descendants(GRACE_SECONDS, meanwhile=self._pause, record=self.note_end)

    def _pause(self) -> None:
        self.read_output()
        time.sleep(_PAUSE_SECONDS)

    def last_output(self) -> HeadTail:
        """What pytest had captured of the item and not yet read, then what went past its capturing."""
        kept = HeadTail(blotter=blotting.current())
        for title, fd in (("stdout", self._captured[0]), ("stderr", self._captured[1])):
            size = os.fstat(fd).st_size
            if size:
                kept.feed(f"----- Captured {title} -----\n".encode("ascii"))
                # A flood is read at both its ends alone: what lies between would be left out anyway.
                kept.feed(os.pread(fd, kept.room, 0))
                kept.feed(os.pread(fd, kept.room, max(kept.room, size - kept.room)))
                kept.total_bytes += max(0, size - 2 * kept.room)
        for raw in (self._earlier, self.raw):
            whole = raw.whole()
            kept.feed(raw.text().encode("utf-8", "replace") if whole is None else whole)
        return kept

    def take_raw(self) -> HeadTail:
        """What was written lately, which then is forgotten: for a runner that waits after each item."""
        taken, self.raw = self.raw, HeadTail(blotter=blotting.current())
        return taken

    def written(self) -> int:
        """Bytes that the phase which runs has written, as far as that is in a file or has come through the pipe."""
        return self.raw.total_bytes + sum(os.fstat(fd).st_size for fd in self._captured)

    def blame(
        self, running: Running, cause: str | None, timeout: float | None, leaked: int, limits: ItemLimits
    ) -> dict[str, Any]:
        """The verdict on what it was running when it ended, or was ended for a cause."""
        seconds = max(time.monotonic() - running.since, 1e-6)
        output = self.last_output()
        status = None if self.ended is None else self.ended.status
        limit = round(seconds, 1) if timeout is None else timeout
        ending = limits.ending(cause, status=status, own_verdict=True, timeout=limit, output=output.text())
        return {
            **with_frames(decide(ending), output.text()),
            "output": output.text(),
            "output_bytes": output.total_bytes,
            "started_at": running.started_at,
            "duration": seconds,
            "response_time": seconds,
            "metrics": {},
            "warnings": [],
            "leaked": leaked,
            **self._usage(running, seconds),
        }

    def _usage(self, running: Running, seconds: float) -> dict[str, Any]:
        if self.ended is None:
            return {"memory": 0.0, "cpu": 0.0}
        code, usage = self.exit_code, self.ended.usage
        cpu = usage.ru_utime + usage.ru_stime - running.cpu_before
        return {
            "memory": usage.ru_maxrss * 1024 / 1e6,
            "cpu": max(0.0, 100 * cpu / seconds),
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
        }

    @property
    def exit_code(self) -> int:
        """As `subprocess` has it: the negative number of a signal that ended it."""
        return -1 if self.ended is None else os.waitstatus_to_exitcode(self.ended.status)

    @property
    def how(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """Let go of it, and remove its temporary directory."""
        self.sock.close()
        self.turns.close()
        for fd in (self.output_fd, *self._captured):
            os.close(fd)
        self.remove_directory()

    def add_raw_to(self, message: dict[str, Any]) -> None:
        """Put into what is told of an item what it wrote past pytest's capturing."""
        raw = self.take_raw()
        message["output"] = "\n".join(text for text in (message["output"], raw.text()) if text)
        message["output_bytes"] += raw.total_bytes

    def with_artifacts(self, verdict: dict[str, Any], wanted: dict[str, Any] | None) -> dict[str, Any]:
        """A verdict of `blame` with what the item has left; `wanted` is what `Collector` is told."""
        return add_last_artifacts(verdict, self._private, wanted)

    def remove_directory(self) -> None:
        self._private.remove()
