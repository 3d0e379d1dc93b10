"""Processes of this machine that belong to a run: started, told, watched and ended here alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pulseq.errors import InfrastructureError
from pulseq.execution.runtime.process_tree import read_stat
from pulseq.execution.runtime.wire import WireError
from pulseq.processes.message_line import MessageLine
from pulseq.processes.patience import wait_patiently
from pulseq.processes.spawn import spawn_module
from pulseq.processes.watched_process import OwnChild, SessionLeader

logger = logging.getLogger("pulseq.processes")

#: How long a child may take from the request to end until it is killed, in seconds.
GRACE_SECONDS = 3.0
_LOG_TAIL_BYTES = 2000
T = TypeVar("T")


class LocalProcess:
    """One child: `python -m MODULE`, or a fork of it, configured by a message on the line that is its standard input.

    It lives in a session of its own, and ends when its owner does (see `pulseq.processes.child`).
    """

    def __init__(self, name: str, process: SessionLeader, line: MessageLine, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process
        self._line = line
        self._hearing: asyncio.Task[dict[str, Any] | None] | None = None

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
        pid, line = spawn_module(module, log_path=log_path, environment=environment or {}, pass_fds=pass_fds)
        try:
            process = cls.adopt(name, pid, line, log_path=log_path)
        except BaseException:
            line.close()
            raise
        if configuration is not None:
            process.configure(configuration)
        return process

    @classmethod
    def adopt(cls, name: str, pid: int, line: socket.socket, *, log_path: Path) -> LocalProcess:
        """Have a child that was started before (`spawn_module`), and nobody has told yet what it is to be."""
        return cls(name, OwnChild(pid), MessageLine(line), log_path)

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Tell the child what it is to be; once."""
        with contextlib.suppress(ConnectionError):  # it has ended, of which `ready` tells
            self._line.send_at_once(dict(configuration))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ready(self, patience_seconds: float, say: Callable[[str], None] = logger.info) -> dict[str, Any]:
        """The child's first message, to any number of askers; waited for as in `wait_patiently`.

        Raises:
            InfrastructureError: it ended, said nothing in time or something else; the text has its last words.
        """
        try:
            if self._hearing is None:
                self._hearing = asyncio.get_running_loop().create_task(self._hear())
            message = await self.wait_patiently(asyncio.shield(self._hearing), patience_seconds, say)
        except TimeoutError as error:
            late = f"{self.name} did not get ready within {error}"
            raise InfrastructureError(f"{late}; its log is {self.log_path}") from None
        except WireError as error:
            raise InfrastructureError(
                f"{self.name} said something else than that it is ready ({error}); its log is {self.log_path}"
            ) from None
        if message is None:
            raise InfrastructureError(f"{self.name} ended while it started: {self.last_words()}; log: {self.log_path}")
        return message

    async def _hear(self) -> dict[str, Any] | None:
        messages = await self._line.receive()
        if not messages:
            await self.wait()
        return messages[0] if messages else None

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

    def keep_going(self, say: Callable[[str], None] = logger.info) -> None:
        """Have it continued, or killed in the end, where somebody stops it; `say` is told so.

        For what all others wait for; of a node its silence tells.
        """

        def note(number: int) -> None:
            what = "is continued" if number == signal.SIGCONT else "is killed, since it was stopped again and again"
            say(f"{self.name} (process {self.pid}) had been stopped by SIGSTOP and {what}")

        self._process.keep_going(note)

    def signal(self, number: int) -> None:
        """Send it a signal; nothing where it has ended."""
        self._process.signal(number)

    async def wait(self) -> int:
        """Until the child has ended; its return code."""
        return await self._process.wait()

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the child: close its line, then kill what is left of its session."""
        if self._hearing is not None:
            self._hearing.cancel()
        self._line.hang_up()
        await self._process.end(grace_seconds)
        self._process.close()
        self._line.close()

    def kill(self) -> None:
        """SIGKILL the child and all of its session; nothing where it has ended before."""
        if self.alive:
            self._process.kill()

    def last_words(self) -> str:
        """The last line of its log, for an error message."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1].strip() if lines else "it left no word"
