"""What hosts of tests need of the machine, and what of it is missing."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

import pytest

#: Each program with the package of Debian's that has it.
_PROGRAMS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "pivot_root": "util-linux",
    "unshare": "util-linux",
}
#: Directories of programs for root, which the path of others may lack.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def find_program(name: str) -> str:
    """Where a program of the machine is; its bare name where it is nowhere."""
    return shutil.which(name, path=_PATH) or name


@functools.cache
def find_missing() -> str | None:
    """What this machine lacks to have hosts, in words; None where it lacks nothing."""
    if sys.platform != "linux":
        return "hosts are Linux namespaces"
    if os.geteuid() != 0:
        return "only root makes hosts"
    if missing := {name: package for name, package in _PROGRAMS.items() if shutil.which(name, path=_PATH) is None}:
        packages = " ".join(sorted(set(missing.values())))
        return f"no {', '.join(missing)}: apt-get install {packages}"
    tried = subprocess.run(
        [find_program("unshare"), "--net", "--mount", "--uts", "--pid", "--fork", find_program("ip"), *_BRIDGE],
        capture_output=True,
        text=True,
        check=False,
    )
    return (
        f"this machine makes no namespaces, or no bridges in them: {tried.stderr.strip()}" if tried.returncode else None
    )


_BRIDGE = ("link", "add", "tried", "type", "bridge")


def skip_without_hosts() -> None:
    """Skip the test that asks where it can have no hosts, and say what is missing."""
    if missing := find_missing():
        pytest.skip(missing)
