"""Messages between processes of one machine: a length of four bytes, then that many bytes of JSON.

JSON is written in ASCII, so that any text travels, lone surrogates and NUL included. They travel over streams, and
where descriptors go with them over sockets of packets (SOCK_SEQPACKET), one in each.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from typing import Any, Dict, List, Optional, Tuple

Message = Dict[str, Any]

#: A frame longer than this is refused: something else than a message is on the line.
LONGEST_FRAME = 64 * 1024 * 1024
LONGEST_PACKET = 64 * 1024

_HEADER = struct.Struct(">I")
_CHUNK = 256 * 1024


class WireError(ValueError):
    """What came, or should go, over the line is no message."""


def encode(message: Message) -> bytes:
    """The frame of one message.

    Raises:
        WireError: where it holds something that JSON does not know, or is too long.
    """
    try:
        data = json.dumps(message, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from error
    if len(data) > LONGEST_FRAME:
        raise WireError(f"a message of {len(data)} bytes; at most {LONGEST_FRAME} are sent")
    return _HEADER.pack(len(data)) + data


def send(sock: socket.socket, message: Message, *descriptors: int) -> None:
    """Send one message, and descriptors with it; one that takes any has to be short."""
    data = encode(message)
    # The code under test may have chosen to die of a closed line; that is for its own lines.
    if descriptors:
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        sock.sendmsg([data], passed, socket.MSG_NOSIGNAL)
    else:
        sock.sendall(data, socket.MSG_NOSIGNAL)


def receive_packet(
    sock: socket.socket, descriptors: int = 0, *, longest: int = LONGEST_PACKET
) -> Tuple[Optional[Message], List[int]]:
    """The next message of a socket of packets, None at its end, and what came with it of so many descriptors.

    Raises:
        WireError: a packet holds something else.
    """
    data, passed = read_bytes(sock, longest, descriptors)
    return decode_packet(data), passed


def decode_packet(data: bytes) -> Optional[Message]:
    """The message of one packet; None of an empty one, which is the end of the line.

    Raises:
        WireError: it holds something else.
    """
    for message in MessageBuffer().feed(data):
        return message
    if data:
        raise WireError(f"a packet of {len(data)} bytes holds no whole message")
    return None


def read_bytes(sock: socket.socket, longest: int, descriptors: int) -> Tuple[bytes, List[int]]:
    """What has come, nothing at the end of the line, and what came with it of so many descriptors.

    No program that is started inherits them, as one would what `socket.recv_fds` returns, which heeds no flags.
    """
    passed = array.array("i")
    space = socket.CMSG_LEN(descriptors * passed.itemsize)
    data, ancillary, _, _ = sock.recvmsg(longest, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, found in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            passed.frombytes(found[: len(found) - len(found) % passed.itemsize])
    return data, list(passed)


def receive(sock: socket.socket) -> Optional[Message]:
    """The next message of a stream, blocking; None at its end, also in the middle of a message."""
    header = _receive_exactly(sock, _HEADER.size)
    if header is None:
        return None
    data = _receive_exactly(sock, _length(header))
    return None if data is None else _decode(data)


def write(fd: int, message: Message) -> None:
    """Write one message into a file."""
    data = encode(message)
    while data:
        data = data[os.write(fd, data) :]


def read(fd: int) -> Message:
    """The one message in a file, wherever that was read to."""
    with open(fd, "rb", closefd=False) as file:
        file.seek(0)
        return _decode(file.read()[_HEADER.size :])


class MessageBuffer:
    """Puts messages together from whatever pieces a non-blocking socket gives."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> List[Message]:
        """Take in what was read; the messages that are complete now, in order."""
        self._pending += data
        messages: List[Message] = []
        while len(self._pending) >= _HEADER.size:
            end = _HEADER.size + _length(self._pending)
            if len(self._pending) < end:
                break
            messages.append(_decode(bytes(self._pending[_HEADER.size : end])))
            del self._pending[:end]
        return messages


def _length(header: "bytes | bytearray") -> int:
    length: int = _HEADER.unpack_from(header)[0]
    if length > LONGEST_FRAME:
        raise WireError(f"a frame of {length} bytes was announced; at most {LONGEST_FRAME} are taken")
    return length


def _decode(data: bytes) -> Message:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from error
    if not isinstance(message, dict):
        raise WireError(f"a message is an object, found {type(message).__name__}")
    return message


def _receive_exactly(sock: socket.socket, count: int) -> Optional[bytes]:
    data = bytearray()
    while len(data) < count:
        chunk = sock.recv(min(count - len(data), _CHUNK))
        if not chunk:
            return None
        data += chunk
    return bytes(data)
