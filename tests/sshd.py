"""A real sshd of a test's own, on loopback, that lets the account in which the tests run in by a key made for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pulseq.fleet import SshSpec
from tests.system.workplace import until

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="there is no sshd here (Debian: openssh-server)")


@dataclass(frozen=True)
class Sshd:
    """One that listens.

    Attributes:
        spec: what a nodes file would say of it.
        known_hosts: the file that knows its key.
    """

    port: int
    spec: SshSpec
    known_hosts: Path


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=20)
    return path


@contextlib.contextmanager
def running_sshd(directory: Path, python: str, *settings: str) -> Iterator[Sshd]:
    """An sshd with its files in this directory.

    Args:
        python: the interpreter that nodes are to be started with.
        settings: lines of sshd_config.
    """
    assert SSHD is not None
    directory.mkdir(parents=True, exist_ok=True)
    host_key, user_key = make_key(directory / "host"), make_key(directory / "user")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    known_hosts = directory / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host_key.with_suffix('.pub').read_text()}")
    config = directory / "sshd_config"
    config.write_text(
        "\n".join(
            [
                f"Port {port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {host_key}",
                f"AuthorizedKeysFile {user_key.with_suffix('.pub')}",
                "StrictModes no",
                "UsePAM no",
                "PasswordAuthentication no",
                f"PidFile {directory / 'pid'}",
                *settings,
            ]
        )
        + "\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it leaves its rights
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None, "sshd listens")
        assert process.poll() is None, (directory / "log").read_text()
        ssh_options = (
            ("HostName", "127.0.0.1"),
            ("UserKnownHostsFile", str(known_hosts)),
            ("GlobalKnownHostsFile", "none"),
        )
        spec = SshSpec(port=port, identity=str(user_key), options=ssh_options, python=python)
        yield Sshd(port, spec, known_hosts)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
