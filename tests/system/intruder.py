"""What somebody without credentials tries of listening sockets, and whether he gets anything by it.

A way to ask runs whatever script it is given, with these modules imported, as another account or on another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import psutil
from distributed.comm.utils import to_frames
from distributed.protocol.utils import pack_frames

from pulseq.security.authority import make_credentials
from pulseq.security.credentials import Credentials
from tests.accounts import IMPORTS, as_somebody
from tests.hosts.host import Host
from tests.system.workplace import PATIENCE_SECONDS, Workplace

#: Runs a script with one argument; gives the lines that it has printed.
Ask = Callable[[str, str], list[str]]
_LISTENS = "0A"
#: Each port is spoken to in all ways, by many at a time, since most of those who say nothing are waited for.
_TRY_PORTS = r"""
PATIENCE = 3

def answer(line, said):
    line.settimeout(PATIENCE)
    try:
        line.sendall(said)
        return line.recv(4096)[:200].decode("latin-1")
    except TimeoutError:
        return ""

def speak(host, port, said, pem):
    try:
        with socket.create_connection((host, port), PATIENCE) as line:
            if pem is None:
                return answer(line, said)
            context = ssl._create_unverified_context()
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(pem)
                file.flush()
                if pem:
                    context.load_cert_chain(file.name)
            with context.wrap_socket(line) as safe:
                return answer(safe, said)
    except OSError as error:
        return f"refused: {type(error).__name__}"

def attempt(one):
    host, port, way, said, pem = one
    return host, port, way, speak(host, port, bytes.fromhex(said), pem)

asked = json.loads(sys.argv[1])
tries = [(*place, *way) for place in asked["places"] for way in asked["ways"]]
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for told in pool.map(attempt, tries):
        print(json.dumps(told), flush=True)
"""
_TRY_SOCKETS = r"""
def speak(one):
    path, kind = one
    with socket.socket(socket.AF_UNIX, kind) as caller:
        caller.settimeout(3)
        try:
            caller.connect("\0" + path[1:] if path.startswith("@") else path)
            caller.send(b"hello")
            return path, caller.recv(100).decode("latin-1")
        except OSError:
            return path, ""

tries = [(path, kind) for path in json.loads(sys.argv[1]) for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)]
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for told in pool.map(speak, tries):
        print(json.dumps(told), flush=True)
"""
_TRY_FILES = r"""
for path in json.loads(sys.argv[1]):
    try:
        pathlib.Path(path).read_bytes() if not os.path.isdir(path) else os.listdir(path)
        print(json.dumps(path), flush=True)
    except (PermissionError, FileNotFoundError):
        pass
"""
_GET = b"GET /api/admin/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_BODY = b'{"limit": 5}'
_POST = (
    b"POST /api/flow_runs/filter HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Tried(NamedTuple):
    """A port that was spoken to, and what came back; `told` begins with `refused` where no connection was made."""

    host: str
    port: int
    way: str
    told: str

    @property
    def is_there(self) -> bool:
        """Whether anything listens, as far as who has tried can tell."""
        return self.told not in ("refused: ConnectionRefusedError", "refused: TimeoutError")

    @property
    def gives_nothing(self) -> bool:
        """Whether it is what somebody gets who is not let in: the end, an alert of TLS, a refusal of HTTP's."""
        refused = any(self.told.startswith(f"HTTP/1.1 {code}") for code in (400, 401, 403, 404, 405, 421))
        return not self.told or self.told.startswith(("refused", "\x15\x03")) or refused


@functools.cache
def _dask_words() -> bytes:
    """What a client of Dask's says first, and its first question."""
    info = {"compression": None, "python": (3, 11, 0), "pickle-protocol": 5}
    messages = [asyncio.run(to_frames(message)) for message in (info, {"op": "identity", "reply": True})]
    packed = [bytes(pack_frames(frames)) for frames in messages]
    return b"".join(struct.pack("<Q", len(one)) + one for one in packed)


def _ways(credentials: Credentials) -> list[tuple[str, str, str | None]]:
    """Each way to speak to a port: its name, what is said, and with which certificate; None is without TLS."""
    dask = _dask_words().hex()
    own = credentials.certificate + credentials.key
    plain = [("dask", dask, None), ("get", _GET.hex(), None), ("post", _POST.hex(), None)]
    return [*plain, ("tls", dask, ""), ("foreign", dask, own)]


def try_ports(ask: Ask, places: Iterable[tuple[str, int]], credentials: Credentials | None = None) -> list[Tried]:
    """What comes back from each port in each way.

    Args:
        credentials: that it is tried with, too; None makes some of another site.
    """
    asked = {"places": list(places), "ways": _ways(credentials or make_credentials("another site"))}
    tried = [Tried(*json.loads(line)) for line in ask(_TRY_PORTS, json.dumps(asked))]
    assert len(tried) == len(asked["places"]) * len(asked["ways"])
    return tried


def try_sockets(ask: Ask, paths: Iterable[str]) -> list[str]:
    """Those of these sockets that have said anything."""
    told = map(json.loads, ask(_TRY_SOCKETS, json.dumps(list(paths))))
    return [path for path, said in told if said]


def try_files(ask: Ask, paths: Iterable[Path | str]) -> list[str]:
    """Those of these files and directories that can be read."""
    return [json.loads(line) for line in ask(_TRY_FILES, json.dumps([str(path) for path in paths]))]


def ask_here(script: str, argument: str) -> list[str]:
    """As another account of this machine."""
    with as_somebody(script, argument) as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return out.splitlines()


def ask_on(host: Host, user: str) -> Ask:
    """As an account of a host."""

    def ask(script: str, argument: str) -> list[str]:
        told = host.run(["python3", "-c", IMPORTS + script, argument], user=user)
        assert told.returncode == 0, told.stderr
        return told.stdout.splitlines()

    return ask


def ports_of(workplace: Workplace) -> list[tuple[str, int]]:
    """Where processes of a workplace listen."""
    found = set()
    for process in workplace.processes():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return sorted(found)


def ports_on(host: Host) -> list[tuple[str, int]]:
    """Where anything listens on a host, but for sshd itself."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in _net(host.pid, name)]
    places = {_read_place(local) for _, local, _, state, *_ in lines if state == _LISTENS}
    return sorted(places - {(host.address, 22)})


def _read_place(text: str) -> tuple[str, int]:
    """Address and port as the kernel writes them: in words of four bytes, each in the machine's order."""
    address, _, port = text.partition(":")
    words = struct.unpack(f">{len(address) // 8}I", bytes.fromhex(address))
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))), int(port, 16)


def sockets_of(workplace: Workplace) -> list[str]:
    """The addresses of a workplace's sockets in the file system, and of those that only have a name."""
    inodes = set()
    for process in workplace.processes():
        with contextlib.suppress(OSError):
            for descriptor in Path("/proc", str(process.pid), "fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    return sorted({address for inode, address in _named_sockets("self") if inode in inodes})


def sockets_on(host: Host) -> list[str]:
    """The same of all sockets on a host."""
    return sorted({address for _, address in _named_sockets(host.pid)})


def _named_sockets(pid: int | str) -> list[tuple[str, str]]:
    return [(parts[6], parts[7]) for line in _net(pid, "unix") if len(parts := line.split()) == 8]


def _net(pid: int | str, name: str) -> list[str]:
    return Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
