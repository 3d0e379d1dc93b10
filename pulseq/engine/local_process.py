"""Processes of this machine that belong to a run: started, told, watched and ended here alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pulseq.errors import InfrastructureError

#: How long a child may take from the request to end until it is killed, in seconds.
GRACE_SECONDS = 3.0
_LOG_TAIL_BYTES = 2000


class Ears(asyncio.SubprocessProtocol):
    """What is heard of a child: its first line, and its end, which waits for nobody that holds its pipes."""

    def __init__(self) -> None:
        self.first_line: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._said = bytearray()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        # What follows the line is read and dropped, so that the child never waits for a reader.
        if not self.first_line.done():
            self._said += data
            line, end, _ = bytes(self._said).partition(b"\n")
            if end:
                self.first_line.set_result(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1 and not self.first_line.done():
            self.first_line.set_result(bytes(self._said))

    def process_exited(self) -> None:
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


class _SpawnedChild:
    """A child in the hands of asyncio."""

    def __init__(self, transport: asyncio.SubprocessTransport) -> None:
        self.pid = transport.get_pid()
        self._transport = transport

    @property
    def returncode(self) -> int | None:
        return self._transport.get_returncode()

    def write(self, data: bytes) -> None:
        self._input.write(data)

    def end_input(self) -> None:
        self._input.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def _input(self) -> asyncio.WriteTransport:
        pipe = self._transport.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)
        return pipe


class LocalProcess:
    """One child: `python -m MODULE`, or a fork of it, configured by a line on its standard input.

    It lives in a session of its own, so that the terminal's Ctrl-C reaches the owner alone,
    and ends when the owner does (see `pulseq.engine.child`).
    """

    def __init__(self, name: str, child: Child, ears: Ears, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._child = child
        self._ears = ears

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
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(log_path, "ab") as log:
            transport, ears = await asyncio.get_running_loop().subprocess_exec(
                Ears,
                sys.executable,
                "-m",
                module,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        process = cls(name, _SpawnedChild(transport), ears, log_path)
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

    async def ready(self, timeout_seconds: float) -> dict[str, Any]:
        """The child's first message.

        Raises:
            InfrastructureError: it ended, said nothing in time or something else; the text has its last words.
        """
        try:
            line = await asyncio.wait_for(self._hear(), timeout_seconds)
        except TimeoutError:
            raise InfrastructureError(
                f"{self.name} did not get ready within {timeout_seconds:.0f} s; its log is {self.log_path}"
            ) from None
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

    async def _hear(self) -> bytes:
        line = await asyncio.shield(self._ears.first_line)
        if not line:
            await self.wait()
        return line

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
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace_seconds)
            # Also when the leader has ended by itself: that was just now, so its number is nobody else's yet.
            self._kill_session()
            await self.wait()
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
