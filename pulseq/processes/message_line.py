"""Messages to and from another process of this machine, in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from pulseq.execution.runtime import wire

_READ_BYTES = 256 * 1024


class LineClosedError(Exception):
    """The process at the other end has gone."""


class MessageLine:
    """Messages over a stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._buffer = wire.MessageBuffer()
        self._sending = asyncio.Lock()

    async def send(self, message: wire.Message) -> None:
        """Send a message.

        Raises:
            LineClosedError: the other end has gone.
            wire.WireError: it is none.
        """
        data = wire.encode(message)
        async with self._sending:
            try:
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
            except OSError as error:
                raise LineClosedError(str(error)) from error

    def send_at_once(self, message: wire.Message) -> None:
        """Send a short message, where there is room for it.

        Raises:
            BlockingIOError: there is none.
            OSError: the other end has gone.
        """
        wire.send(self._sock, message)

    async def receive(self) -> list[wire.Message]:
        """What has come, one message at least; empty at the end of the line.

        Raises:
            wire.WireError: something else has come.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self._sock, _READ_BYTES)
            except OSError:
                return []
            if not data:
                return []
            if messages := self._buffer.feed(data):
                return messages

    def is_quiet(self) -> bool:
        """Whether the other end is there, and has said nothing yet."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def hang_up(self) -> None:
        """Let the other end see the end of the line, and hear what it has to say to that."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def break_off(self) -> None:
        """End the line for both, also for whoever listens here."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it."""
        self._sock.close()
