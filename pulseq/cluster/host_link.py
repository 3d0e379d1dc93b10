"""One ssh connection to a host, and what is said over it to the program there that starts nodes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Coroutine, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulseq import __version__
from pulseq.background import Background
from pulseq.cluster.ssh_command import ssh_command
from pulseq.cluster.ssh_forwards import SshForwards
from pulseq.cluster.ssh_trouble import explain, explain_loss, explain_version
from pulseq.errors import InfrastructureError
from pulseq.execution.runtime import wire
from pulseq.fleet import SshSpec
from pulseq.ownership import make_own_directory
from pulseq.processes.message_line import LineClosedError, MessageLine
from pulseq.processes.node_forks import START_PATIENCE_SECONDS
from pulseq.processes.spawn import open_log, spawn
from pulseq.processes.tied_program import tied
from pulseq.processes.watched_process import OwnChild
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.host import (
    MARK,
    Beat,
    FindPort,
    FromHost,
    HostHello,
    NodeEnded,
    NodeReady,
    PortFound,
    StartNode,
    StopNode,
    ToHost,
    from_host,
    to_line,
)

logger = logging.getLogger("pulseq.nodes")

#: So much a login shell may say before the program does.
_MOST_NOISE = 1 << 20
#: How long the way to the host may take, whatever it goes by; then how long the program there, which is Python's start.
REACH_SECONDS = 9.5
HELLO_SECONDS = 30.0
_LOOK_SECONDS = 0.05
#: How long nodes and bodies may take to end when they are asked to.
END_SECONDS = 6.0
#: Where `pulseq node install` puts PulseQ on a host.
INSTALLED_PYTHON = ".local/share/pulseq/venv/bin/python"
#: What looks for an interpreter that has PulseQ, where none is named: that of `pulseq node install`, the same as here,
#: that of the login.
_FIND_PYTHON = (
    'for p in "$HOME/{installed}" {here} python3; do '
    'if command -v "$p" >/dev/null 2>&1; then exec "$p" -P -m {module} {slots}; fi; '
    "done; echo pulseq-host: no python >&2; exit 127"
)
_MODULE = "pulseq.node.host_process"


class HostedNode:
    """A node on another host, as its owner has it.

    Attributes:
        pid: of the ssh that it is reached through.
    """

    def __init__(self, link: HostLink, node_id: str) -> None:
        self.pid = link.pid
        self._link = link
        self._node_id = node_id

    async def wait(self) -> int:
        """Until it has ended, or the connection to its host has; what it ended with."""
        return await self._link.wait_for_end(self._node_id)

    async def stop(self) -> None:
        """End it."""
        await self._link.stop_node(self._node_id)


class HostLink:
    """One connection to a host, and the program at its other end.

    Attributes:
        hello: what the program has said of itself.
    """

    hello: HostHello

    def __init__(self, host: str, ssh: SshSpec, logs: Path, silence_seconds: float, places: Path | None = None) -> None:
        self._host = host
        self._ssh = ssh
        self._log_path = logs / f"ssh-{host}.log"
        self._logs = logs
        self._silence_seconds = silence_seconds
        self._forwards = SshForwards(host, ssh, places)
        #: By node: the port here that leads to its own there.
        self._ways: dict[str, tuple[int, int]] = {}
        self._process: OwnChild | None = None
        self._line: MessageLine | None = None
        self._ready: dict[str, asyncio.Future[str | None]] = {}
        self._found: dict[str, asyncio.Future[int]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}
        self._lost = asyncio.Event()
        self._background = Background()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._lost.is_set()

    async def open(self, slots: int) -> None:
        """Connect, and hear who is there.

        Raises:
            InfrastructureError: the host cannot be reached, or has no PulseQ of this version.
        """
        if self._ssh.identity is not None and not Path(self._ssh.identity).expanduser().is_file():
            raise InfrastructureError(
                f"host {self._host!r} cannot be reached: there is no key file {self._ssh.identity!r}; "
                "name one that is there: `ssh: {identity: FILE}`"
            )
        make_own_directory(self._forwards.place)
        began = self._log_size()
        self._spawn(slots)
        assert self._line is not None
        try:
            await self._reach(began)
            async with asyncio.timeout(HELLO_SECONDS):
                if not await self._line.skip_to(MARK, _MOST_NOISE):
                    raise InfrastructureError(await self._explain(began))
                hello = from_host((await self._line.receive())[0])
        except TimeoutError:
            raise InfrastructureError(
                f"host {self._host!r} cannot be used: it has let us in and said nothing within {HELLO_SECONDS:g} s; "
                f"the log of ssh is {self._log_path}"
            ) from None
        except IndexError:
            raise InfrastructureError(await self._explain(began)) from None
        assert isinstance(hello, HostHello)
        self._check(hello)
        self.hello = hello
        self._background.start(self._listen(), f"listening to host {self._host}")
        self._background.start(self._keep_beating(), f"telling host {self._host} of its owner")

    async def _reach(self, began: int) -> None:
        """Until the host has let us in, or ssh has ended.

        Raises:
            InfrastructureError: it has not in time.
        """
        assert self._process is not None
        try:
            async with asyncio.timeout(REACH_SECONDS):
                # That is when ssh makes its socket, of which nobody tells.
                while not (os.path.exists(self._forwards.control_path) or self._process.ended.is_set()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            said = self._log_since(began) or "the way to it timed out"
            raise InfrastructureError(explain(self._host, said, None, user=self._ssh.user)) from None

    def _spawn(self, slots: int) -> None:
        ours, theirs = socket.socketpair()
        self._line = MessageLine(ours)
        # ssh itself ends where the host does not answer for as long as it would wait for us.
        alive = max(1, int(self._silence_seconds / 4))
        options: dict[str, str | int] = {
            "ControlMaster": "yes",
            "ControlPath": self._forwards.control_path,
            "ControlPersist": "no",
            "ServerAliveInterval": alive,
            "ServerAliveCountMax": max(1, int(self._silence_seconds / alive)),
        }
        command = ssh_command(self._host, self._ssh, self._remote_command(slots), options=options)
        with theirs, open_log(self._log_path) as log:
            try:
                # While it cannot reach the host it does not end with its input.
                pid = spawn(
                    tied(command), environment=os.environ, errors=log, stdin=theirs.fileno(), stdout=theirs.fileno()
                )
            except OSError as error:
                raise InfrastructureError(explain(self._host, f"{error.strerror}: ssh", None)) from error
        self._process = OwnChild(pid)
        self._process.keep_going(lambda _: logger.info("the ssh to host %s had been stopped by SIGSTOP", self._host))

    def _remote_command(self, slots: int) -> str:
        python = self._ssh.python
        if python is None:
            here = shlex.quote(sys.executable)
            script = _FIND_PYTHON.format(installed=INSTALLED_PYTHON, here=here, module=_MODULE, slots=slots)
        else:
            home, path = ("$HOME/", python[2:]) if python.startswith("~/") else ("", python)
            script = f"exec {home}{shlex.quote(path)} -P -m {_MODULE} {slots}"
        return f"exec sh -c {shlex.quote(script)}"

    def _check(self, hello: HostHello) -> None:
        if hello.pulseq != __version__:
            raise InfrastructureError(explain_version(self._host, hello.pulseq))
        if hello.protocol != PROTOCOL:
            raise InfrastructureError(
                explain_version(self._host, str(hello.protocol), "the protocol", ours=str(PROTOCOL))
            )
        if hello.distributed != (ours := version("distributed")):
            raise InfrastructureError(explain_version(self._host, hello.distributed, "distributed", ours=ours))

    async def _explain(self, began: int) -> str:
        assert self._process is not None
        code: int | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                code = await self._process.wait()
        return explain(self._host, self._log_since(began), code, user=self._ssh.user)

    async def start_node(self, node_id: str, configuration: Mapping[str, Any]) -> HostedNode:
        """A node there that has joined its scheduler, which it and this machine reach through this connection.

        Raises:
            InfrastructureError: it does not start.
        """
        scheme, _, place = str(configuration["scheduler"]).rpartition("://")
        scheduler_port = await self._forwards.lead_back(int(place.rpartition(":")[2]))
        port = await self._ask(self._found, node_id, FindPort(node_id))
        contact = await self._forwards.lead_there(port)
        self._ways[node_id] = contact, port
        here = {
            "scheduler": f"{scheme}://127.0.0.1:{scheduler_port}",
            "host": "127.0.0.1",
            "port": port,
            "contact": f"{scheme}://127.0.0.1:{contact}",
            "slots": configuration["slots"] or self.hello.processors,
        }
        self._ended[node_id] = asyncio.get_running_loop().create_future()
        trouble = await self._ask(self._ready, node_id, StartNode(node_id, {**configuration, **here}))
        if trouble is not None:
            log = self._logs / f"{node_id}.log"
            raise InfrastructureError(f"node {node_id!r} does not start on host {self._host!r}: {trouble}; log: {log}")
        return HostedNode(self, node_id)

    async def _ask(self, answers: dict[str, asyncio.Future[Any]], node_id: str, message: ToHost) -> Any:
        """The answer to a message.

        Raises:
            InfrastructureError: there is none.
        """
        answers[node_id] = answer = asyncio.get_running_loop().create_future()
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await self._send(message)
            async with asyncio.timeout(2 * START_PATIENCE_SECONDS):
                await asyncio.wait({answer, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise InfrastructureError(explain_loss(self._host))
            return answer.result()
        except TimeoutError:
            raise InfrastructureError(f"host {self._host!r} does not answer") from None
        finally:
            lost.cancel()
            answers.pop(node_id, None)

    async def _send(self, message: ToHost) -> None:
        assert self._line is not None
        try:
            await self._line.send(to_line(message))
        except LineClosedError as error:
            raise InfrastructureError(explain_loss(self._host)) from error

    async def _keep_beating(self) -> None:
        while not self.is_lost:
            with contextlib.suppress(InfrastructureError):
                await self._send(Beat(self._silence_seconds))
            await asyncio.sleep(self._silence_seconds / 6)

    async def _listen(self) -> None:
        assert self._line is not None
        try:
            while messages := await self._line.receive():
                for message in messages:
                    self._hear(from_host(message))
        except (wire.WireError, InfrastructureError) as error:
            logger.warning("host %s: %s", self._host, error)
        finally:
            self._lost.set()

    def _hear(self, message: FromHost) -> None:
        match message:
            case PortFound(node_id, port):
                _answer(self._found, node_id, port)
            case NodeReady(node_id):
                _answer(self._ready, node_id, None)
            case NodeEnded(node_id, code, words, log):
                self._keep_words(node_id, log or words)
                _answer(self._ready, node_id, words)
                _answer(self._ended, node_id, code)
                self._end_way(node_id)
            case HostHello():
                pass

    def _end_way(self, node_id: str) -> None:
        if (way := self._ways.pop(node_id, None)) is not None:
            self._background.start(self._unless_ended(self._forwards.end_way(*way)), f"ending the way to {node_id}")

    async def _unless_ended(self, asking: Coroutine[Any, Any, None]) -> None:
        try:
            await asking
        except InfrastructureError as error:
            logger.debug("host %s: %s", self._host, error)

    def _keep_words(self, node_id: str, words: str) -> None:
        if words and node_id in self._ended:  # and not by whatever name a host says: a file is called so
            with contextlib.suppress(OSError), open_log(self._logs / f"{node_id}.log") as log:
                log.write(f"{words}\n".encode(errors="replace"))

    async def wait_for_end(self, node_id: str) -> int:
        """Until a node has ended, or this connection has; what it ended with."""
        ended = self._ended[node_id]
        lost: asyncio.Future[Any] = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({ended, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        return ended.result() if ended.done() else 255

    async def stop_node(self, node_id: str) -> None:
        """End a node; one that is not heard of is given up."""
        if self.is_lost or self._ended[node_id].done():
            return
        with contextlib.suppress(InfrastructureError, TimeoutError):
            await self._send(StopNode(node_id))
            async with asyncio.timeout(END_SECONDS):
                await self.wait_for_end(node_id)

    async def close(self) -> None:
        """End the connection, and the program there with its nodes."""
        if self._line is not None:
            self._line.hang_up()
        if self._process is not None:
            if self._process.returncode is None:
                await self._process.end(END_SECONDS)
            self._process.close()
        self._lost.set()
        await self._background.end()
        if self._line is not None:
            self._line.close()
        await asyncio.to_thread(shutil.rmtree, self._forwards.place, ignore_errors=True)

    def _log_size(self) -> int:
        with contextlib.suppress(OSError):
            return self._log_path.stat().st_size
        return 0

    def _log_since(self, began: int) -> str:
        with contextlib.suppress(OSError), open(self._log_path, "rb") as log:
            log.seek(began)
            return log.read(_MOST_NOISE).decode(errors="replace")
        return ""


def _answer(answers: dict[str, asyncio.Future[Any]], node_id: str, value: Any) -> None:
    if (waiting := answers.get(node_id)) is not None and not waiting.done():
        waiting.set_result(value)
