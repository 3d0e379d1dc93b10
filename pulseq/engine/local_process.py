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
from typing import Any

from pulseq.errors import InfrastructureError

#: How long a child may take from the request to end until it is killed, in seconds.
GRACE_SECONDS = 3.0
_LOG_TAIL_BYTES = 2000


class LocalProcess:
    """One child: `python -m MODULE`, configured by a line on its standard input.

    It lives in a session of its own, so that the terminal's Ctrl-C reaches the owner alone,
    and ends when the owner does (see `pulseq.engine.child`).
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        configuration: Mapping[str, Any],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> LocalProcess:
        """Start the child; its errors go to `log_path`. It is not ready yet: await `ready()`."""
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(log_path, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                pass_fds=tuple(pass_fds),
                limit=1 << 20,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(dict(configuration)).encode() + b"\n")
        return cls(name, process, log_path)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ready(self, timeout_seconds: float) -> dict[str, Any]:
        """The child's first message.

        Raises:
            InfrastructureError: it ended or said nothing in time; the text has its last words.
        """
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), timeout_seconds)
        except TimeoutError:
            raise InfrastructureError(
                f"{self.name} did not get ready within {timeout_seconds:.0f} s; its log is {self.log_path}"
            ) from None
        if not line:
            await self._process.wait()
            raise InfrastructureError(f"{self.name} ended while it started: {self.last_words()}; log: {self.log_path}")
        message: dict[str, Any] = json.loads(line)
        return message

    async def wait(self) -> int:
        """Until the child has ended; its return code."""
        return await self._process.wait()

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the child: close its lifeline, then SIGTERM's harder brother."""
        if self.alive and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL the child's session, leader or not."""
        if self.alive:
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
