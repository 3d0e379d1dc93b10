"""The directory that everything of ours is kept in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pulseq.errors import InfrastructureError, UsageError
from pulseq.ownership import close_to_others, make_own_directory, refuse_foreign_in, write_own

#: Pages and database of Prefect's server, journal, database of results: what the first run in a directory writes.
NEEDED_BYTES = 10_000_000
#: With less than this whatever fails fails for want of it.
_FULL_BYTES = 256 * 1024

#: Git is to see nothing of it; and what has such a file is a state directory.
_IGNORED = "*\n"


def prepare_home(home: Path, *parts: str) -> Path:
    """Make the state directory and, in it, the directory that `parts` name, for this user alone; that one's path.

    A state directory that an earlier version made is closed to others, too.

    Raises:
        UsageError: it, or something in it, is somebody else's; or it cannot be written.
    """
    refuse_foreign_in(home)
    directory = home.joinpath(*parts)
    ignore = home / ".gitignore"
    try:
        make_own_directory(directory)
        if not ignore.exists():
            write_own(ignore, _IGNORED)
        elif _is_ours(home, ignore):
            close_to_others(home)
    except OSError as error:
        raise UsageError(
            f"the state directory {str(home)!r} cannot be written ({error.strerror}); "
            "set PULSEQ_HOME to a directory that can"
        ) from error
    return directory


def require_space(home: Path) -> None:
    """Refuse to begin where the disk is as good as full: a server that finds no space says something else.

    Raises:
        UsageError: there is less space than a run with a server of its own takes at once.
    """
    place = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    free = free_bytes(place)
    if free < NEEDED_BYTES:
        raise UsageError(
            f"the disk of the state directory {str(home)!r} has {free / 1e6:.1f} MB free, expected at least "
            f"{NEEDED_BYTES / 1e6:.0f} MB: free some space, or set PULSEQ_HOME to a directory on another disk"
        )


def cause_of(error: InfrastructureError, home: Path) -> InfrastructureError:
    """The error; but that the disk is full where nothing can be written any more: what a server says then is that."""
    try:
        is_full = free_bytes(home) < _FULL_BYTES
    except OSError:
        return error
    told = f"the disk of the state directory {str(home)!r} is full: free some space and run it again"
    return InfrastructureError(told) if is_full else error


def free_bytes(place: Path) -> int:
    """What this user can still write on the file system of `place`: nothing, too, where it takes no more files."""
    found = os.statvfs(place)
    no_more_files = found.f_files > 0 and found.f_favail == 0
    return 0 if no_more_files else found.f_bavail * found.f_frsize


def _is_ours(home: Path, ignore: Path) -> bool:
    # A place for everybody, such as /tmp, stays one, also where somebody has named it for a state directory.
    return ignore.read_text(encoding="utf-8", errors="replace") == _IGNORED and not home.stat().st_mode & stat.S_ISVTX
