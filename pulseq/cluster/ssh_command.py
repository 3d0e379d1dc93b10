"""The command line of the system's own `ssh` for a host.

What `~/.ssh/config` says of the host holds (names, keys, agents, jump hosts), but for what would ask somebody, or
forward what nobody needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pulseq.fleet import SshSpec

#: A host as ssh takes it: what begins otherwise could be read as an option.
_HOST = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]-]{0,254}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\+-]{0,63}")
#: How long the way to a host may take until it is said to be unreachable, in seconds.
CONNECT_SECONDS = 8
_ALWAYS: Mapping[str, str] = {
    "BatchMode": "yes",
    "RequestTTY": "no",
    "EscapeChar": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    # Below it ssh tells why it fails; above it comes the banner of the host.
    "LogLevel": "ERROR",
}


def split_host(text: str) -> tuple[str | None, str]:
    """User and host of `[USER@]HOST`.

    Raises:
        ValueError: it is none; the text says what was found and expected.
    """
    user, at, host = text.rpartition("@")
    if not _HOST.fullmatch(host) or (at and not _USER.fullmatch(user)):
        raise ValueError(f"found {text!r}, expected a host as ssh takes it: NAME, or USER@NAME")
    return (user if at else None), host


def ssh_command(
    host: str,
    ssh: SshSpec,
    remote: str | None = None,
    *,
    options: Mapping[str, str | int] | None = None,
    flags: Sequence[str] = (),
) -> list[str]:
    """The arguments of `ssh` for a host.

    Args:
        remote: what the host's login shell is given to run; None is nothing.
        options: of ssh's `-o`, which go before those of the host.
        flags: other options of ssh's.
    """
    asked = {**_ALWAYS, **(options or {})}
    theirs = {name: value for name, value in ssh.options if name.lower() not in {known.lower() for known in asked}}
    asked.setdefault("ConnectTimeout", theirs.pop("ConnectTimeout", CONNECT_SECONDS))
    command = ["ssh", "-T", *flags]
    for name, value in {**asked, **theirs}.items():
        command += ["-o", f"{name}={value}"]
    if ssh.user is not None:
        command += ["-l", ssh.user]
    if ssh.port is not None:
        command += ["-p", str(ssh.port)]
    if ssh.identity is not None:
        command += ["-i", str(Path(ssh.identity).expanduser()), "-o", "IdentitiesOnly=yes"]
    return [*command, "--", host, *([] if remote is None else [remote])]
