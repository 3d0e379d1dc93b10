"""The launchers of a node: one process per interpreter, started when it is first needed, replaced when it died."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pulseq.execution.runtime import launcher as runtime_launcher
from pulseq.models import PRIVATE_PREFIXES
from pulseq.processes.handle import ProcessHandle
from pulseq.processes.message_line import MessageLine, PacketLine
from pulseq.processes.spawn import spawn
from pulseq.processes.watched_process import OwnChild

logger = logging.getLogger("pulseq.node")

STARTER = Path(runtime_launcher.__file__).with_name("__main__.py")
READY_SECONDS = 30.0
PLACING_SECONDS = 10.0
END_SECONDS = 5.0
_LAST_BYTES = 2000
#: What the starting of an interpreter fails with when the machine, not the interpreter, is to blame.
_MACHINE_ERRORS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC})


class LauncherError(Exception):
    """An interpreter cannot be used; the text is a sentence for the user."""


@dataclass(slots=True)
class KeeperProcess:
    """The node's hold on a keeper: its line, and its process once it has said which that is."""

    line: MessageLine
    process: ProcessHandle | None = None

    def close(self) -> None:
        """Let go of it; it ends at the end of its line."""
        self.line.close()
        if self.process is not None:
            self.process.close()


class LauncherProcess:
    """The node's hold on one launcher."""

    def __init__(self, python: str, process: OwnChild, control: PacketLine, log: IO[bytes]) -> None:
        self.python = python
        self.version = ""
        self._process = process
        self._control = control
        self._log = log
        self._condemned = False
        self._idle: list[KeeperProcess] = []
        process.keep_going(self._note_stop)

    def _note_stop(self, number: int) -> None:
        logger.warning("the launcher of %r had been stopped and got %s", self.python, signal.Signals(number).name)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._condemned and self._control.is_open and not self._process.has_ended()

    def condemn(self) -> None:
        """Have it replaced at the next use: it did not do what it was told."""
        self._condemned = True

    def take_idle(self) -> KeeperProcess | None:
        """A keeper that is free, if there is one; the last that was used first."""
        while self._idle:
            keeper = self._idle.pop()
            if keeper.line.is_quiet():
                return keeper
            keeper.close()
        return None

    def give_back(self, keeper: KeeperProcess) -> None:
        """Have a keeper for the next body; where this launcher is at its end it ends, too."""
        if self.is_alive:
            self._idle.append(keeper)
        else:
            keeper.close()

    async def place(self, kind: str, line: socket.socket) -> None:
        """Have a keeper forked that holds the other end of `line`.

        Raises:
            OSError: when the launcher is gone, or does not take it in time.
        """
        try:
            async with asyncio.timeout(PLACING_SECONDS):
                await self._control.send({"kind": kind}, line.fileno())
        except TimeoutError:
            text = f"the launcher of {self.python!r} took no attempt within {PLACING_SECONDS:g} s"
            raise TimeoutError(text) from None

    def last_words(self) -> str:
        """The end of what the launcher and its keepers wrote to their standard error."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LAST_BYTES))
        return self._log.read().decode("utf-8", "replace").strip()

    async def greet(self, temp_root: Path) -> None:
        """Wait until it is ready.

        Raises:
            LauncherError: when it does not become ready, with what it said.
        """
        try:
            async with asyncio.timeout(READY_SECONDS):
                ready = await self._control.receive()
                if ready is None:
                    raise LauncherError(f"cannot run tests under {self.python!r}: {await self._post_mortem()}")
            self.version = ".".join(map(str, ready["version"]))
            self._control.send_at_once({"temp_root": str(temp_root)})
        except TimeoutError:
            raise LauncherError(f"{self.python!r} was not ready to run tests after {READY_SECONDS:g} s") from None
        except OSError as error:
            raise LauncherError(f"cannot run tests under {self.python!r}: {error}") from error

    async def _post_mortem(self) -> str:
        code = await self._process.wait()
        return self.last_words() or f"it ended with exit code {code}"

    async def close(self, grace_seconds: float = END_SECONDS) -> None:
        """End it with everything below it."""
        while self._idle:
            self._idle.pop().close()
        self._control.close()
        await self._process.end(grace_seconds)
        self._process.close()
        self._log.close()


class LauncherPool:
    """Gives the launcher of an interpreter, starting it where that is needed."""

    def __init__(self, temp_root: Path, environment: Mapping[str, str]) -> None:
        self._temp_root = temp_root
        self._environment = {
            name: value for name, value in environment.items() if not name.startswith(PRIVATE_PREFIXES)
        }
        self._launchers: dict[str, LauncherProcess] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, python: str) -> LauncherProcess:
        """A live launcher of this interpreter.

        Raises:
            LauncherError: when the interpreter cannot be used.
            OSError: when the machine cannot start any process now.
        """
        async with self._locks.setdefault(python, asyncio.Lock()):
            known = self._launchers.get(python)
            if known is not None and known.is_alive:
                return known
            if known is not None:
                await known.close(0.0)
            self._launchers[python] = launcher = await self._start(python)
            return launcher

    async def _start(self, python: str) -> LauncherProcess:
        launcher = self._spawn(python)
        try:
            await launcher.greet(self._temp_root)
        except BaseException:
            await launcher.close(0.0)
            raise
        return launcher

    def _spawn(self, python: str) -> LauncherProcess:
        program = shutil.which(python, path=self._environment.get("PATH"))
        if program is None:
            raise LauncherError(f"the interpreter {python!r} does not exist on this node, or is not executable")
        here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
        log = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with there:
                pid = spawn(
                    [program, str(STARTER), "launcher", "--fd", str(there.fileno())],
                    environment=self._environment,
                    errors=log,
                    pass_fds=[there.fileno()],
                )
            return LauncherProcess(python, OwnChild(pid), PacketLine(here), log)
        except OSError as error:
            with contextlib.closing(here), contextlib.closing(log):
                if error.errno in _MACHINE_ERRORS:
                    raise
                raise LauncherError(f"cannot start the interpreter {python!r}: {error.strerror}") from error

    async def close(self) -> None:
        """End all launchers, and everything below them."""
        launchers = list(self._launchers.values())
        self._launchers.clear()
        await asyncio.gather(*(launcher.close() for launcher in launchers))
