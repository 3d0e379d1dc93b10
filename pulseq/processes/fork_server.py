"""Nodes as forks of one process that has loaded what they need (`fork_process.py`), seen from their owner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulseq.errors import InfrastructureError
from pulseq.execution.runtime import wire
from pulseq.ownership import make_own_directory
from pulseq.processes.fork_process import fork_this_process
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.message_line import MessageLine
from pulseq.processes.spawn import open_log
from pulseq.processes.watched_process import UNKNOWN_CODE, OwnChild, SessionLeader

logger = logging.getLogger("pulseq.nodes")

NAME = "the process that nodes are forked from"


@dataclass(eq=False, slots=True)
class _Request:
    """What the process is to do; `answer` is None where it says nothing to it."""

    message: dict[str, Any]
    descriptors: tuple[int, ...] = ()
    answer: asyncio.Future[dict[str, Any]] | None = None


class ForkServer:
    """Starts processes of one module: the first as fast as any, the others in milliseconds.

    Each has a session, a line and a log of its own and ends with its owner, whatever becomes of the process
    that it was forked from; where that has died, the next fork has it started again.

    Args:
        module: what forks run, by its `main()`; it is loaded once.
        environment: what all of them get besides the owner's own.
        patience_seconds: how long it may leave a request unanswered without a sign of life.

    Attributes:
        on_note: told what is waited for, and what was done where somebody had stopped it.
    """

    def __init__(self, module: str, *, log_path: Path, environment: Mapping[str, str], patience_seconds: float) -> None:
        self._module = module
        self._log_path = log_path
        self._environment = environment
        self._patience_seconds = patience_seconds
        self._process: LocalProcess | None = None
        self._socket: socket.socket | None = None
        self._starting = asyncio.Lock()
        #: In the order in which they are to be told, which is also that of their answers.
        self._untold: deque[_Request] = deque()
        self._answers: deque[asyncio.Future[dict[str, Any]]] = deque()
        self._learning: set[asyncio.Task[None]] = set()
        self.on_note: Callable[[str], None] = logger.info

    @property
    def pid(self) -> int | None:
        """Of the process that forks are made from; None where there is none."""
        return self._process.pid if self._process is not None and self._process.alive else None

    async def start(self) -> None:
        """Start loading; forks that are asked for meanwhile wait for it."""
        with await self._connect() as theirs:
            self._process = await LocalProcess.start(
                NAME,
                "pulseq.processes.fork_process",
                {"socket_fd": theirs.fileno(), "module": self._module},
                log_path=self._log_path,
                environment=self._environment,
                pass_fds=[theirs.fileno()],
            )
        self._process.keep_going(self.on_note)

    async def start_here(self) -> None:
        """Take a fork of this very process, which has loaded what they need, for the one that forks are made from.

        To be called where `may_be_forked` says so, in a process that nobody but its owner uses.

        Raises:
            InfrastructureError: there can be no fork.
        """
        loop = asyncio.get_running_loop()
        forked: asyncio.Future[None] = loop.create_future()

        def fork_now() -> None:
            try:
                child = OwnChild(fork_this_process(theirs, log.fileno(), self._environment))
                assert self._socket is not None
                # Its requests are its line.
                self._process = LocalProcess(NAME, child, MessageLine(self._socket.dup()), self._log_path)
            except Exception as error:  # noqa: BLE001 - nobody else hears of it: this is a callback
                if not forked.done():
                    forked.set_exception(InfrastructureError(f"this process cannot be forked: {error!r}"))
            else:
                if not forked.done():
                    forked.set_result(None)

        with await self._connect() as theirs, open_log(self._log_path) as log:
            loop.call_soon(fork_now)  # not here: within a task a fork could have no loop of its own
            await asyncio.shield(forked)
        assert self._process is not None
        self._process.keep_going(self.on_note)

    async def _connect(self) -> socket.socket:
        """The other end of a new connection."""
        await self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        return theirs

    async def fork(self, name: str, *, log_path: Path, module: str | None = None) -> LocalProcess:
        """A new process, which waits for its configuration.

        Args:
            module: what it runs instead of what forks run here.

        Raises:
            InfrastructureError: there can be none; the text says why.
        """
        async with self._starting:
            if self._socket is None:
                await self.start()
        make_own_directory(log_path.parent)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                request = {"do": "fork", "log": str(log_path.absolute()), "module": module or self._module}
                told = await self._ask(request, theirs.fileno())
            if "error" in told:
                raise InfrastructureError(f"{name} cannot be started: {told['error']}")
            forked = Forked(self, told["pid"])
        except BaseException as error:
            ours.close()
            if isinstance(error, ProcessLookupError):
                raise InfrastructureError(f"{name} ended while it started; its log is {log_path}") from error
            raise
        return LocalProcess(name, forked, MessageLine(ours), log_path)

    async def stop(self) -> None:
        """End the process that forks are made from; what was forked from it lives on."""
        self._lose(self._socket)
        if self._process is not None:
            await self._process.stop()

    def tell_code(self, forked: Forked) -> None:
        """Have a fork that has ended learn what with."""

        async def learn() -> None:
            code = UNKNOWN_CODE
            with contextlib.suppress(InfrastructureError):
                code = (await self._ask({"do": "tell", "pid": forked.pid}))["code"]
            forked.note_end(code)

        learning = asyncio.get_running_loop().create_task(learn())
        self._learning.add(learning)
        learning.add_done_callback(self._learning.discard)

    def bury(self, pid: int) -> None:
        """Let the number of a process that has ended be used again."""
        self._tell(_Request({"do": "bury", "pid": pid}))

    async def _ask(self, message: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        request = _Request(message, descriptors, answer)
        process = self._process
        try:
            if self._socket is None or process is None:
                raise ConnectionError("closed")
            self._tell(request)
            return await process.wait_patiently(answer, self._patience_seconds, self.on_note)
        except TimeoutError as error:
            # Nobody is to wait for it once more: the next fork is of another one.
            if process is not None and process is self._process:
                process.kill()
                self._lose(self._socket)
            raise InfrastructureError(self._say_loss()) from error
        except OSError as error:
            raise InfrastructureError(f"{self._say_loss()} ({error})") from error
        finally:
            if request in self._untold:
                self._untold.remove(request)  # its descriptors are somebody else's soon

    def _tell(self, request: _Request) -> None:
        self._untold.append(request)
        self._tell_all()

    def _tell_all(self) -> None:
        """Tell what there is to tell; a socket that is full says nothing of who reads it, but that he has enough."""
        ours = self._socket
        if ours is None:
            self._untold.clear()
            return
        loop = asyncio.get_running_loop()
        try:
            while self._untold:
                request = self._untold[0]
                wire.send(ours, request.message, *request.descriptors)
                self._untold.popleft()
                if request.answer is not None:
                    self._answers.append(request.answer)
        except BlockingIOError:
            loop.add_writer(ours, self._tell_all)
        except OSError:
            self._lose(ours)
        else:
            loop.remove_writer(ours)

    def _hear(self, ours: socket.socket) -> None:
        message = None
        with contextlib.suppress(OSError):
            message, _ = wire.receive_packet(ours)
        if message is None:
            self._lose(ours)
            return
        # Answers come in the order of the requests; who had asked may have left since.
        answer = self._answers.popleft()
        if not answer.done():
            answer.set_result(message)

    def _lose(self, ours: socket.socket | None) -> None:
        if ours is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(ours)
        loop.remove_writer(ours)
        ours.close()
        self._socket = None
        waiting = [*self._answers, *(request.answer for request in self._untold if request.answer is not None)]
        self._answers.clear()
        self._untold.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(ConnectionResetError("it has ended"))

    def _say_loss(self) -> str:
        words = self._process.last_words() if self._process is not None else ""
        return f"{NAME} does not answer: {words}; its log is {self._log_path}"


class Forked(SessionLeader):
    """A fork, as its owner holds it without being its parent, who knows its return code."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        super().__init__(pid)
        self._server = server

    def learn_code(self) -> None:
        self._server.tell_code(self)

    def close(self) -> None:
        if self.is_held:
            super().close()
            self._server.bury(self.pid)
