"""Whether processes have to do with a directory."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = "/proc"
_LINKS = ("cwd", "root", "exe")


def has_users(directory: Path) -> bool:
    """Whether a process is in a directory, or has something of it open or in its memory.

    Looked at are the processes of this user, or of all where that is root; not those that hide from him.
    True also where the system shows none.
    """
    below = os.fsencode(directory) + b"/"
    try:
        pids = [name for name in os.listdir(_PROC) if name.isdecimal()]
    except OSError:
        return True
    return not pids or any(_uses(f"{_PROC}/{pid}", below) for pid in pids)


def _uses(process: str, below: bytes) -> bool:
    user = os.geteuid()
    try:
        if user != 0 and os.stat(process).st_uid != user:
            return False
        names = (*_LINKS, *(f"fd/{name}" for name in os.listdir(f"{process}/fd")))
        # A file may be closed that is still in memory.
        return any(_leads_below(f"{process}/{name}", below) for name in names) or _tells(f"{process}/maps", below)
    except OSError:  # it has ended, or hides
        return False


def _leads_below(link: str, below: bytes) -> bool:
    try:
        return (os.readlink(os.fsencode(link)) + b"/").startswith(below)
    except OSError:
        return False


def _tells(path: str, text: bytes) -> bool:
    with open(path, "rb", buffering=0) as stream:
        return text in stream.read()
