"""Whether an API is there: one that is busy is, one that refuses is not."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pulseq.errors import InfrastructureError
from pulseq.orchestration import api_address
from pulseq.orchestration.api_address import check_api

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntrue"
SECRET = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(api_address, "_TIMEOUT_SECONDS", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/api"


def _answer(listener: socket.socket, *answers: bytes) -> None:
    """Take one connection for each of `answers`; an empty one is held until the caller gives up."""

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer:
                    connection.sendall(answer)
                else:
                    connection.recv(1)

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.parametrize("answers", [(OK,), (SECRET,), (b"", b"", OK)], ids=["well", "secret", "busy-at-first"])
def test_an_api_that_answers_in_the_end_is_there(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    _answer(listener, *answers)
    asyncio.run(check_api(_url(listener)))


def test_one_that_is_broken_is_told(listener: socket.socket) -> None:
    _answer(listener, BROKEN)
    with pytest.raises(InfrastructureError, match=r"does not answer \(Internal Server Error\)"):
        asyncio.run(check_api(_url(listener)))


def test_one_that_never_answers_is_told(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_address, "_PATIENCE_SECONDS", 0.3)
    with pytest.raises(InfrastructureError, match=r"does not answer \(timed out\)"):
        asyncio.run(check_api(_url(listener)))


def test_what_ended_in_the_background_is_told_how_to_stay(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with subprocess.Popen(["true"]) as ended:
        (tmp_path / "server.pid").write_text(str(ended.pid))

    with pytest.raises(InfrastructureError, match=r"had started is gone: .* `PREFECT_SERVER_ANALYTICS_ENABLED=false"):
        asyncio.run(check_api(_url(bound)))


def test_where_nothing_listens_nobody_waits(listener: socket.socket) -> None:
    url = _url(listener)
    listener.close()
    with pytest.raises(InfrastructureError, match=r"does not answer \(.*refused\)"):
        asyncio.run(check_api(url))


#: Says what it was called with as any server would, and listens on the socket that it was given once it is told to.
STARTS = """
import socket, sys
listening = socket.socket(fileno=int(sys.argv[1]))
print(flush=True)
sys.stdin.readline()
listening.listen()
connection, _ = listening.accept()
connection.recv(65536)
connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\ntrue")
connection.close()
"""


@contextmanager
def _start_server(bound: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    number, port = str(bound.fileno()), str(bound.getsockname()[1])
    words = ["prefect.server.api.server:create_app", "--port", port]
    command = [sys.executable, "-c", STARTS, number, *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, pass_fds=[bound.fileno()]) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()  # just after its start the kernel does not know its words yet
            yield server
        finally:
            server.kill()


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    """A socket that has its port and does not listen yet."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def test_a_server_that_is_being_started_is_waited_for(bound: socket.socket) -> None:
    said: list[str] = []
    with _start_server(bound) as server:
        assert server.stdin

        def say(text: str) -> None:
            said.append(text)
            assert server.stdin
            server.stdin.write(b"listen\n")
            server.stdin.flush()

        asyncio.run(check_api(_url(bound), say))

    assert [f"waiting for the Prefect server that is being started (process {server.pid}), at {_url(bound)!r}"] == said


def test_one_that_ends_while_it_starts_is_told(bound: socket.socket) -> None:
    with _start_server(bound) as server:
        with pytest.raises(InfrastructureError, match=r"does not answer \(.*refused\)"):
            asyncio.run(check_api(_url(bound), lambda _: server.kill()))


def test_one_that_starts_for_ever_is_told(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_address, "_START_PATIENCE_SECONDS", 0.0)
    with _start_server(bound):
        with pytest.raises(InfrastructureError, match=r"does not answer \(its process \d+ has not listened for 0 s\)"):
            asyncio.run(check_api(_url(bound), lambda _: None))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://me:secret@127.0.0.1:9/api", "the Prefect API at 'http://127.0.0.1:9/api' does not answer"),
        ("http://127.0.0.1:9/api?token=secret", "the Prefect API at 'http://127.0.0.1:9/api' does not answer"),
        ("http://127.0.0.1:many/api", "the Prefect API at 'http://127.0.0.1:many/api' does not answer"),
        ("nonsense", "the Prefect API at 'nonsense' does not answer"),
    ],
)
def test_an_address_is_told_without_its_secrets_whatever_is_wrong_with_it(url: str, told: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        asyncio.run(check_api(url))

    assert str(caught.value).startswith(told)
    assert "secret" not in str(caught.value)
