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
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pulseq.execution.runtime import launcher as runtime_launcher
from pulseq.execution.runtime import wire
from pulseq.processes.stopped_watch import StoppedWatch

logger = logging.getLogger("pulseq.node")

STARTER = Path(runtime_launcher.__file__).with_name("__main__.py")
READY_SECONDS = 30.0
PLACING_SECONDS = 10.0
END_SECONDS = 5.0
#: Variables that are the node's business and not a body's.
PRIVATE_PREFIXES = ("PREFECT_", "DASK_", "PULSEQ_")
_LAST_BYTES = 2000
#: What the starting of an interpreter fails with when the machine, not the interpreter, is to blame.
_MACHINE_ERRORS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC})


class LauncherError(Exception):
    """An interpreter cannot be used; the text is a sentence for the user."""


class IdleKeeper:
    """The node's end of the line to a keeper that waits for its next body."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.line = line
        self.pid = pid

    def is_there(self) -> bool:
        """Whether its line is open still, and silent."""
        try:
            self.line.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


class Launcher:
    """The node's end of one launcher process."""

    def __init__(self, python: str, process: subprocess.Popen[bytes], control: socket.socket, log: IO[bytes]) -> None:
        self.python = python
        self._process = process
        self._control = control
        self._log = log
        self._condemned = False
        self._idle: list[IdleKeeper] = []
        self._stops = StoppedWatch(process.pid, self._note_stop)

    def _note_stop(self, number: int) -> None:
        logger.warning("the launcher of %r had been stopped and got %s", self.python, signal.Signals(number).name)

    @property
    def is_alive(self) -> bool:
        return not self._condemned and self._process.poll() is None

    def condemn(self) -> None:
        """Have it replaced at the next use: it did not do what it was told."""
        self._condemned = True

    def take_idle(self) -> IdleKeeper | None:
        """A keeper that is free, if there is one; the last that was used first."""
        while self._idle:
            keeper = self._idle.pop()
            if keeper.is_there():
                return keeper
            keeper.line.close()
        return None

    def give_back(self, keeper: IdleKeeper) -> None:
        """Have a keeper for the next body; where this launcher is at its end it ends, too."""
        if self.is_alive and self._control.fileno() >= 0:
            self._idle.append(keeper)
        else:
            keeper.line.close()

    def _dismiss(self) -> None:
        while self._idle:
            self._idle.pop().line.close()

    async def place(self, kind: str, line: socket.socket) -> None:
        """Have a keeper forked that holds the other end of `line`.

        Raises:
            OSError: when the launcher is gone, or does not take it in time.
        """
        message = bytes([runtime_launcher.KINDS.index(kind)])
        for _ in range(round(PLACING_SECONDS / 0.01)):
            try:
                socket.send_fds(self._control, [message], [line.fileno()])
                return
            except BlockingIOError:
                await asyncio.sleep(0.01)
        raise TimeoutError(f"the launcher of {self.python!r} took no attempt within {PLACING_SECONDS:g} s")

    def last_words(self) -> str:
        """The end of what the launcher and its keepers wrote to their standard error."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LAST_BYTES))
        return self._log.read().decode("utf-8", "replace").strip()

    async def greet(self, temp_root: Path) -> None:
        """Wait until it is ready.

        Raises:
            LauncherError: when it does not become ready, with what it said.
        """
        loop = asyncio.get_running_loop()
        buffer = wire.MessageBuffer()
        messages: list[wire.Message] = []
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not messages:
                    data = await loop.sock_recv(self._control, 4096)
                    if not data:
                        raise LauncherError(f"cannot run tests under {self.python!r}: {await self._post_mortem()}")
                    messages = buffer.feed(data)
                await loop.sock_sendall(self._control, wire.encode({"temp_root": str(temp_root)}))
        except TimeoutError:
            raise LauncherError(f"{self.python!r} was not ready to run tests after {READY_SECONDS:g} s") from None
        except OSError as error:
            raise LauncherError(f"cannot run tests under {self.python!r}: {error}") from error

    async def _post_mortem(self) -> str:
        code = await asyncio.to_thread(self._process.wait)
        return self.last_words() or f"it ended with exit code {code}"

    async def close(self) -> None:
        """End it with everything below it."""
        self._dismiss()
        self._control.close()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._stops.close()
        self._log.close()

    def discard(self) -> None:
        """Let go of one that is dead, or has to be."""
        self._stops.close()
        self._dismiss()
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


class LauncherPool:
    """Gives the launcher of an interpreter, starting it where that is needed."""

    def __init__(self, temp_root: Path, environment: Mapping[str, str]) -> None:
        self._temp_root = temp_root
        self._environment = {
            name: value for name, value in environment.items() if not name.startswith(PRIVATE_PREFIXES)
        }
        self._launchers: dict[str, Launcher] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, python: str) -> Launcher:
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
                known.discard()
            self._launchers[python] = launcher = await self._start(python)
            return launcher

    async def _start(self, python: str) -> Launcher:
        launcher = self._spawn(python)
        try:
            await launcher.greet(self._temp_root)
        except BaseException:
            launcher.discard()
            raise
        return launcher

    def _spawn(self, python: str) -> Launcher:
        program = shutil.which(python)
        if program is None:
            raise LauncherError(f"the interpreter {python!r} does not exist on this node, or is not executable")
        here, there = socket.socketpair()
        here.setblocking(False)
        log = tempfile.TemporaryFile()  # noqa: SIM115
        with there:
            try:
                process = subprocess.Popen(
                    [program, str(STARTER), "launcher", "--fd", str(there.fileno())],
                    env=self._environment,
                    pass_fds=[there.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                with contextlib.closing(here), contextlib.closing(log):
                    if error.errno in _MACHINE_ERRORS:
                        raise
                    raise LauncherError(f"cannot start the interpreter {python!r}: {error.strerror}") from error
        return Launcher(python, process, here, log)

    async def close(self) -> None:
        """End all launchers, and everything below them."""
        launchers = list(self._launchers.values())
        self._launchers.clear()
        await asyncio.gather(*(launcher.close() for launcher in launchers))
