"""The zygote's lines to the nodes that fork from it, as its guardian hands them on."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import socket
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from . import wire

_READ_BYTES = 256 * 1024


class Request(NamedTuple):
    """What a node asks for, on which line, and the descriptors that came with it."""

    line: socket.socket
    message: wire.Message
    descriptors: List[int]


class Nodes:
    """The nodes that are connected.

    A process that is forked here must call `part` before it does anything else, so that a line ends with its node.

    Args:
        source: where the guardian hands on the connections.
        directory: takes long answers; the usual place for temporary files when None.
    """

    def __init__(self, source: socket.socket, directory: Optional[str]) -> None:
        self.directory = directory
        self._source = source
        self._lines: Dict[int, socket.socket] = {}
        self._buffers: Dict[int, wire.MessageBuffer] = {}

    def requests(self) -> Iterator[Request]:
        """What they ask for, as it comes; ends with the guardian."""
        while True:
            poll = select.poll()
            for descriptor in (self._source.fileno(), *self._lines):
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll():
                if descriptor == self._source.fileno():
                    if not self._take_line():
                        return
                elif descriptor in self._lines:
                    yield from self._hear(self._lines[descriptor])

    def _take_line(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._source, 1, 1)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            self._lines[descriptor] = socket.socket(fileno=descriptor)
            self._buffers[descriptor] = wire.MessageBuffer()
        return bool(data)

    def _hear(self, line: socket.socket) -> Iterator[Request]:
        try:
            data, descriptors, _, _ = socket.recv_fds(line, _READ_BYTES, 8)
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not data:
            del self._lines[line.fileno()], self._buffers[line.fileno()]
            line.close()
            return
        for message in self._buffers[line.fileno()].feed(data):
            yield Request(line, message, descriptors)

    def part(self) -> None:
        """In a fork: let go of all lines."""
        self._source.close()
        for line in self._lines.values():
            line.close()


class Answer:
    """One long answer for all who ask: each gets a descriptor to read it from.

    It would not fit into a socket, and a node that has stopped would make the others wait.
    """

    def __init__(self, message: Dict[str, Any], directory: Optional[str]) -> None:
        self._file = tempfile.TemporaryFile(buffering=0, dir=directory)  # noqa: SIM115 as long as the zygote
        data = json.dumps(message, separators=(",", ":")).encode("ascii")
        written = 0
        while written < len(data):
            written += self._file.write(data[written:])

    def give(self, line: socket.socket) -> None:
        """Hand it to a node, unless that has gone."""
        tell(line, {"op": "answer"}, self._file.fileno())

    def part(self) -> None:
        """In a fork: let go of it."""
        self._file.close()


def tell(line: socket.socket, message: wire.Message, *descriptors: int) -> None:
    """Send a short message to a node, unless that has gone."""
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    with contextlib.suppress(OSError):
        # The suite may have chosen to die of a closed line; that is for its own lines.
        line.sendmsg([wire.encode(message)], passed, socket.MSG_NOSIGNAL)
