"""The files that a host has from the beginning, besides the programs of its system."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.hosts.login import ACCOUNTS, HOME_OF, STRANGER, TESTER, Key

_NO_LOGIN = "/usr/sbin/nologin"
#: Accounts that the system's own programs ask for.
_SYSTEM_ACCOUNTS = {"sshd": (65533, "/run/sshd"), "nobody": (65534, "/nonexistent")}


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file as it is to be: `owner` is the number of an account."""

    text: str
    mode: int = 0o644
    owner: int = 0


def describe_files(host_key: Key, login_key: Key) -> Mapping[str, HostFile]:
    """Path to file, of a host whose sshd has `host_key` and whose accounts are entered with `login_key`.

    What names other hosts is empty: it is filled in, and kept, by whoever knows them.
    """
    return {
        **_describe_accounts(),
        **_describe_programs(),
        "/etc/nsswitch.conf": HostFile("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
        "/etc/hosts": HostFile(""),
        "/etc/ssh/ssh_host_ed25519_key": HostFile(host_key.private, 0o600),
        **_describe_logins(login_key),
    }


def _describe_accounts() -> dict[str, HostFile]:
    people = {name: (number, HOME_OF[name], "/bin/bash") for name, number in ACCOUNTS.items()}
    accounts = {**people, **{name: (*told, _NO_LOGIN) for name, told in _SYSTEM_ACCOUNTS.items()}}
    passwd = (f"{name}:x:{number}:{number}:{name}:{home}:{shell}\n" for name, (number, home, shell) in accounts.items())
    return {
        "/etc/passwd": HostFile("".join(passwd)),
        "/etc/group": HostFile("".join(f"{name}:x:{number}:\n" for name, (number, *_) in accounts.items())),
        # No password, and not locked: a key may open it.
        "/etc/shadow": HostFile("".join(f"{name}:*:19000:0:99999:7:::\n" for name in accounts), 0o640),
    }


def _describe_programs() -> dict[str, HostFile]:
    commands = {"python": sys.executable, "python3": sys.executable, "pulseq": f"{sys.executable} -m pulseq"}
    return {
        f"/opt/bin/{name}": HostFile(f'#!/bin/sh\nexec {command} "$@"\n', 0o755) for name, command in commands.items()
    }


def _describe_logins(key: Key) -> dict[str, HostFile]:
    tester = f"{HOME_OF[TESTER]}/.ssh"
    owned = {
        **{f"{home}/.profile": ("", user) for user, home in HOME_OF.items()},
        **{f"{HOME_OF[user]}/.ssh/authorized_keys": (key.public, user) for user in ACCOUNTS if user != STRANGER},
        f"{tester}/id_ed25519": (key.private, TESTER),
        f"{tester}/config": ("", TESTER),
        f"{tester}/known_hosts": ("", TESTER),
    }
    return {path: HostFile(text, 0o600, ACCOUNTS[user]) for path, (text, user) in owned.items()}
