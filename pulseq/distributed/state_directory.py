"""The directory that everything of ours is kept in."""

from __future__ import annotations

import stat
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.ownership import close_to_others, make_own_directory, refuse_foreign_in, write_own

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


def _is_ours(home: Path, ignore: Path) -> bool:
    # A place for everybody, such as /tmp, stays one, also where somebody has named it for a state directory.
    return ignore.read_text(encoding="utf-8", errors="replace") == _IGNORED and not home.stat().st_mode & stat.S_ISVTX
