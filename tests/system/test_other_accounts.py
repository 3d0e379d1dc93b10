"""What another account of this machine gets from a run, `pulseq up` and a fleet that nodes have joined: nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.accounts import as_somebody, needs_two_accounts, open_place
from tests.system.conftest import open_workplace
from tests.system.test_joined_nodes import free_port
from tests.system.workplace import Workplace, until

pytestmark = needs_two_accounts

LONG = """
suite: long
tests:
  - {id: long, command: [python, -c, "import pathlib, time; pathlib.Path('PLACE/NAME').touch(); time.sleep(300)"]}
"""
#: Each port is spoken to in four ways, as Dask does and as browsers do; told is what came back.
TRY_PORTS = r"""
def answer(line, said):
    line.settimeout(3)
    try:
        line.sendall(said)
        return line.recv(4096)[:200].decode("latin-1")
    except TimeoutError:
        return ""
    except OSError as error:
        return f"refused: {type(error).__name__}"

def try_port(host, port, said, secure):
    try:
        with socket.socket() as line:
            line.settimeout(5)
            line.connect((host, port))
            if not secure:
                return answer(line, said)
            context = ssl._create_unverified_context()
            with context.wrap_socket(line) as safe:
                return answer(safe, said)
    except OSError as error:
        return f"refused: {type(error).__name__}"

frame = (5).to_bytes(8, "little") + b"hello"
get = b"GET /api/admin/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
body = b'{"limit": 5}'
post = b"POST /api/flow_runs/filter HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
post += b"Content-Length: 12\r\n\r\n" + body
ways = (("frame", frame, False), ("get", get, False), ("post", post, False), ("tls", frame, True))
for host, port in json.loads(sys.argv[1]):
    for name, said, secure in ways:
        print(json.dumps([port, name, try_port(host, port, said, secure)]), flush=True)
"""
TRY_SOCKETS = r"""
for path in json.loads(sys.argv[1]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as caller:
            caller.settimeout(3)
            try:
                caller.connect("\0" + path[1:] if path.startswith("@") else path)
                caller.send(b"hello")
                told = caller.recv(100).decode("latin-1")
            except OSError as error:
                told = "refused"
        print(json.dumps([path, told]), flush=True)
"""
TRY_FILES = r"""
for path in json.loads(sys.argv[1]):
    try:
        pathlib.Path(path).read_bytes() if not os.path.isdir(path) else os.listdir(path)
        print(json.dumps(path), flush=True)
    except PermissionError:
        pass
"""


@pytest.fixture
def open_to_all() -> Iterator[Workplace]:
    """A workplace in a directory that every account may enter, for whose owner everything is open that he makes."""
    before = os.umask(0)
    try:
        with open_place() as place, open_workplace(place) as workplace:
            workplace.environment["XDG_CACHE_HOME"] = str(place / "cache")
            yield workplace
            workplace.run("down")
    finally:
        os.umask(before)


def tell(script: str, what: object) -> list[Any]:
    with as_somebody(script, json.dumps(what)) as process:
        out, _ = process.communicate(timeout=300)
    return [json.loads(line) for line in out.splitlines()]


def ports_of(workplace: Workplace) -> list[tuple[str, int]]:
    """Where its processes listen."""
    found = set()
    for process in workplace.processes():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return sorted(found)


def sockets_of(workplace: Workplace) -> list[str]:
    """The addresses of its sockets in the file system, and of those that only have a name."""
    mine = {str(process.pid): process for process in workplace.processes()}
    inodes = set()
    for pid in mine:
        with contextlib.suppress(OSError):
            for descriptor in Path("/proc", pid, "fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return sorted({parts[7] for line in lines if len(parts := line.split()) == 8 and parts[6] in inodes})


def is_nothing(told: str) -> bool:
    """Whether it is what somebody gets who is not let in: the end, an alert of TLS, a refusal of HTTP's."""
    refused = any(told.startswith(f"HTTP/1.1 {code}") for code in (400, 401, 403, 404, 405, 421))
    return not told or told.startswith(("refused", "\x15\x03")) or refused


class Talker(socketserver.BaseRequestHandler):
    """Says something to everybody."""

    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")


def test_what_gives_something_is_seen_to() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        tried = tell(TRY_PORTS, [server.server_address])
        server.shutdown()
        serving.join()

    assert {"frame": False, "get": False, "post": False, "tls": True} == {
        way: is_nothing(said) for _, way, said in tried
    }


def test_no_port_no_socket_and_no_file_gives_anything(open_to_all: Workplace) -> None:
    place = open_to_all
    for name in ("own", "fleet"):
        place.write(f"suites/{name}.yaml", LONG.replace("PLACE", str(place.path)).replace("NAME", name))
    assert place.run("certs", "init").code == 0
    assert place.run("certs", "node", "lab1").code == 0
    listen = f"127.0.0.1:{free_port()}"
    up = place.run("up", "-n", "1", "--listen", listen)
    assert up.code == 0, up.err
    words = ("--scheduler", f"tls://{listen}", "--credentials", "lab1.pem", "--id", "lab1", "--slots", "1")
    place.start("node", "start", *words)
    until(lambda: "lab1" in place.run("status", "--output", "json").json["nodes"], "the node has joined")
    place.start("run", "suites/fleet.yaml")
    place.start("run", "suites/own.yaml", "-n", "1")
    until(lambda: (place.path / "own").exists() and (place.path / "fleet").exists(), "both runs test")

    ports, sockets = ports_of(place), sockets_of(place)
    tried = tell(TRY_PORTS, ports)
    kept = [path for path in place.home.rglob("*") if not path.is_symlink()] + [place.path / "lab1.pem"]

    assert len(ports) >= 8, ports  # two servers, two schedulers, three nodes, and what Dask has besides
    assert len(tried) == 4 * len(ports)
    assert [] == [one for one in tried if not is_nothing(one[2])]
    assert [] == [one for one in tell(TRY_SOCKETS, sockets) if one[1] != "refused" and one[1]]
    assert [] == tell(TRY_FILES, [str(path) for path in kept])
    assert 0o700 == stat.S_IMODE(place.home.stat().st_mode)
    secrets = [path for path in kept if path.suffix in (".pem", ".sock", ".log")]
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in secrets}
