"""Who can log in to hosts, and how: keys, and the files of sshd and of ssh."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.needs import find_program

#: The account of a host that people use; it may do what an ordinary user may.
TESTER = "tester"
#: Another ordinary account of each host.
STRANGER = "stranger"
ACCOUNTS = {"root": 0, TESTER: 1000, STRANGER: 1001}
HOME_OF = {"root": "/root", TESTER: f"/home/{TESTER}", STRANGER: f"/home/{STRANGER}"}
#: Programs of a host's own are looked for first, then those of its system.
HOST_PATH = "/opt/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SSHD_CONFIG = "/etc/ssh/sshd_config"
PID_FILE = "/run/sshd.pid"

_SSHD_CONFIG = f"""
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile {PID_FILE}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
SetEnv PATH={HOST_PATH}
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair, as the files have it."""

    private: str
    public: str

    @classmethod
    def generate(cls, directory: Path, name: str) -> Key:
        """A new one, by way of files in `directory` that are gone then."""
        path = directory / name
        command = [find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True)
        files = path, path.with_name(f"{path.name}.pub")
        key = cls(*(file.read_text() for file in files))
        for file in files:
            file.unlink()
        return key


def describe_sshd(address: str, more: Iterable[str] = ()) -> str:
    """A configuration that lets people in by their key alone; lines of `more` come first, and so count."""
    return "\n".join((*more, f"ListenAddress {address}", _SSHD_CONFIG))


def describe_ssh(addresses: dict[str, str], home: str) -> str:
    """A `~/.ssh/config` that names hosts."""
    hosts = "".join(f"Host {name}\n    HostName {address}\n\n" for name, address in addresses.items())
    return (
        f"{hosts}Host *\n    User {TESTER}\n    IdentityFile {home}/.ssh/id_ed25519\n    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {home}/.ssh/known_hosts\n    GlobalKnownHostsFile /dev/null\n"
    )


def describe_known_hosts(addresses: dict[str, str], keys: dict[str, Key]) -> str:
    """A `known_hosts` with these hosts by name and by address."""
    return "".join(f"{name},{addresses[name]} {key.public}" for name, key in keys.items())
