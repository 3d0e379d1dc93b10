"""Processes of this machine that belong to a run: started, told, watched and ended here alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from pulseq.errors import InfrastructureError
from pulseq.execution.runtime.process_tree import read_stat
from pulseq.ownership import make_own_directory, open_own
from pulseq.processes.fork_process import code_of
from pulseq.processes.patience import wait_patiently
from pulseq.processes.stopped_watch import StoppedWatch

logger = logging.getLogger("pulseq.processes")

#: How long a child may take from the request to end until it is killed, in seconds.
GRACE_SECONDS = 3.0
_LOG_TAIL_BYTES = 2000
T = TypeVar("T")


class Ears:
    """What is heard of a child: its first line, and its end, which waits for nobody that holds its pipes."""

    def __init__(self) -> None:
        self.first_line: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._said = bytearray()

    def hear(self, data: bytes) -> None:
        """Take in what the child says."""
        # What follows the line is read and dropped, so that the child never waits for a reader.
        if not self.first_line.done():
            self._said += data
            line, end, _ = bytes(self._said).partition(b"\n")
            if end:
                self.first_line.set_result(line)

    def hear_no_more(self) -> None:
        """The child says nothing any more."""
        if not self.first_line.done():
            self.first_line.set_result(bytes(self._said))

    def process_exited(self) -> None:
        """The child has ended."""
        self.ended.set()


class Child(Protocol):
    """A process as whoever started it holds it; its number is nobody else's until `close`.

    Attributes:
        returncode: None as long as it lives.
    """

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def write(self, data: bytes) -> None: ...
    def end_input(self) -> None: ...
    def close(self) -> None: ...


#: What a child is said to have ended with, where somebody else has waited for it, or nobody could.
UNKNOWN_CODE = 255


class OwnChild:
    """A process that this one is the parent of, by a pidfd: no thread waits for it, as asyncio's own would."""

    def __init__(self, pid: int, ears: Ears) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ears = ears
        self._lifeline: asyncio.WriteTransport | None = None
        self._hearing: asyncio.ReadTransport | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()
        try:
            self._descriptor = os.pidfd_open(pid)
        except BaseException:
            _end_unwatched(pid)
            raise
        self._loop.add_reader(self._descriptor, self._note_end)

    def attach(self, lifeline: asyncio.WriteTransport, hearing: asyncio.ReadTransport) -> None:
        """Take its input and its output."""
        self._lifeline, self._hearing = lifeline, hearing

    def _note_end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        try:
            self.returncode = code_of(self.pid)
        except ChildProcessError:
            # SIGCHLD is ignored, or whoever this process belongs to waits for all children.
            self.returncode = UNKNOWN_CODE
        self._ears.process_exited()

    def write(self, data: bytes) -> None:
        if self._lifeline is not None:
            self._lifeline.write(data)

    def end_input(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            for end in (self._lifeline, self._hearing):
                if end is not None:
                    end.close()
            if self.returncode is not None:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, 0)

    def abandon(self) -> None:
        """Kill it, before anybody was told of it."""
        if self.returncode is None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            _end_unwatched(self.pid)
            self.returncode = UNKNOWN_CODE
        self.close()


