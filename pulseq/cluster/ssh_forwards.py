"""What an ssh connection forwards: ports of either side's loopback, asked for by its control socket while it lasts."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
from pathlib import Path

from pulseq.cluster.ssh_command import ssh_command
from pulseq.cluster.ssh_trouble import explain
from pulseq.errors import InfrastructureError
from pulseq.fleet import SshSpec
from pulseq.processes.node_forks import make_temp_root

_PATIENCE_SECONDS = 10.0
#: So many ports are tried here: between its choice and ssh's taking it another program, or node, may have one.
_TURNS = 5
#: ssh gives the socket a longer name at first.
_LONGEST_PLACE = 80


class SshForwards:
    """The forwarded ports of one connection.

    Args:
        places: a directory that somebody removes when this process is killed.

    Attributes:
        place: a directory for the socket by which the connection is told what to forward; its owner removes it.
    """

    def __init__(self, host: str, ssh: SshSpec, places: Path | None = None) -> None:
        self._host = host
        self._ssh = ssh
        self.place = _control_directory(places)
        self._back: dict[int, int] = {}
        self._turn = asyncio.Lock()

    @property
    def control_path(self) -> str:
        return str(self.place / "c")

    async def lead_back(self, port: int) -> int:
        """The port there that leads to this one here, for as long as the connection lasts.

        Raises:
            InfrastructureError: the host does not let it.
        """
        async with self._turn:
            if port not in self._back:
                told = await self._ask("forward", "-R", f"127.0.0.1:0:127.0.0.1:{port}")
                self._back[port] = int(told.split()[0])
            return self._back[port]

    async def lead_there(self, port: int) -> int:
        """A port here that leads to this one there, until it is ended.

        Raises:
            InfrastructureError: ssh does not do it.
        """
        for turn in range(1, _TURNS + 1):
            here = _free_port()
            try:
                await self._ask("forward", "-L", _way(here, port))
                break
            except InfrastructureError:
                if turn == _TURNS or not _is_taken(here):
                    raise
        return here

    async def end_way(self, here: int, port: int) -> None:
        """Let a port here lead there no more.

        Raises:
            InfrastructureError: the connection has ended, and all ways with it.
        """
        await self._ask("cancel", "-L", _way(here, port))

    async def _ask(self, what: str, way: str, ports: str) -> str:
        """What ssh says of it."""
        control = {"ControlPath": self.control_path, "ClearAllForwardings": "no"}
        # What the user's files have this host forward besides is nothing to be asked for with it.
        flags = ["-F", os.devnull, "-O", what, way, ports]
        command = ssh_command(self._host, self._ssh, options=control, flags=flags)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                told, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            raise InfrastructureError(f"host {self._host!r} does not answer") from None
        if process.returncode:
            raise InfrastructureError(explain(self._host, errors.decode(errors="replace"), process.returncode))
        return told.decode(errors="replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _way(here: int, there: int) -> str:
    return f"127.0.0.1:{here}:127.0.0.1:{there}"


def _control_directory(places: Path | None) -> Path:
    """Its socket's name may have 108 bytes."""
    place = make_temp_root() if places is None else places / f"s{secrets.token_hex(3)}"
    return place if len(os.fsencode(place)) < _LONGEST_PLACE else Path("/tmp", make_temp_root().name)
