"""A pytest zygote as a node sees it: started where it is the first to want it, asked for keepers, hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from pulseq.execution.pytest_lines import END_SECONDS, KeeperLine
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.body_environment import SESSION_PRIVATE, SESSION_TEMPORARY
from pulseq.execution.runtime.output import read_file
from pulseq.processes.message_line import LineClosedError
from pulseq.processes.spawn import spawn
from pulseq.processes.watched_process import OwnChild, WatchedProcess

logger = logging.getLogger("pulseq.node")

_PROGRAM = Path(__file__).parent / "runtime" / "__main__.py"
_READ_BYTES = 256 * 1024
_BACKLOG = 128
_PAUSE_SECONDS = 0.01
#: What a zygote that has collected may take for a fork, however busy its machine is.
FORK_SECONDS = 120.0

T = TypeVar("T")


class GuardianProcess(OwnChild):
    """A guardian that this process has started, and the file that takes all that is printed below it.

    It may live longer than the line to it, as long as other nodes use it; whenever it ends, it is let go of.
    """

    def __init__(self, pid: int, printed: IO[bytes], private: str, blotter: Blotter | None) -> None:
        self._printed = printed
        self._blotter = blotter
        self._private = private
        self._said = ""
        super().__init__(pid)
        self.keep_going(_note_stop)

    def note_end(self, code: int) -> None:
        self._watch_stops_no_more()
        # It sees to its directory itself, unless it did not come that far.
        ending = self._loop.run_in_executor(None, self._clean_up)
        ending.add_done_callback(lambda _: self._tell_end(code))

    def _clean_up(self) -> None:
        with self._printed:
            self._said = read_file(self._printed.fileno(), self._blotter)
        shutil.rmtree(self._private, ignore_errors=True)

    def _tell_end(self, code: int) -> None:
        super().note_end(code)
        self.close()

    async def last_words(self) -> tuple[int, str]:
        """Its exit code and what was printed, once it has ended; one that does not is killed."""
        return await self.end(END_SECONDS), self._said


class ZygoteLine:
    """A node's line to a zygote that nodes of its machine share.

    Attributes:
        pid: the guardian's, once it has taken the connection.
        ended: set as soon as the zygote cannot be asked for anything any more.
    """

    def __init__(self, sock: socket.socket, name: Path, guardian: GuardianProcess | None) -> None:
        sock.setblocking(False)
        self.pid: int | None = None
        self.ended = asyncio.Event()
        self._sock = sock
        self._name = name
        self._guardian = guardian
        self._buffer = wire.MessageBuffer()
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[wire.Message | None] = self._loop.create_future()
        self._reading: asyncio.Future[wire.Message] | None = None
        self._forks: deque[asyncio.Future[None]] = deque()
        self._last: wire.Message | None = None
        self._over: asyncio.Future[wire.Message | None] = self._loop.create_future()
        #: The guardian, whoever has started it; None until it has taken the connection, and where it ended then.
        self._watched: WatchedProcess | None = None
        self._loop.add_reader(sock, self._hear)

    @classmethod
    async def join(
        cls, name: Path, python: str, cwd: str, environment: Mapping[str, str], blotter: Blotter | None = None
    ) -> ZygoteLine:
        """Connect to the zygote that listens under a name, or start one there.

        Args:
            name: of a socket, in a directory that exists and is ours alone.
            blotter: blots out of the last words of one that is started what is not to be seen.

        Raises:
            BlockingIOError: another node has been looking there for seconds, and may have stopped for good.
            OSError: there is none, and none can be started.
        """
        with _opened(name.parent) as directory:
            await _lock(directory)
            # A name of any length: that of a socket itself may have no more than 108 bytes.
            short = f"/proc/self/fd/{directory}/{name.name}"
            line = socket.socket(socket.AF_UNIX)
            try:
                try:
                    line.connect(short)
                    return cls(line, name, None)
                except (FileNotFoundError, ConnectionRefusedError):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(short)
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(short)
                    try:
                        listener.listen(_BACKLOG)
                        line.connect(short)
                        return cls(line, name, _start(listener, name.parent, python, cwd, environment, blotter))
                    except BaseException:
                        os.unlink(short)
                        raise
            except BaseException:
                line.close()
                raise

    @property
    def dead(self) -> bool:
        return self.ended.is_set()

    async def collect(self, request: wire.Message) -> wire.Message | None:
        """What it has collected for this request, or for that of the node that was first.

        That is `collected`, `refused`, or `interpreter` where each slot has to collect for itself.

        Returns:
            None where it was on its way out when this node came; the next one will be new.
        """
        with contextlib.suppress(LineClosedError):
            await self._send(request)
        answer = await self._answer
        if answer is None and (self.pid is not None or self._guardian is not None):
            return {"op": "refused", "error": await self._last_words()}
        return answer

    async def finish(self, seconds: float) -> wire.Message | None:
        """Say that this node has nothing more for the session; its result, where this node is the one to tell it.

        Returns:
            after all nodes have said so, or so many seconds; None where another node tells it, or nobody can.
        """
        try:
            await self._send({"op": "finish"})
            message = await asyncio.wait_for(asyncio.shield(self._over), seconds)
        except LineClosedError:
            return None
        except TimeoutError:
            error = f"the end of the pytest session took longer than {seconds:g} s, so it was given up"
            return {"op": "over", "exit_status": 3, "error": error, "summary": "", "properties": [], "directory": ""}
        return message if message is not None and "exit_status" in message else None

    async def fork_keeper(
        self, worker: str, temp: str, node_id: str, limits: wire.Message, artifacts: wire.Message | None = None
    ) -> KeeperLine:
        """A new keeper, which forks its runner when it has something to run.

        Args:
            limits: what `ItemLimits` is told.
            artifacts: what `Collector` is told of the files that items leave; None where there is nothing to look for.

        Raises:
            LineClosedError: when the zygote has gone, or has to go, since it makes none.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                message: wire.Message = {"op": "fork", "worker": worker, "temp": temp, "node": node_id}
                message |= {"limits": limits, "artifacts": artifacts}
                await self._send(message, theirs.fileno())
                done: asyncio.Future[None] = self._loop.create_future()
                self._forks.append(done)
                await self._unless_late(done)
        except BaseException:
            ours.close()
            raise
        return KeeperLine(ours, worker)

    async def _unless_late(self, forked: asyncio.Future[None]) -> None:
        try:
            await asyncio.wait_for(forked, FORK_SECONDS)
        except TimeoutError:
            logger.warning("a pytest session made no keeper within %g s and is ended", FORK_SECONDS)
            if self._watched is not None:
                self._watched.kill()
            self._end()
            raise LineClosedError from None

    async def close(self) -> None:
        """Hang up. Where this was the last node, everything below the guardian is gone after this."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.ended.wait()
                if self._is_last() and self._watched is not None:
                    await self._watched.wait()
        except TimeoutError:
            if self.pid is None and self._guardian is not None:
                self._guardian.kill()  # its interpreter does not even start
            elif self._watched is not None and self._is_last():
                self._watched.kill()
        self._end()
        if self._watched is not None:
            self._watched.close()
        self._sock.close()
        if self._guardian is not None and (self.pid is None or self._is_last()):
            await self._guardian.ended.wait()

    def _is_last(self) -> bool:
        """Whether nobody can join any more."""
        return self.pid is not None and not self._name.exists()

    async def _send(self, message: wire.Message, *descriptors: int) -> None:
        """Send a message whole: what is asked for is short, and the zygote reads it in one piece."""
        if self.dead:
            raise LineClosedError
        try:
            if descriptors:
                wire.send(self._sock, message, *descriptors)
            else:
                await self._loop.sock_sendall(self._sock, wire.encode(message))
        except OSError as error:
            # Known before the loop tells of it: who asks again is to find another one.
            self._hear()
            self._end()
            raise LineClosedError from error

    def _hear(self) -> None:
        try:
            data, descriptors = wire.read_bytes(self._sock, _READ_BYTES, 8)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._end()
            return
        for message in self._buffer.feed(data):
            match message["op"]:
                case "guarded":
                    self._watch_guardian(message["pid"])
                case "answer":
                    self._take_answer(descriptors)
                case "forked":
                    _settle(self._forks.popleft(), None)
                case "interpreter":
                    _settle(self._answer, message)
                case "over":
                    _settle(self._over, message)
                case "ended":
                    self._last = message

    def _take_answer(self, descriptors: Sequence[int]) -> None:
        self._reading = self._loop.run_in_executor(None, _read_answer, descriptors[0])
        self._reading.add_done_callback(lambda done: _settle(self._answer, done.result()))

    def _watch_guardian(self, pid: int) -> None:
        self.pid = pid
        try:
            self._watched = WatchedProcess(pid)
        except ProcessLookupError:
            return
        self._watched.on_end = self._note_guardian_end
        if self._guardian is None:  # else it is watched since its start
            self._watched.keep_going(_note_stop)

    def _note_guardian_end(self) -> None:
        # A stray process may hold the connection for longer.
        self._hear()
        self._end()

    def _end(self) -> None:
        """It will say nothing any more."""
        self._loop.remove_reader(self._sock)
        self.ended.set()
        if self._reading is None:
            _settle(self._answer, None)
        _settle(self._over, None)
        while self._forks:
            waiting = self._forks.popleft()
            if not waiting.done():
                waiting.set_exception(LineClosedError())

    async def _last_words(self) -> str:
        """What is known of a zygote that ended without a word of pytest's own."""
        if self._last is not None:
            code, printed = self._last["exit_code"], self._last["printed"]
        elif self._guardian is not None:
            code, printed = await self._guardian.last_words()
        else:
            code, printed = -signal.SIGKILL, ""
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return f"pytest ended with {how} before it had collected\n{printed}".strip()