def _end_unwatched(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _spawn(
    command: list[str], environment: Mapping[str, str], pass_fds: Sequence[int], log_path: Path
) -> tuple[int, IO[bytes], IO[bytes]]:
    """Start a process in a session of its own; its number, its input and its output."""
    their_input, to_child = open_pipe()
    from_child, their_output = open_pipe()
    try:
        with their_input, their_output, open_log(log_path) as log:
            spawned = subprocess.Popen(
                command,
                stdin=their_input,
                stdout=their_output,
                stderr=log,
                env=environment,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
    except BaseException:
        for ours in (to_child, from_child):
            ours.close()
        raise
    spawned.returncode = 0  # whatever it ends with, it is not this object's to wait for
    return spawned.pid, to_child, from_child


async def connect_pipes(to_child: IO[bytes], from_child: IO[bytes], ears: Ears) -> tuple[Any, Any]:
    """The transports of a child's input and of its output, which the ears hear; neither where one cannot be had."""
    loop = asyncio.get_running_loop()
    made: list[asyncio.BaseTransport] = []
    try:
        made.append((await loop.connect_write_pipe(asyncio.BaseProtocol, to_child))[0])
        made.append((await loop.connect_read_pipe(lambda: _Output(ears), from_child))[0])
    except BaseException:
        for transport in made:
            transport.close()
        for end in (to_child, from_child):
            end.close()
        raise
    return made[0], made[1]


class _Output(asyncio.Protocol):
    """What a child says, told to its ears."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears

    def data_received(self, data: bytes) -> None:
        self._ears.hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ears.hear_no_more()


def open_log(path: Path) -> IO[bytes]:
    """A log to write to, in a directory that is made where there is none."""
    make_own_directory(path.parent)
    return open(open_own(path), "ab")


def open_pipe() -> tuple[IO[bytes], IO[bytes]]:
    """A pipe's end to read from and its end to write to."""
    reading, writing = os.pipe()
    return open(reading, "rb", buffering=0), open(writing, "wb", buffering=0)


class LocalProcess:
    """One child: `python -m MODULE`, or a fork of it, configured by a line on its standard input.

    It lives in a session of its own, so that the terminal's Ctrl-C reaches the owner alone,
    and ends when the owner does (see `pulseq.processes.child`).
    """

    def __init__(self, name: str, child: Child, ears: Ears, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._child = child
        self._ears = ears
        self._stops: StoppedWatch | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        configuration: Mapping[str, Any] | None = None,
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> LocalProcess:
        """Start the child; its errors go to `log_path`. It is not ready yet: await `ready()`.

        Without a configuration it loads its modules and waits for one (`configure`).
        """
        pid, to_child, from_child = _spawn(
            [sys.executable, "-P", "-m", module], {**os.environ, **(environment or {})}, pass_fds, log_path
        )
        ears = Ears()
        child = OwnChild(pid, ears)
        try:
            child.attach(*await connect_pipes(to_child, from_child, ears))
        except BaseException:
            child.abandon()
            raise
        process = cls(name, child, ears, log_path)
        if configuration is not None:
            process.configure(configuration)
        return process

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Tell the child what it is to be; once."""
        self._child.write(json.dumps(dict(configuration)).encode() + b"\n")

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.returncode is None

    async def ready(self, patience_seconds: float, say: Callable[[str], None] = logger.info) -> dict[str, Any]:
        """The child's first message; waited for as in `wait_patiently`.

        Raises:
            InfrastructureError: it ended, said nothing in time or something else; the text has its last words.
        """
        try:
            line = await self.wait_patiently(self._hear(), patience_seconds, say)
        except TimeoutError as error:
            late = f"{self.name} did not get ready within {error}"
            raise InfrastructureError(f"{late}; its log is {self.log_path}") from None
        if not line:
            raise InfrastructureError(f"{self.name} ended while it started: {self.last_words()}; log: {self.log_path}")
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:
            said = line.decode(errors="replace").strip()[:200]
            raise InfrastructureError(
                f"{self.name} said {said!r} instead of being ready; its log is {self.log_path}"
            ) from None
        return message

    async def wait_patiently(
        self, doing: Awaitable[T], patience_seconds: float, say: Callable[[str], None] = logger.info
    ) -> T:
        """The result of something that the child is at, waited for as long as it is.

        It is at work where it uses a processor, or its log grows.

        Args:
            patience_seconds: how long it may do neither; and a tenth of the longest wait of all.
            say: told now and then what is waited for.

        Raises:
            TimeoutError: patience has ended; its text says after how long.
        """
        return await wait_patiently(
            doing,
            self._signs_of_life,
            patience_seconds,
            lambda text: say(f"waiting for {self.name}, {text}; its log is {self.log_path}"),
        )

    def _signs_of_life(self) -> tuple[float, int]:
        """What changes while it works: seconds of a processor that it has used, bytes of its log."""
        stat = read_stat(self.pid) if self.alive else None
        try:
            size = self.log_path.stat().st_size
        except OSError:
            size = 0
        return (0.0 if stat is None else stat.cpu_seconds, size)

    async def _hear(self) -> bytes:
        line = await asyncio.shield(self._ears.first_line)
        if not line:
            await self.wait()
        return line

    def keep_going(self, say: Callable[[str], None] = logger.info) -> None:
        """Have it continued, or killed in the end, where somebody stops it; `say` is told so.

        For what all others wait for; of a node its silence tells.
        """

        def note(number: int) -> None:
            what = "is continued" if number == signal.SIGCONT else "is killed, since it was stopped again and again"
            say(f"{self.name} (process {self.pid}) had been stopped by SIGSTOP and {what}")

        self._stops = StoppedWatch(self.pid, note)

    async def wait(self) -> int:
        """Until the child has ended; its return code."""
        await self._ears.ended.wait()
        code = self._child.returncode
        assert code is not None
        return code

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the child: close its lifeline, then SIGTERM's harder brother for what is left of its session."""
        if self.alive:
            self._child.end_input()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)  # what is stopped does not see the end of anything
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace_seconds)
            # Also when the leader has ended by itself: that was just now, so its number is nobody else's yet.
            self._kill_session()
            await self.wait()
        if self._stops is not None:
            self._stops.close()
        self._child.close()

    def kill(self) -> None:
        """SIGKILL the child and all of its session; nothing where it has ended before."""
        if self.alive:
            self._kill_session()

    def _kill_session(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The last line of its log, for an error message."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1].strip() if lines else "it left no word"
