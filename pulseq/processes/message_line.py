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
        self._ready: list[wire.Message] = []

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
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        while data := await self._hear():
            if messages := self._buffer.feed(data):
                return messages
        return []

    async def skip_to(self, mark: bytes, most: int) -> bool:
        """Drop what comes before these bytes, and them; whether they have come, within so many bytes.

        Raises:
            wire.WireError: something else than a message follows.
        """
        heard = b""
        while mark not in heard and len(heard) <= most:
            if not (data := await self._hear()):
                return False
            heard += data
        _, found, after = heard.partition(mark)
        self._ready += self._buffer.feed(after)
        return bool(found)

    async def _hear(self) -> bytes:
        """What has come; nothing at the end of the line."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, _READ_BYTES)
        except OSError:
            return b""

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


class PacketLine:
    """Messages over a socket of packets, and descriptors with those that are sent."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._sending = asyncio.Lock()
        self._room: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was not closed here."""
        return self._sock.fileno() >= 0

    async def send(self, message: wire.Message, *descriptors: int) -> None:
        """Send a message, waiting where the socket holds all that it can until the other end reads.

        Raises:
            OSError: the other end has gone, or the line was closed.
        """
        async with self._sending:
            while not self.send_at_once(message, *descriptors):
                await self._wait_for_room()

    def send_at_once(self, message: wire.Message, *descriptors: int) -> bool:
        """Send a message, where there is room for it; whether there was.

        Raises:
            OSError: the other end has gone, or the line was closed.
        """
        try:
            wire.send(self._sock, message, *descriptors)
        except BlockingIOError:
            return False
        return True

    async def _wait_for_room(self) -> None:
        loop = asyncio.get_running_loop()
        self._room = loop.create_future()
        loop.add_writer(self._sock, self._tell_room)
        try:
            await self._room
        finally:
            self._tell_room()

    def _tell_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            asyncio.get_running_loop().remove_writer(self._sock)
            if not room.done():
                room.set_result(None)

    async def receive(self) -> wire.Message | None:
        """The next message; None at the end of the line.

        Raises:
            wire.WireError: something else has come.
        """
        data = await asyncio.get_running_loop().sock_recv(self._sock, wire.LONGEST_PACKET)
        return wire.decode_packet(data)

    def close(self) -> None:
        """Let go of it; who waits for room is told."""
        self._tell_room()
        self._sock.close()
