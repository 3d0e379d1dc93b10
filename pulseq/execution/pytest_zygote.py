"""A pytest zygote as its node sees it: started with pytest's arguments, asked for keepers, hung up on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pulseq.execution.pytest_lines import END_SECONDS, KeeperLine, LineClosedError, MessageLine
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.output import HeadTail

_PROGRAM = Path(__file__).parent / "runtime" / "__main__.py"
_READ_BYTES = 256 * 1024


class ZygoteProcess:
    """The guardian's process and what it and the zygote print.

    The end of the process is known by its pidfd: a stray process may hold the pipe open for longer.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.printed = HeadTail()
        self.ended = asyncio.Event()
        self._process = process
        self._pipe = process.stdout
        self._pidfd = os.pidfd_open(process.pid)
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._pipe.fileno(), False)
        self._loop.add_reader(self._pipe.fileno(), self._read)
        self._loop.add_reader(self._pidfd, self._note_end)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        self.printed.feed(data)
        if not data:
            self._loop.remove_reader(self._pipe.fileno())

    def _note_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._read()
        self._process.wait()
        self.ended.set()

    async def wait(self, seconds: float) -> int | None:
        """Its exit code, or None where it has not ended in that time."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            return None
        return self._process.returncode

    async def end(self) -> None:
        """See it gone, by force where it takes too long, and let go of it."""
        if await self.wait(END_SECONDS) is None:
            self._process.send_signal(signal.SIGKILL)
            await self.ended.wait()
        self._loop.remove_reader(self._pipe.fileno())
        self._pipe.close()
        os.close(self._pidfd)


class ZygoteLine:
    """A zygote with its guardian."""

    def __init__(self, process: ZygoteProcess, sock: socket.socket) -> None:
        self.process = process
        self._line = MessageLine(sock)
        self._turn = asyncio.Lock()

    @classmethod
    def start(cls, python: str, cwd: str, environment: Mapping[str, str]) -> ZygoteLine:
        """Start a zygote under an interpreter.

        Raises:
            OSError: when it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(
                    [python, str(_PROGRAM), "pytest_zygote", "--fd", str(theirs.fileno())],
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        return cls(ZygoteProcess(process), ours)

    @property
    def dead(self) -> bool:
        return self.process.ended.is_set()

    async def collect(self, request: wire.Message) -> wire.Message:
        """Have it collect; its answer, `collected` or `refused`."""
        try:
            await self._line.send(request)
            answers = await self._line.receive()
        except LineClosedError:
            answers = []
        if answers and (answers[0]["op"] == "collected" or answers[0]["error"]):
            return answers[0]
        return {"op": "refused", "error": await self._last_words(answers)}

    async def _last_words(self, answers: Sequence[wire.Message]) -> str:
        """What is known of a zygote that ended without a word of pytest's own."""
        code = await self.process.wait(END_SECONDS)
        printed = self.process.printed.text().strip()
        if answers and printed:
            return printed
        code = answers[0]["exit_code"] if answers else code or 0
        how = f"signal {code - 128} ({signal.Signals(code - 128).name})" if code > 128 else f"exit code {code}"
        return f"pytest ended with {how} before it had collected\n{printed}".strip()

    async def fork_keeper(self, worker: str, temp: str) -> KeeperLine:
        """A new keeper, which forks its runner when it has something to run.

        Raises:
            LineClosedError: when the zygote has gone.
        """
        ours, theirs = socket.socketpair()
        async with self._turn:
            with theirs:
                try:
                    await self._line.send({"op": "fork", "worker": worker, "temp": temp})
                    socket.send_fds(self._line.sock, [b"\0"], [theirs.fileno()])
                    if not await self._line.receive():
                        raise LineClosedError
                except (OSError, LineClosedError) as error:
                    ours.close()
                    raise LineClosedError from error
        return KeeperLine(ours, worker)

    async def close(self) -> None:
        """Hang up, which ends it and everything below it, and see it gone."""
        self._line.sock.close()
        await self.process.end()
