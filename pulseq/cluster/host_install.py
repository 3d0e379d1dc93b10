"""Puts this release of PulseQ on other hosts: one ssh connection a host, hosts side by side."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pulseq.cluster.install_program import LINK, MARK
from pulseq.cluster.own_release import Release
from pulseq.cluster.ssh_command import ssh_command
from pulseq.cluster.ssh_trouble import explain
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import SshSpec

#: Where it goes, and where runs look for it (`ssh_host.INSTALLED_PYTHON`).
DEFAULT_PLACE = "~/.local/share/pulseq"
_PROGRAM = Path(__file__).with_name("install_program.py")
_CHUNK_BYTES = 256 * 1024
#: A host that says nothing for so long, and takes nothing, is given up.
SILENCE_SECONDS = 900.0
#: How long the program there may take to clear away and leave.
END_SECONDS = 10.0
#: What stands in a shell between double quotes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_./~+=:@%,-]+")
#: In any login shell: no single quotes in it. The first that is new enough, else one that says that it is not.
_FIND_PYTHON = (
    "for p in {pythons}; do "
    'if "$p" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then exec "$p" {words}; fi; '
    "done; for p in {pythons}; do "
    'if command -v "$p" >/dev/null 2>&1; then exec "$p" {words}; fi; '
    "done; echo pulseq-host: no python >&2; exit 127"
)
_STEPS = {
    "send": "sends what is missing there",
    "environment": "makes a virtual environment",
    "packages": "installs packages",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A host, and how it is reached."""

    host: str
    ssh: SshSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is to be on each host.

    Attributes:
        archive: what is sent to one that has not got it; a tar archive, by `pack_archive`.
        digest: what has the same is the same installation.
        place: directory on the host; `~` is the login's home.
        python: interpreter there to make the environment with; None looks for one.
    """

    archive: IO[bytes]
    digest: str
    version: str
    place: str = DEFAULT_PLACE
    python: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("--python", self.python), ("--directory", self.place)):
            if value is not None and not _PLAIN.fullmatch(value):
                raise UsageError(
                    f"{name}: found {value!r}, expected a path of letters, digits and _ . / ~ + = : @ % , -"
                )


def pack_archive(release: Release, wheelhouse: Path | None, into: IO[bytes]) -> None:
    """Write what hosts are sent: the wheel of this release, the versions of the others, and a wheelhouse's wheels.

    Raises:
        UsageError: the wheelhouse is none, or lacks some of the others.
    """
    wheels = _find_wheels(wheelhouse, release) if wheelhouse is not None else []
    with tarfile.open(fileobj=into, mode="w|") as archive:
        _add(archive, release.wheel_name, release.wheel)
        _add(archive, "constraints.txt", release.constraints.encode())
        if wheelhouse is not None:
            _add(archive, "no-index", b"")
        for wheel in wheels:
            archive.add(wheel, wheel.name, recursive=False)


def _find_wheels(wheelhouse: Path, release: Release) -> list[Path]:
    if not wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse: found no directory {str(wheelhouse)!r}, expected one with wheels")
    wheels = sorted(path for path in wheelhouse.glob("*.whl") if not path.name.startswith("pulseq-"))
    there = {"==".join(path.name.split("-")[:2]).lower().replace("_", "-").replace(".", "-") for path in wheels}
    missing = [line for line in release.constraints.split() if line.lower().replace(".", "-") not in there]
    if missing:
        some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise UsageError(
            f"--wheelhouse: found no wheel of {some} in {str(wheelhouse)!r}; "
            f"`pip freeze --exclude-editable --exclude pulseq | pip download --no-deps -r /dev/stdin -d {wheelhouse}` "
            "brings them"
        )
    return [wheel.resolve() for wheel in wheels]


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    told = tarfile.TarInfo(name)
    told.size = len(content)
    archive.addfile(told, io.BytesIO(content))


async def install_on(target: Target, installation: Installation, say: Callable[[str], None]) -> None:
    """Have a host hold an installation.

    Args:
        say: told, in words that follow the host's name, what goes on there.

    Raises:
        InfrastructureError: it does not; the text says why and what to do. What was there before is there still.
    """
    command = ssh_command(
        target.host,
        target.ssh,
        _remote_command(installation.python),
        options={"ServerAliveInterval": 15, "ServerAliveCountMax": 4},
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise InfrastructureError(explain(target.host, f"{error.strerror}: ssh", None)) from error
    talk = _Talk(target.host, process, installation, say)
    try:
        await talk.hold()
    finally:
        await talk.end()


def _remote_command(python: str | None) -> str:
    ours = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    # A tilde is the shell's to read only where it is not quoted: the path is one of plain characters.
    pythons = python or " ".join(dict.fromkeys((ours, "python3", "python3.13", "python3.12", "python3.11")))
    read = f'-I -c "import sys; exec(sys.stdin.buffer.read({_PROGRAM.stat().st_size}))"'
    return f"exec sh -c '{_FIND_PYTHON.format(pythons=pythons, words=read)}'"


class _Talk:
    """What is said to the program on a host, and what it says."""

    def __init__(
        self, host: str, process: asyncio.subprocess.Process, installation: Installation, say: Callable[[str], None]
    ) -> None:
        self._host = host
        self._process = process
        self._installation = installation
        self._say = say

    async def hold(self) -> None:
        """From its first word to its last."""
        assert self._process.stderr is not None
        errors = asyncio.ensure_future(self._process.stderr.read())
        sending: asyncio.Task[None] | None = None
        asked = {name: getattr(self._installation, name) for name in ("place", "digest", "version")}
        await self._send(_PROGRAM.read_bytes() + json.dumps(asked).encode() + b"\n")
        try:
            while told := await self._hear():
                step = told.get("step")
                if "trouble" in told:
                    raise InfrastructureError(f"host {self._host!r} {told['trouble']}")
                if step in ("same", "done"):
                    already = " already" if step == "same" else ""
                    under = f"under Python {told['python']} in {told['place']}"
                    self._say(f"has PulseQ {self._installation.version}{already}, {under}")
                    return
                self._say(_STEPS.get(str(step), str(step)))
                if step == "send":
                    sending = asyncio.ensure_future(self._send_archive())
        finally:
            if sending is not None:
                sending.cancel()
        said, code = (await errors).decode(errors="replace"), await self._process.wait()
        if code == 127 and (named := self._installation.python) is not None:
            raise InfrastructureError(f"host {self._host!r} has no such Python: {named}; name another with --python")
        raise InfrastructureError(explain(self._host, said, code))

    async def end(self) -> None:
        """Hang up: the program removes what is not whole, and leaves."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()

    async def _hear(self) -> dict[str, Any] | None:
        """What the program says next; None where it has nothing more to say."""
        assert self._process.stdout is not None
        mark = MARK.encode()
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                while line := await self._process.stdout.readline():
                    # Before the program a login shell may have said anything.
                    if (at := line.find(mark)) >= 0:
                        told: dict[str, Any] = json.loads(line[at + len(mark) :])
                        return told
        except (TimeoutError, ValueError) as error:
            raise InfrastructureError(f"host {self._host!r} says nothing that is understood ({error!r})") from error
        return None

    async def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        # That it is gone is told by what it has said.
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    async def _send_archive(self) -> None:
        offset = 0
        while chunk := await asyncio.to_thread(self._read_chunk, offset):
            offset += len(chunk)
            await self._send(chunk)

    def _read_chunk(self, offset: int) -> bytes:
        return os.pread(self._installation.archive.fileno(), _CHUNK_BYTES, offset)


def where_it_is(place: str) -> str:
    """The interpreter of an installation, as a nodes file names it."""
    return f"{place}/{LINK}/bin/python"
