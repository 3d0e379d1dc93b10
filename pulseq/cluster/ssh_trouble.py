"""Why a host cannot be used, from what ssh and the host's shell have said: one line, with what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pulseq import __version__

_INSTALL = "`pulseq node install {host}` puts this one there"
_FORWARDING = "set `AllowTcpForwarding yes` in its sshd_config"
#: What ssh says where it is asked for something by the socket of a connection that has ended.
_LOST = "Control socket connect"
#: What is looked for in what was said, in this order; then what is wrong and what to do.
_KNOWN: Sequence[tuple[str, str, str]] = (
    (_LOST, "is lost: the connection to it has ended", "see whether it is up: `ssh {host}`"),
    ("master hello exchange failed", "is lost: the connection to it has ended", "see whether it is up: `ssh {host}`"),
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "has another host key than is known here",
        "if that is right: `ssh-keygen -R {host}`, then `ssh {host}` once",
    ),
    ("Host key verification failed", "is unknown here", "`ssh {host}` once, and accept its key if it is the right one"),
    ("Could not resolve hostname", "has no address", "write its name as ssh knows it, or add it to ~/.ssh/config"),
    ("Permission denied", "refuses your key", "`ssh-copy-id {host}`, or name the right one: `ssh: {{identity: FILE}}`"),
    ("Too many authentication failures", "refuses your keys", "name the right one: `ssh: {{identity: FILE}}`"),
    ("Connection refused", "cannot be reached: nothing listens there", "start sshd there, or give its `port`"),
    ("timed out", "cannot be reached: it does not answer", "see whether it is up: `ssh {host}`"),
    ("No route to host", "cannot be reached: there is no way to it", "see whether it is up: `ssh {host}`"),
    ("Network is unreachable", "cannot be reached: there is no way to it", "see whether this machine has a network"),
    ("No module named", "has no PulseQ under its python", _INSTALL),
    ("pulseq-host: no python", "has no Python", "install Python there, or name one: `ssh: {{python: PATH}}`"),
    ("forwarding", "forbids forwarding", _FORWARDING),
    ("administratively prohibited", "forbids forwarding", _FORWARDING),
    ("No such file or directory: ssh", "cannot be reached: this machine has no `ssh`", "install OpenSSH's client"),
    ("No space left", "has no space left on its disk", "make some"),
)
_NO_SUCH = re.compile(r"(\S+): (?:not found|No such file or directory|Permission denied)$", re.MULTILINE)
_SYNTAX = re.compile(r"SyntaxError|requires a different Python|unknown option")


def explain(host: str, said: str, code: int | None, *, user: str | None = None) -> str:
    """One line: what is wrong with a host, and what to do.

    Args:
        said: what ssh and the shell there have written to standard error.
        user: whose login there was asked for, where that was said.
        code: what ssh has ended with, if it has.
    """
    if code in (126, 127) and (path := _NO_SUCH.search(said)):
        return f"host {host!r} has no such Python: {path[1]}; name one that has PulseQ: `ssh: {{python: PATH}}`"
    for sign, wrong, advice in _KNOWN:
        if sign in said:
            login = host if user is None else f"{user}@{host}"
            return f"host {host!r} {wrong}; {advice.format(host=login)}"
    if _SYNTAX.search(said):
        return f"host {host!r} has a python that is too old; name one of 3.11 or newer: `ssh: {{python: PATH}}`"
    if code == 0:
        return (
            f"host {host!r} cannot be used: its login shell ends before it runs what it is given; see its .bashrc there"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = lines[-1] if lines else f"ssh ended with {code}" if code is not None else "it said nothing"
    return f"host {host!r} cannot be used: {told}"


def explain_loss(host: str) -> str:
    """One line: the connection to a host, which was there, has ended."""
    return explain(host, _LOST, None)


def explain_version(host: str, theirs: str, what: str = "PulseQ", ours: str = __version__) -> str:
    """One line: a host has another version of something than this machine."""
    return f"host {host!r} has {what} {theirs}, this machine {ours}; {_INSTALL.format(host=host)}"
