"""Nodes as forks of one process that has loaded what they need (`fork_process.py`), seen from their owner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from pulseq.errors import InfrastructureError
from pulseq.execution.runtime import wire
from pulseq.ownership import make_own_directory
from pulseq.processes.fork_process import fork_this_process
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.message_line import LineClosedError, MessageLine, PacketLine
from pulseq.processes.spawn import open_log
from pulseq.processes.watched_process import UNKNOWN_CODE, OwnChild, SessionLeader

logger = logging.getLogger("pulseq.nodes")

NAME = "the process that nodes are forked from"


class ForkServer:
    """Starts processes of one module: the first as fast as any, the others in milliseconds.

    Each has a session, a line and a log of its own and ends with its owner, whatever becomes of the process
    that it was forked from; where that has died, the next fork has it started again.

    Args:
        module: what forks run, by its `main()`; it is loaded once.
        environment: what all of them get besides the owner's own.
        patience_seconds: how long it may leave a request unanswered without a sign of life.
        owners_lock: what the owner holds in a directory of its own, which is removed where the owner was killed.

    Attributes:
        on_note: told what is waited for, and what was done where somebody had stopped it.
    """

    def __init__(
        self,
        module: str,
        *,
        log_path: Path,
        environment: Mapping[str, str],
        patience_seconds: float,
        owners_lock: Path | None = None,
    ) -> None:
        self._module = module
        self._log_path = log_path
        self._environment = environment
        self._patience_seconds = patience_seconds
        self._owners_lock = owners_lock
        self._process: LocalProcess | None = None
        self._requests: PacketLine | None = None
        self._starting = asyncio.Lock()
        #: Numbers of forks that have ended, which nobody needs any more.
        self._unburied: list[int] = []
        self._learning: set[asyncio.Task[None]] = set()
        self.on_note: Callable[[str], None] = logger.info

    @property
    def pid(self) -> int | None:
        """Of the process that forks are made from; None where there is none."""
        return self._process.pid if self._process is not None and self._process.alive else None

    async def start(self) -> None:
        """Start loading; forks that are asked for meanwhile wait for it."""
        _, theirs = await self._connect()
        with theirs:
            self._process = await LocalProcess.start(
                NAME,
                "pulseq.processes.fork_process",
                {
                    "socket_fd": theirs.fileno(),
                    "module": self._module,
                    "owners_lock": self._owners_lock and str(self._owners_lock),
                },
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
                # Its requests are its line.
                self._process = LocalProcess(NAME, child, MessageLine(ours.dup()), self._log_path)
            except Exception as error:  # noqa: BLE001 - nobody else hears of it: this is a callback
                if not forked.done():
                    forked.set_exception(InfrastructureError(f"this process cannot be forked: {error!r}"))
            else:
                if not forked.done():
                    forked.set_result(None)

        ours, theirs = await self._connect()
        with theirs, open_log(self._log_path) as log:
            loop.call_soon(fork_now)  # not here: within a task a fork could have no loop of its own
            await asyncio.shield(forked)
        assert self._process is not None
        self._process.keep_going(self.on_note)

    async def _connect(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection."""
        await self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests = PacketLine(ours)
        return ours, theirs

    async def fork(self, name: str, *, log_path: Path, module: str | None = None) -> LocalProcess:
        """A new process, which waits for its configuration.

        Args:
            module: what it runs instead of what forks run here.

        Raises:
            InfrastructureError: there can be none; the text says why.
        """
        async with self._starting:
            if self._requests is None or self.pid is None:
                await self.start()
        make_own_directory(log_path.parent)
        request = {"do": "fork", "log": str(log_path.absolute()), "module": module or self._module}
        line, told = await self._ask(request)
        try:
            if "error" in told:
                raise InfrastructureError(f"{name} cannot be started: {told['error']}")
            return LocalProcess(name, Forked(self, told["pid"], told["parent"]), line, log_path)
        except BaseException as error:
            line.close()
            if isinstance(error, ProcessLookupError):
                raise InfrastructureError(f"{name} ended while it started; its log is {log_path}") from error
            raise

    async def stop(self) -> None:
        """End the process that forks are made from; what was forked from it lives on."""
        self._hang_up()
        if self._process is not None:
            await self._process.stop()

    def _hang_up(self) -> None:
        requests, self._requests = self._requests, None
        self._unburied.clear()
        if requests is not None:
            requests.close()

    def tell_code(self, forked: Forked) -> None:
        """Have a fork that has ended learn what with."""

        async def learn() -> None:
            code = UNKNOWN_CODE
            if forked.parent == self.pid:  # who was started after that one has died knows nothing
                with contextlib.suppress(InfrastructureError):
                    line, told = await self._ask({"do": "tell", "pid": forked.pid})
                    line.close()
                    code = told["code"]
            forked.note_end(code)

        learning = asyncio.get_running_loop().create_task(learn())
        self._learning.add(learning)
        learning.add_done_callback(self._learning.discard)

    def bury(self, forked: Forked) -> None:
        """Let the number of a fork that has ended be used again, at once or with the next."""
        if self._requests is not None and forked.parent == self.pid:
            self._unburied.append(forked.pid)
            with contextlib.suppress(OSError):
                if self._requests.send_at_once({"do": "bury", "pids": self._unburied}):
                    self._unburied.clear()

    async def _ask(self, request: wire.Message) -> tuple[MessageLine, wire.Message]:
        """The answer to a request, and the line that it came over.

        Raises:
            InfrastructureError: there is none.
        """
        process, requests = self._process, self._requests
        ours, theirs = socket.socketpair()
        line = MessageLine(ours)
        try:
            if process is None or requests is None:
                raise LineClosedError("closed")
            with theirs:
                doing = self._converse(process, requests, request, theirs, line)
                return line, await process.wait_patiently(doing, self._patience_seconds, self.on_note)
        except BaseException as error:
            theirs.close()
            line.close()
            if isinstance(error, TimeoutError) and process is not None and process is self._process:
                # Nobody is to wait for it once more: the next fork is of another one.
                process.kill()
                self._hang_up()
            if isinstance(error, TimeoutError | OSError | LineClosedError):
                raise InfrastructureError(f"{self._say_loss()} ({error})") from error
            raise

    async def _converse(
        self,
        process: LocalProcess,
        requests: PacketLine,
        request: wire.Message,
        theirs: socket.socket,
        line: MessageLine,
    ) -> wire.Message:
        await requests.send(request, theirs.fileno())
        theirs.close()
        hearing, ending = asyncio.ensure_future(line.receive()), asyncio.ensure_future(process.wait())
        try:
            # A fork of which nobody could tell any more has the other end, too.
            await asyncio.wait({hearing, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done() or not (heard := hearing.result()):
                raise LineClosedError("it has ended")
            return heard[0]
        finally:
            hearing.cancel()
            ending.cancel()

    def _say_loss(self) -> str:
        words = self._process.last_words() if self._process is not None else ""
        return f"{NAME} does not answer: {words}; its log is {self._log_path}"


class Forked(SessionLeader):
    """A fork, as its owner holds it without being its parent, who knows its return code.

    Attributes:
        parent: the number of the process that it was forked from.
    """

    def __init__(self, server: ForkServer, pid: int, parent: int) -> None:
        super().__init__(pid)
        self.parent = parent
        self._server = server

    def learn_code(self) -> None:
        self._server.tell_code(self)

    def close(self) -> None:
        if self.is_held:
            super().close()
            self._server.bury(self)
