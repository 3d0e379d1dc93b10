"""A long answer for all who ask: each gets a descriptor to read it from."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from typing import Any, Dict, Optional

from . import wire


class AnswerFile:
    """A message that would not fit into a socket; and whoever has stopped would make the others wait."""

    def __init__(self, message: Dict[str, Any], directory: Optional[str]) -> None:
        self._file = tempfile.TemporaryFile(buffering=0, dir=directory)  # noqa: SIM115 as long as it is given
        data = json.dumps(message, separators=(",", ":")).encode("ascii")
        written = 0
        while written < len(data):
            written += self._file.write(data[written:])

    def give(self, line: socket.socket) -> None:
        """Hand it on, unless the other end has gone."""
        tell(line, {"op": "answer"}, self._file.fileno())

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def tell(line: socket.socket, message: wire.Message, *descriptors: int) -> None:
    """Send a short message, unless the other end has gone."""
    with contextlib.suppress(OSError):
        wire.send(line, message, *descriptors)
