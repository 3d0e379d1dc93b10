"""The program on a host on which nodes are started over ssh (`python -m pulseq.node.host_process SLOTS`).

It speaks with their owner over standard input and output, and lives as long as that does: at the end of its input, or
when nothing was said for too long, it ends its nodes, removes what they left, and leaves. It imports little, so that
what nodes are forked from begins to load at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import platform
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pulseq import __version__
from pulseq.background import Background
from pulseq.errors import InfrastructureError
from pulseq.execution.runtime import wire
from pulseq.orchestration.quiet_settings import NODE_SETTINGS
from pulseq.ownership import open_own
from pulseq.processes.abandoned import remove_abandoned
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.node_forks import NodeForks, make_temp_root
from pulseq.protocol.coding import ProtocolError
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
    to_host,
    to_line,
)

#: How long the owner may say nothing before it has said how long it may.
FIRST_SILENCE_SECONDS = 60.0
_LOCK = "host.lock"
_READ_BYTES = 256 * 1024
#: So much of a node's log goes to its owner when it has ended.
_LOG_TAIL_BYTES = 16_000


class HostProcess:
    """Starts and ends nodes of this host as its owner asks.

    Args:
        root: a directory for all that is written here.
        output: a descriptor that takes what is said to the owner.
    """

    def __init__(self, root: Path, slots: int, output: int) -> None:
        self._output = output
        self._nodes: dict[str, LocalProcess] = {}
        self._forks = NodeForks(
            root / "logs",
            slots=slots,
            environment={**NODE_SETTINGS, "PREFECT_HOME": str(root / "prefect")},  # else it makes one in the login's
            shared=root / "pytest",
            make_place=self._make_place,
            owners_lock=root / _LOCK,
        )
        self._root = root
        self._starts = 0
        self._ports: dict[str, int] = {}
        self._directories: set[str | None] = set()
        self._logs = root / "logs"
        self._silence_seconds = FIRST_SILENCE_SECONDS
        self._background = Background(self._end_with)
        self._serving: asyncio.Task[None] | None = None

    def _make_place(self) -> Path:
        # Short: sockets that bodies make under their TMPDIR have 108 bytes for a name.
        self._starts += 1
        return self._root / f"n{self._starts}"

    async def serve(self, orders: asyncio.StreamReader) -> None:
        """Until the owner is gone."""
        self._serving = asyncio.current_task()
        hello = HostHello(__version__, version("distributed"), platform.python_version(), len(os.sched_getaffinity(0)))
        self._write(MARK)
        self._say(hello)
        try:
            await self._forks.fork_server.start()
            await self._listen(orders)
        finally:
            await self._background.end()
            await asyncio.gather(*(process.stop() for process in self._nodes.values()))
            await self._forks.stop()
            await asyncio.to_thread(self._sweep_projects)

    def _sweep_projects(self) -> None:
        """Remove what nodes have left of their runs that had no time for it themselves."""
        # Not a part of the start, which people wait for.
        from pulseq.node.host_projects import HostProjects

        for directory in self._directories:
            HostProjects(directory).sweep()

    def _end_with(self, name: str, error: BaseException) -> None:
        """Something has died that nobody waits for: all ends, which the owner sees, and it begins anew."""
        print(f"{name} has failed with {type(error).__name__}: {error}", file=sys.stderr)
        if self._serving is not None:
            self._serving.cancel()

    async def _listen(self, orders: asyncio.StreamReader) -> None:
        buffer = wire.MessageBuffer()
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds):
                    data = await orders.read(_READ_BYTES)
            except TimeoutError:
                print(f"the owner of these nodes has said nothing for {self._silence_seconds:g} s", file=sys.stderr)
                return
            if not data:
                return
            for message in buffer.feed(data):
                self._take(message)

    def _take(self, plain: wire.Message) -> None:
        match to_host(plain):
            case Beat(silence_seconds):
                self._silence_seconds = silence_seconds
            case FindPort(node_id):
                self._say(PortFound(node_id, self._find_port(node_id)))
            case StartNode() as order:
                self._background.start(self._start_node(order), f"starting node {order.node_id}")
            case StopNode(node_id):
                self._background.start(self._stop_node(node_id), f"ending node {node_id}")

    def _find_port(self, node_id: str) -> int:
        """A free port that was told for no other node, which may not listen there yet."""
        while (port := _free_port()) in self._ports.values():
            pass
        self._ports[node_id] = port
        return port

    async def _start_node(self, order: StartNode) -> None:
        node_id = order.node_id
        self._directories.add(order.configuration.get("directory"))
        try:
            process = await self._forks.start_node(node_id, order.configuration)
        except (InfrastructureError, OSError) as error:
            # The log stays here, and goes: its end travels.
            words = str(error).partition("; log: ")[0].partition("; its log is ")[0]
            self._say(NodeEnded(node_id, 1, words, self._read_log(node_id)))
            return
        self._nodes[node_id] = process
        self._say(NodeReady(node_id))
        code = await process.wait()
        await self._tell_end(node_id, process, code)

    async def _tell_end(self, node_id: str, process: LocalProcess, code: int) -> None:
        if self._nodes.get(node_id) is process:
            del self._nodes[node_id]
            await process.stop()  # for its line and its number
            await self._forks.clear(node_id)
            self._say(NodeEnded(node_id, code, process.last_words(), self._read_log(node_id)))

    def _read_log(self, node_id: str) -> str:
        with contextlib.suppress(OSError), open(self._logs / f"{node_id}.log", "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
        return ""

    async def _stop_node(self, node_id: str) -> None:
        process = self._nodes.get(node_id)
        if process is None:
            self._say(NodeEnded(node_id, 0, ""))
            return
        await process.stop()
        await self._tell_end(node_id, process, 0)

    def _say(self, message: FromHost) -> None:
        self._write(wire.encode(to_line(message)))

    def _write(self, data: bytes) -> None:
        # Not by asyncio, whose writer takes what comes on a socket of both ways for its end. It is little, and rare.
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            while data:
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self._output, data) :]
                if data:
                    select.select([], [self._output], [], 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def own_root() -> Iterator[Path]:
    """A directory of this process alone, removed with it; what others have left that were killed goes too."""
    sweep(Path(tempfile.gettempdir()))
    root = make_temp_root()
    root.mkdir(mode=0o700)
    lock = open_own(root / ".lock")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(root / ".lock", root / _LOCK)  # nobody sees it without its owner
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def sweep(directory: Path) -> None:
    """Remove the directories of host processes that have been killed: nobody holds their locks any more."""
    for path in directory.glob(f"pulseq-*/{_LOCK}"):
        with contextlib.suppress(OSError):
            remove_abandoned(path)


async def _serve(slots: int) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(os.dup(0), "rb"))
    output = os.dup(1)
    # What anybody prints is none of our messages.
    os.dup2(2, 1)
    serving = asyncio.current_task()
    assert serving is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, serving.cancel)
    with own_root() as root, contextlib.suppress(asyncio.CancelledError):
        await HostProcess(root, slots, output).serve(orders)


def main() -> None:
    slots = int(sys.argv[1]) or len(os.sched_getaffinity(0))
    try:
        asyncio.run(_serve(slots))
    except (ProtocolError, wire.WireError, OSError) as error:
        sys.exit(f"pulseq: {error}")


if __name__ == "__main__":
    main()
