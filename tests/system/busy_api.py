"""A way to a Prefect API that refuses some requests, as a server on SQLite does that others keep busy."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 2\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}"


class BusyApi:
    """Hands everything on to the API, but for the first requests whose line matches.

    Args:
        line: a pattern.
        refused: how many requests are refused.
        status: what they are answered.
    """

    def __init__(self, api_url: str, line: bytes, refused: int, status: bytes) -> None:
        place = urlsplit(api_url)
        self._place = (place.hostname or "", place.port or 0)
        self._line = re.compile(line)
        self._status = status
        self.left = refused
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = {self._listener}
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{place.path}"

    def serve(self) -> None:
        self._start(self._accept)

    def close(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._open:
            one.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._place)
                with self._lock:
                    self._open |= {client, server}
                self._start(self._hand_on, client, server, True)
                self._start(self._hand_on, server, client, False)

    def _hand_on(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if asks and self._line.match(data) and self._refuses():
                    one.sendall(_ANSWER % self._status)
                    break
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _refuses(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left >= 0


@contextlib.contextmanager
def busy(api_url: str, line: bytes, *, refused: int, status: bytes = b"503 Service Unavailable") -> Iterator[BusyApi]:
    api = BusyApi(api_url, line, refused, status)
    api.serve()
    try:
        yield api
    finally:
        api.close()
