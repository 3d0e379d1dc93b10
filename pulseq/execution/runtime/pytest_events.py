"""What a worker's plug-ins would tell their controller, on its way there: a file that one writes and one reads.

A file takes everything at once, however busy the controller is, and still has it when the worker has been killed.
Both ends run under one interpreter, so that `marshal` brings every value over as it was, tuples and bytes too.
"""

from __future__ import annotations

import marshal
import os
import struct
from typing import Any, Dict, Iterator, Tuple

Event = Tuple[str, Dict[str, Any]]

_HEADER = struct.Struct(">I")
_READ_BYTES = 1024 * 1024
_EXACT: Tuple[Any, ...] = (type(None), bool, int, float, complex, str, bytes)


class EventWriter:
    """The worker's end.

    Args:
        path: of the file, which is made where it is not there.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._waiting = bytearray()

    def add(self, event: str, /, **data: Any) -> None:
        """Take an event; it is on its way with the next `flush`."""
        frame = encode((event, data))
        self._waiting += _HEADER.pack(len(frame)) + frame

    def flush(self) -> None:
        while self._waiting:
            del self._waiting[: os.write(self._fd, self._waiting)]

    def close(self) -> None:
        os.close(self._fd)


class EventReader:
    """The controller's end: what has come since it was asked last."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._pending = bytearray()

    def read(self) -> Iterator[Event]:
        """All complete events that are there, in order."""
        while True:
            data = os.read(self._fd, _READ_BYTES)
            self._pending += data
            yield from self._take()
            if not data:
                return

    def _take(self) -> Iterator[Event]:
        start = 0
        while len(self._pending) - start >= _HEADER.size:
            end = start + _HEADER.size + _HEADER.unpack_from(self._pending, start)[0]
            if len(self._pending) < end:
                break
            frame = bytes(self._pending[start + _HEADER.size : end])
            start = end
            yield marshal.loads(frame)
        del self._pending[:start]

    def close(self) -> None:
        os.close(self._fd)


def encode(value: Any) -> bytes:
    """The bytes of a value; what is of no type that travels is replaced by the nearest one that does."""
    try:
        return marshal.dumps(value)
    except ValueError:
        return marshal.dumps(plain(value))


def plain(value: Any) -> Any:
    """A value made of built-in types alone, for what pytest-xdist would refuse to send."""
    if type(value) in _EXACT:
        return value
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(plain(one) for one in value)
    for scalar in _EXACT[1:]:
        if isinstance(value, scalar):
            return scalar(value)
    return _as_text(value)


def _as_text(value: Any) -> str:
    try:
        return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)
    except Exception:  # noqa: BLE001 whatever a suite's own class does, its report goes on
        return f"<{type(value).__name__}>"


def decode(data: bytes) -> Any:
    """The value that `encode` made bytes of."""
    return marshal.loads(data)