def _read_answer(descriptor: int) -> wire.Message:
    with open(descriptor, "rb") as file:
        # Not from where another node that has the same file has read on.
        answer: wire.Message = json.loads(os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0))
        return answer


def _note_stop(number: int) -> None:
    logger.warning("a pytest session's guardian had been stopped and got %s", signal.Signals(number).name)


def _start(
    listener: socket.socket,
    directory: Path,
    python: str,
    cwd: str,
    environment: Mapping[str, str],
    blotter: Blotter | None,
) -> GuardianProcess:
    private = tempfile.mkdtemp(prefix="zygote-", dir=directory)
    with contextlib.ExitStack() as undo:
        undo.callback(os.rmdir, private)
        printed = undo.enter_context(tempfile.TemporaryFile(dir=directory))
        pid = spawn(
            [python, str(_PROGRAM), "pytest_guardian", "--fd", str(listener.fileno())],
            cwd=cwd,
            environment=_environment_of_guardian(environment, private),
            stdout=printed,
            errors=printed,
            pass_fds=[listener.fileno()],
        )
        guardian = GuardianProcess(pid, printed, private, blotter)
        undo.pop_all()
    return guardian


def _environment_of_guardian(environment: Mapping[str, str], private: str) -> dict[str, str]:
    told = {SESSION_TEMPORARY: environment["TMPDIR"]} if "TMPDIR" in environment else {}
    return {**environment, **told, "TMPDIR": private, SESSION_PRIVATE: private}


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _lock(directory: int) -> None:
    """Let no other node look for a zygote, or start one, until the directory is closed; that takes milliseconds."""
    give_up_at = time.monotonic() + END_SECONDS
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


def _settle(waiting: asyncio.Future[T], value: T) -> None:
    if not waiting.done():
        waiting.set_result(value)
